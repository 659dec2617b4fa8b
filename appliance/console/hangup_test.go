package console_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/console"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// door is a session that came through a door of control, at work.
type door struct {
	box    *box
	typing *io.PipeWriter
	resize chan exec.Size
	screen *screen
	hangUp context.CancelFunc
	ended  chan error
}

// enter comes through a door and types these keys.
func enter(t *testing.T, login *model.Login, typed string, commands ...exec.Command) *door {
	keys, typing := io.Pipe()
	d := &door{box: newBox(t, t.TempDir()), typing: typing, resize: make(chan exec.Size), screen: &screen{}, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	d.hangUp = cancel
	s, err := console.New(console.Settings{
		In: keys, Out: d.screen, Editing: true, Size: exec.Size{Width: 60, Height: 5}, Resize: d.resize,
		Login: login, Grammar: grammar, Commands: append(d.box.commands(), commands...), Call: d.box.call,
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- s.Run(ctx) }()
	io.WriteString(typing, typed)
	synctest.Wait()
	return d
}

// over waits for the end of the session, which is no error.
func (d *door) over(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-d.ended:
		if err != nil {
			t.Errorf("Run = %v; want no error", err)
		}
	default:
		t.Error("the session goes on; want it ended")
	}
	d.typing.Close()
	d.hangUp()
	synctest.Wait()
}

// held says who holds the candidate.
func (d *door) held(t *testing.T) bool {
	t.Helper()
	candidate, err := d.box.configuration.Candidate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return candidate.Holder != nil
}

// TestHangUp: who hangs up, or is cut off, leaves no command running and holds
// the candidate no longer. What he changed stays there.
func TestHangUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := enter(t, loggedIn(all), "enable\rconfigure\rhostname other\rdo wait\r")
		if !d.held(t) || !strings.Contains(d.screen.String(), "waiting") {
			t.Fatalf("the screen is %q; want a command that runs", d.screen)
		}
		d.hangUp()
		d.over(t)
		if d.held(t) {
			t.Error("the candidate is held after the hang-up; want it free")
		}
	})
}

// TestEndOfInput: what was typed before the input ended is done, and to its
// end: ssh -tt box < lines sends all there is at once.
func TestEndOfInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := enter(t, loggedIn(all), "enable\rconfigure\rhostname other\rdo pause\rcommit\r", exec.Command{
			Syntax: "pause", Help: "Take some time", Level: exec.Privileged,
			Run: func(ctx context.Context, s exec.Session, _ config.Args) error {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(5 * time.Second):
					_, err := io.WriteString(s, "paused\n")
					return err
				}
			},
		})
		d.typing.Close()
		time.Sleep(5 * time.Second)
		d.over(t)
		if text := d.screen.String(); !strings.Contains(text, "paused\n") || d.held(t) {
			t.Errorf("the screen is %q, the candidate held: %t; want all done, and it free", text, d.held(t))
		}
		if got := d.box.configuration.InForce().Config.HostName; got != "other" {
			t.Errorf("the host name is %q; want it committed", got)
		}
	})
}

// TestIdleOverSSH: a session that nobody types in ends, and with it what waits
// at --More--. Keys put it off, and what is printed does not.
func TestIdleOverSSH(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		login := loggedIn(all)
		login.IdleMinutes = 1
		d := enter(t, login, "terminal monitor\r")
		for range 3 {
			time.Sleep(59 * time.Second)
			io.WriteString(d.typing, "x")
		}
		d.box.happens(t, "log a line")
		time.Sleep(30 * time.Second)
		d.box.happens(t, "log another line")
		time.Sleep(30 * time.Second)
		d.over(t)
		if got, want := d.screen.String(), "box>xxx^C\n% logged out: 1 minute without a key\n"; !strings.HasSuffix(got, want) {
			t.Errorf("the screen ends in %q; want %q", got, want)
		}
	})
}

// TestResize: a screen is as long and as wide as the terminal is by now.
func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := enter(t, loggedIn(all), "show numbers 20\r")
		if got := d.screen.lastRow(); !strings.HasPrefix(got, "--More--") || strings.Contains(d.screen.String(), "number 5\n") {
			t.Errorf("the first screen is %q; want 4 rows of it", d.screen)
		}
		io.WriteString(d.typing, "q")
		d.resize <- exec.Size{Width: 20, Height: 9}
		synctest.Wait()
		io.WriteString(d.typing, "show numbers 20\r")
		synctest.Wait()
		if text := d.screen.String(); !strings.Contains(text, "number 8\n--More--") || strings.Contains(text, "number 9") {
			t.Errorf("the screen is %q; want 8 rows before --More--", text)
		}
		d.hangUp()
		d.over(t)
	})
}

// TestHangUpBeforeLogin: whatever is asked at the serial port, its end is that
// of the session.
func TestHangUpBeforeLogin(t *testing.T) {
	for name, typed := range map[string]string{"a new box": "", "a password": "edge1\r\rsecret\r", "control is down": "edge1\rx\r"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := enter(t, nil, typed)
				if name == "control is down" {
					d.box.happens(t, "down control")
					io.WriteString(d.typing, "\r")
					time.Sleep(10 * time.Second)
				}
				d.hangUp()
				time.Sleep(time.Second)
				d.over(t)
			})
		})
	}
}
