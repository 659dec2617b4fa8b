package console_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/console"
	"causeway/appliance/exec"
	"causeway/appliance/link"
)

type call = func(ctx context.Context, process, method string, params, result any) error

// open begins a session on a terminal whose questions go through calls. typed
// are its keys; close ends it and gives what stands on the screen.
func open(t *testing.T, calls func(call) call, commands ...exec.Command) (typed io.Writer, close func() string) {
	b := newBox(t, t.TempDir())
	keys, typing := io.Pipe()
	screen := &screen{}
	s, err := console.New(console.Settings{
		In: keys, Out: screen, Editing: true, Login: loggedIn(all), Grammar: grammar,
		Commands: append(b.commands(), commands...), Call: calls(b.call),
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(t.Context()) }()
	return typing, func() string {
		synctest.Wait()
		typing.Close()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want no error at the end of the input", err)
		}
		return screen.String()
	}
}

func direct(c call) call { return c }

// TestInterruptedCommit: Ctrl-C does not hide what became of a commit.
func TestInterruptedCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		typed, closed := open(t, func(ask call) call {
			return func(ctx context.Context, process, method string, params, result any) error {
				if method != "control.commit" {
					return ask(ctx, process, method, params, result)
				}
				time.Sleep(5 * time.Second)
				return errors.Join(ctx.Err(), &link.RemoteError{Message: "the disk is full"})
			}
		})
		io.WriteString(typed, "enable\rconfigure\rcommit\r")
		time.Sleep(time.Second)
		io.WriteString(typed, "\x03")
		time.Sleep(5 * time.Second)
		if got, want := closed(), "control refused: the disk is full\nbox(config)#\n"; !strings.HasSuffix(got, want) {
			t.Errorf("the screen ends in %q; want %q", got, want)
		}
	})
}

// TestInterruptedText: Ctrl-C ends a text that is printed without stopping.
func TestInterruptedText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var typed io.Writer
		var closed func() string
		typed, closed = open(t, direct, exec.Command{
			Syntax: "show flood", Help: "Two lines at once",
			Run: func(_ context.Context, s exec.Session, _ config.Args) error {
				fmt.Fprint(s, "before\n")
				io.WriteString(typed, "typed ahead\r\x03")
				time.Sleep(time.Millisecond)
				_, err := fmt.Fprint(s, "after\nafter\n")
				return err
			},
		})
		io.WriteString(typed, "terminal length 0\rshow flood\r")
		time.Sleep(time.Second)
		if got, want := closed(), "show flood\nbefore\nbox>\n"; !strings.HasSuffix(got, want) {
			t.Errorf("the screen ends in %q; want %q", got, want)
		}
	})
}

// TestInterruptedPaste: with a control that takes its time, Ctrl-C drops the
// lines of a paste that were not brought in yet.
func TestInterruptedPaste(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		typed, closed := open(t, func(ask call) call {
			return func(ctx context.Context, process, method string, params, result any) error {
				if method == "control.edit" {
					time.Sleep(5 * time.Second)
				}
				return ask(ctx, process, method, params, result)
			}
		})
		io.WriteString(typed, "enable\rconfigure\r"+strings.Repeat("hostname a\r", 1000))
		time.Sleep(time.Second)
		io.WriteString(typed, "\x03")
		time.Sleep(5 * time.Second)
		io.WriteString(typed, "show configuration diff\r")
		time.Sleep(time.Second)
		want := "box(config)#hostname a\nbox(config)#show configuration diff\n- hostname box\n+ hostname a\nbox(config)#\n"
		if got := closed(); !strings.HasSuffix(got, want) {
			t.Errorf("the screen ends in %q; want %q", got, want)
		}
	})
}

// TestHungControl: a control that takes questions and answers none holds up
// the first prompt no longer than one that is down.
func TestHungControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		_, closed := open(t, func(ask call) call {
			return func(ctx context.Context, process, method string, params, result any) error {
				if process == "control" {
					<-ctx.Done()
					return ctx.Err()
				}
				return ask(ctx, process, method, params, result)
			}
		})
		time.Sleep(7 * time.Second)
		if got, want := closed(), "\ncauseway>\n"; !strings.HasSuffix(got, want) {
			t.Errorf("%v after its begin the screen is %q; want it to end in %q", time.Since(begun), got, want)
		}
	})
}

// TestNewNameInALine: the prompt of the line that is typed may be an old one.
func TestNewNameInALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, editing := range []bool{true, false} {
			newName := "# edited hostname " + strings.Repeat("long", 10)
			got := play(t, newBox(t, t.TempDir()), editing, []string{"# taken", newName, "# committed", "# pass 5s", "frob ?"})
			if !strings.Contains(got, "    ^\n% frob is") || strings.Contains(got, "     ^") {
				t.Errorf("editing %t: the screen is %q; want the caret below frob", editing, got)
			}
		}
	})
}
