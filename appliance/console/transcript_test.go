package console_test

import (
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"causeway/appliance/console"
	"causeway/appliance/model"
)

var update = flag.Bool("update", false, "write what the screen shows into the scripts")

// TestTranscripts types the scripts of testdata/script. Each has a file of what
// is typed, one step a line:
//
//	show version     a line and Return
//	show ver?\       without Return
//	\x03             a key by its octets, as in a Go string
//	# down control   something that happens around the session (see box.happens)
//	# look           notes the last row of the screen as it is now
//
// and a file with what stands on the screen in the end, and the rows noted. Time is that of the test: it
// passes only where a step says so.
func TestTranscripts(t *testing.T) {
	testscript.RunT(scriptT{t}, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Values["t"] = env.T().(scriptT).T
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"session": session},
	})
}

// scriptT gives the commands of a script their *testing.T.
type scriptT struct{ *testing.T }

func (t scriptT) Run(name string, run func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { run(scriptT{t}) })
}

func (scriptT) Verbose() bool { return testing.Verbose() }

// session types a file: session [plain|serial|new|reader] FILE. It is that of
// somebody who has logged in and may do all: on a terminal, or in a pipe; at the
// serial port, where he has to log in first, also on a new box; of somebody who may
// do little. The screen is its output.
func session(ts *testscript.TestScript, negated bool, args []string) {
	kind := ""
	if len(args) == 2 {
		kind = args[0]
	}
	if negated || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: session [plain|serial|new|reader] FILE")
	}
	steps := strings.Split(strings.TrimSuffix(ts.ReadFile(args[len(args)-1]), "\n"), "\n")
	dir := ts.MkAbs(".")
	synctest.Test(ts.Value("t").(*testing.T), func(t *testing.T) {
		var b *box
		switch kind {
		case "serial":
			b = newBox(t, dir, users...)
			b.login = nil
		case "new":
			b = newBox(t, dir)
			b.login = nil
		default:
			b = newBox(t, dir)
		}
		if kind == "reader" {
			b.login = loggedIn(few)
		}
		io.WriteString(ts.Stdout(), play(t, b, kind != "plain", steps))
	})
}

// play types the steps, each when the session waits for it, and gives what then
// stands on the screen.
func play(t *testing.T, b *box, editing bool, steps []string) string {
	typed, typing := io.Pipe()
	screen := &screen{plain: !editing}
	s, err := console.New(console.Settings{
		In: typed, Out: screen, Editing: editing, Login: b.login, Origin: "ttyS0",
		Grammar: grammar, Commands: b.commands(), Call: b.call,
		Build: model.BuildInfo{Version: "v1.2", Board: "x86_64"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	time.Sleep(6 * time.Second) // control may be down from the beginning
	var looks strings.Builder
	for _, step := range steps {
		synctest.Wait()
		if step == "# look" {
			fmt.Fprintf(&looks, "look: %s\n", screen.lastRow())
			continue
		}
		if happening, ok := strings.CutPrefix(step, "# "); ok {
			b.happens(t, happening)
			continue
		}
		step, noReturn := strings.CutSuffix(step, `\`)
		keys, err := strconv.Unquote(`"` + strings.ReplaceAll(step, `"`, `\"`) + `"`)
		if err != nil {
			t.Fatalf("step %q: %v", step, err)
		}
		switch {
		case !editing:
			keys += "\n"
		case !noReturn:
			keys += "\r"
		}
		io.WriteString(typing, keys)
	}
	synctest.Wait()
	typing.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v; want no error at the end of the input", err)
	}
	return screen.String() + looks.String()
}

// TestLongLines: a line that does not fit is no command, whole or in part, and
// no line of a text.
func TestLongLines(t *testing.T) {
	longest := "show numbers 1" + strings.Repeat(" ", 4096-len("show numbers 1"))
	const refused = "the line has more than 4096 characters\n"
	for _, test := range []struct {
		name  string
		steps []string
		want  string
	}{
		{"the longest", []string{longest}, "number 1\nbox>"},
		{"too long", []string{longest + " ", "show numbers 2"}, "% " + refused + "box>show numbers 2\nnumber 1\nnumber 2\nbox>"},
		{"in a text", []string{"enable", "configure", "load merge terminal", longest + "x", "wipe now", "."},
			"wipe now\n.\n% nothing is loaded: " + refused + "box(config)#"},
	} {
		for _, editing := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				got := play(t, newBox(t, t.TempDir()), editing, test.steps)
				want := test.want
				if !editing { // what is typed is not shown
					want = strings.NewReplacer("show numbers 2\n", "", "wipe now\n.\n", "").Replace(want)
				}
				if !strings.HasSuffix(got, want+"\n") {
					t.Errorf("%s, editing %t: the screen ends in %q; want %q", test.name, editing, got[max(0, len(got)-200):], want)
				}
			})
		}
	}
}
