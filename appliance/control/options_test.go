package control

import (
	"flag"
	"strings"
	"testing"
)

// TestOwnDirectories: nobody puts a file of his own in the place of one that control
// keeps its state in.
func TestOwnDirectories(t *testing.T) {
	b := newBox(t)
	b.start()
	var set flag.FlagSet
	new(Options).Flags(&set)
	set.VisitAll(func(f *flag.Flag) {
		dir, ours := strings.CutPrefix(f.DefValue, "/bootflash/")
		if !ours {
			return
		}
		err := b.ask("files.write", map[string]string{"path": "bootflash:" + dir + "/new", "text": "mine"}, nil)
		if err == nil || !strings.Contains(err.Error(), "belongs to the box itself") {
			t.Errorf("a file in %s: %v; want a refusal", f.DefValue, err)
		}
	})
}
