package grammar_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"causeway/appliance/config"
	"causeway/appliance/grammar"
	"causeway/appliance/grammar/drawn"
	"causeway/appliance/model"
)

// TestParseOfRender is the property that the whole engine stands on.
func TestParseOfRender(t *testing.T) {
	g := grammar.All()
	unseen := make(map[string]bool) // commands that no configuration needed
	for _, command := range g.Commands() {
		if command.Render != nil {
			unseen[string(command.Mode)+": "+command.Syntax] = true
		}
	}
	property := func(t *rapid.T) {
		want := configs.Draw(t, "config")
		text := g.Render(want)
		got, err := g.Parse(text)
		if err != nil {
			t.Fatalf("Parse of\n%s = %v; want no error", text, err)
		}
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Fatalf("Parse(Render(c)) differs (-c +parsed) for\n%s\n%s", text, diff)
		}
		if err := g.Validate(got); err != nil {
			t.Fatalf("Validate = %v; want no error, as Parse found none", err)
		}
		if loaded, aside, faults := g.Load(text); len(aside)+len(faults) > 0 || !cmp.Equal(want, loaded, byValue) {
			t.Fatalf("Load(Render(c)) = %v, %q, %v; want c", loaded, aside, faults)
		}
		typeAll(t, g, text, func(mode config.Mode, form config.Form) { delete(unseen, string(mode)+": "+form.Syntax) })
	}
	for rounds := 0; rounds < 20 && (rounds == 0 || len(unseen) > 0); rounds++ { // rare lines take a while to be drawn
		rapid.Check(t, property)
	}
	for command := range unseen {
		t.Errorf("no random configuration has a line of %s: draw one", command)
	}
}

// TestEditing types random lines, right and wrong ones, wherever they lead. A
// line that is refused changes nothing; and typing what Render prints makes
// the same configuration, even one that would not be committed.
func TestEditing(t *testing.T) {
	g := grammar.All()
	rapid.Check(t, func(t *rapid.T) {
		c := configs.Draw(t, "config")
		var path []string
		for range rapid.IntRange(0, 40).Draw(t, "lines") {
			line := typedLine(t, g, path)
			before := snapshot(t, c)
			next, fault := g.Edit(c, path, line)
			if fault != nil && snapshot(t, c) != before {
				t.Fatalf("Edit(%q, %q) = %v and\n%s\nwant nothing changed:\n%s", path, line, fault, snapshot(t, c), before)
			}
			path = next
			if rapid.IntRange(0, 9).Draw(t, "another one is loaded") == 0 {
				c = configs.Draw(t, "config")
			}
		}
		again := typeAll(t, g, g.Render(c), func(config.Mode, config.Form) {})
		if diff := cmp.Diff(c, again, byValue); diff != "" {
			t.Fatalf("typing Render(c) differs (-c +typed) for\n%s\n%s", g.Render(c), diff)
		}
	})
}

// typeAll types a text line by line, and tells which forms it is written in.
func typeAll(t *rapid.T, g *config.Grammar, text string, visit func(config.Mode, config.Form)) *model.Config {
	c := &model.Config{}
	var path []string
	for line := range strings.Lines(text) {
		mode, err := g.ModeOf(path)
		if err != nil {
			t.Fatalf("ModeOf(%q) = %v", path, err)
		}
		next, fault := g.Edit(c, path, line)
		if fault != nil {
			t.Fatalf("Edit(%q, %q) = %v; want no error in\n%s", path, line, fault, text)
		}
		for _, form := range g.Forms(mode) {
			if first, _, _ := strings.Cut(form.Syntax, " "); !strings.HasPrefix(strings.TrimSpace(line), first) {
				continue
			}
			v, err := config.NewVocabulary([]config.Form{form})
			if err != nil {
				t.Fatalf("form %q: %v", form.Syntax, err)
			}
			if _, err := v.Match(line); err == nil {
				visit(mode, form)
			}
		}
		path = next
	}
	return c
}

// snapshot is all of c.
func snapshot(t *rapid.T, c *model.Config) string {
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatalf("marshal the configuration: %v", err)
	}
	return string(text)
}

// typedLine draws a line of a mode around the place, with values that often meet.
func typedLine(t *rapid.T, g *config.Grammar, path []string) string {
	mode, err := g.ModeOf(path[:rapid.IntRange(0, len(path)).Draw(t, "depth")])
	if err != nil {
		t.Fatalf("ModeOf(%q) = %v", path, err)
	}
	form := rapid.SampledFrom(g.Forms(mode)).Draw(t, "form")
	args := make(map[string]config.Type)
	for _, arg := range form.Args {
		args[arg.Name] = arg.Type
	}
	var words []string
	for _, w := range strings.Fields(form.Syntax) {
		if strings.HasPrefix(w, "[") && rapid.Bool().Draw(t, "ends here") {
			break
		}
		w, repeats := strings.CutSuffix(strings.Trim(w, "[]"), "...")
		if args[w] == nil {
			words = append(words, w)
			continue
		}
		words = append(words, word(t, args[w]))
		for repeats && rapid.Bool().Draw(t, "once more") {
			words = append(words, word(t, args[w]))
		}
	}
	return strings.Join(words, " ")
}

// word draws a value of a type: one of few, so that lines are about the same
// things, and now and then no value of it.
func word(t *rapid.T, typ config.Type) string {
	switch typ := typ.(type) {
	case config.Integer:
		return fmt.Sprint(rapid.SampledFrom([]int{typ.Min, min(typ.Min+1, typ.Max), typ.Max, typ.Max + 1}).Draw(t, "number"))
	case config.LAN:
		return rapid.SampledFrom([]string{"LAN1", "LAN2", "LAN1.5", "LAN3"}).Draw(t, "port")
	case config.Prefix6:
		return rapid.SampledFrom([]string{"2001:db8::1/64", "2001:db8:1::1/64", "2001:db8::/48", "2001:db8::1"}).Draw(t, "prefix")
	case config.Choice:
		return rapid.SampledFrom(typ).Draw(t, "choice")
	case config.Mask:
		return rapid.SampledFrom([]string{"0.0.0.0", "255.0.0.0", "255.255.255.0", "255.255.255.255", "255.0.255.0"}).Draw(t, "mask")
	case config.IPv4, config.Address:
		return rapid.SampledFrom([]string{
			"0.0.0.0", "10.0.0.0", "10.0.0.1", "10.0.0.2", "11.0.0.1", "127.0.0.1", "172.16.0.0", "224.0.0.1", "255.255.255.255", "2001:db8::1",
		}).Draw(t, "address")
	}
	return rapid.SampledFrom([]string{"a", "b", "lan1", "192.0.2.1", "a/b"}).Draw(t, "name")
}

// configs draws valid configurations.
var configs = drawn.Configs
