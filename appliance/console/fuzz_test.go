package console_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"causeway/appliance/console"
)

// FuzzSession types anything: nothing panics or hangs, and the session ends
// with its input.
func FuzzSession(f *testing.F) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		f.Fatalf("the scripts are %v, %v; want some", scripts, err)
	}
	for _, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data, true)
		f.Add(bytes.ReplaceAll(archive.Files[0].Data, []byte("\n"), []byte("\r")), false)
	}
	f.Add([]byte("en\rconf t\rload merge terminal\rhostname a\x1acommit confirmed 1\rend\r\x03\x1a\x04\x16\x1b[200~?\t"), true)
	f.Fuzz(func(t *testing.T, typed []byte, editing bool) {
		dir, err := os.MkdirTemp("", "session")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := newBox(t, dir)
		b.down["control"] = len(typed)%2 == 1
		screen := &screen{}
		s, err := console.New(console.Settings{
			In: bytes.NewReader(typed), Out: screen, Editing: editing, Port: len(typed)%3 == 0,
			Operator: me, Grammar: grammar, Commands: b.commands()[:2], Call: b.call, ControlWait: time.Nanosecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(t.Context()) }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run on %q = %v; want no error", typed, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("Run on %q does not end", typed)
		}
	})
}
