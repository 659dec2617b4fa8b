package routing

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/config"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestPastedCUSPConfiguration(t *testing.T) {
	g := grammar(t)
	pasted, err := os.ReadFile("testdata/contact-centre.conf")
	if err != nil {
		t.Fatal(err)
	}
	c, err := g.Parse(string(pasted))
	if err != nil {
		t.Fatalf("Parse = %v; want no error", err)
	}
	rendered := g.Render(c)
	exectest.Golden(t, "contact-centre", rendered)
	if loaded, aside, faults := g.Load(string(pasted)); len(aside)+len(faults) > 0 || g.Render(loaded) != rendered {
		t.Errorf("Load = %q aside, %v, and\n%s", aside, faults, g.Render(loaded))
	}
	typed, path := &model.Config{}, []string(nil)
	for line := range strings.Lines(string(pasted)) {
		next, fault := g.Edit(typed, path, "se-192-0-2-1(cusp-config)> "+line)
		if fault != nil {
			t.Fatalf("Edit(%q, %q) = %v; want no error", path, line, fault)
		}
		path = next
	}
	if diff := cmp.Diff(rendered, g.Render(typed)); diff != "" {
		t.Errorf("typed line by line it differs (-parsed +typed):\n%s", diff)
	}
}

func grammar(t testing.TB) *config.Grammar {
	t.Helper()
	g, err := config.New(Commands(), SBCCommands())
	if err != nil {
		t.Fatal(err)
	}
	return g
}
