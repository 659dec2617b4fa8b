package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"causeway/appliance/console"
	"causeway/appliance/link"
)

// FuzzSession types anything where the processes answer anything: nothing
// panics or hangs, and the session ends with its input.
func FuzzSession(f *testing.F) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		f.Fatalf("the scripts are %v, %v; want some", scripts, err)
	}
	for n, script := range scripts {
		archive, err := txtar.ParseFile(script)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data, []byte{byte(n)}, true)
		f.Add(bytes.ReplaceAll(archive.Files[0].Data, []byte("\n"), []byte("\r")), []byte{0, 1, 2, byte(n)}, false)
	}
	f.Add([]byte("en\rconf t\rload merge terminal\rhostname a\x1acommit confirmed 1\rend\r\x03\x1a\x04\x16\x1b[200~?\t"), []byte{1, 2, 3}, true)
	f.Fuzz(func(t *testing.T, typed, answers []byte, editing bool) {
		processes := &oracle{answers: answers}
		login := loggedIn(all)
		if len(typed)%2 == 0 {
			login = nil
		}
		s, err := console.New(console.Settings{
			In: bytes.NewReader(typed), Out: &screen{}, Editing: editing, Login: login, Origin: "ttyS0",
			Grammar: grammar, Commands: new(box).commands()[:2], Call: processes.call, ControlWait: time.Nanosecond,
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

// oracle is a box whose processes answer what the fuzzer says.
type oracle struct {
	mu      sync.Mutex
	answers []byte // the number of each answer, over and over
	asked   int
}

// said are the answers to a method; of others, any JSON object.
var said = map[string][]string{
	"control.status": {`{"host_name":"box"}`, `{"host_name":"other","revision":2,"problems":["a","b"],"pending":{"revision":2,"back":1}}`, `{}`},
	"control.configure": {
		`{}`, `{"changed":true,"pending":{"revision":3}}`,
		`{"holder":{"operator":{"user":"alice","origin":"ssh"},"changed":true}}`,
	},
	"control.edit": {
		`{"path":["lan LAN1"]}`, `{"path":["unknown mode"]}`, `{"fault":{"column":1,"rule":"r"}}`,
		`{"fault":{"column":-5,"rule":"r"}}`, `{"fault":{"column":5000}}`,
	},
	"control.access.state": {`{}`, `{"new_box":true}`},
	"control.access.login": {`{"operator":{"user":"ann"},"rights":{"rules":[{"permit":true,"kind":"exec"},{"permit":true,"kind":"configure"}]},"idle_minutes":1}`},
	"init.health":          {`{"uptime":1}`, `{"uptime":900000000000}`},
	"control.load":         {`{"lines":3}`, `{"faults":[{"line":1,"text":"x","rule":"r"}]}`},
	"control.commit":       {`{"revision":7}`, `{"confirmed":3}`, `{"faults":[{"text":"x","rule":"r"}],"notes":["n"]}`, `{}`},
	"control.candidate":    {`{"text":"hostname a\n"}`, `{"holder":{"operator":{"user":"console","origin":"ttyS0"}}}`},
	"control.files.read":   {`{"data":"YQ==","next":1}`, `{"end":true}`, `{"data":"YQ==","next":1,"end":true}`},
	"control.history":      {`{"revisions":[{"number":1,"state":"pending"},{"number":-1,"reason":"r","comment":"c"}],"damaged":["d"]}`},
	"init.log":             {`{}`, `{"entries":[{"seq":1,"text":"\u001b[2J"}],"next":2}`},
}

func (o *oracle) call(ctx context.Context, _, method string, _, result any) error {
	o.mu.Lock()
	choice := 0
	if len(o.answers) > 0 {
		choice = int(o.answers[o.asked%len(o.answers)])
	}
	o.asked++
	past := o.asked > 100
	o.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case choice%7 == 5:
		return &link.RemoteError{Message: strings.Repeat("no\n", choice)}
	case choice%7 == 6 || past: // what is asked again and again comes to an end
		return errors.New("down")
	case result == nil:
		return nil
	}
	answers := said[method]
	if len(answers) == 0 {
		answers = []string{`{}`}
	}
	return json.Unmarshal([]byte(answers[choice%len(answers)]), result)
}
