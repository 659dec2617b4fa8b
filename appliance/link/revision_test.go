package link_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

var errBad = errors.New("line 1: it is bad")

// follower is a process that takes revisions and notes what was done with them.
type follower struct {
	link.Revision
	done []string
}

func newFollower(file string) *follower {
	f := &follower{}
	f.Revision = link.Revision{
		Process: "test",
		File:    file,
		Log:     slog.New(slog.DiscardHandler),
		Parse: func(text string) (*model.Config, error) {
			if text == "bad" {
				return nil, errBad
			}
			return &model.Config{HostName: text}, nil
		},
		Prepare: func(c *model.Config) error {
			switch c.HostName {
			case "unbindable":
				return errBad
			case "out of files":
				return &os.SyscallError{Syscall: "socket", Err: unix.EMFILE}
			}
			f.done = append(f.done, "prepare "+c.HostName)
			return nil
		},
		Apply: func() error { f.done = append(f.done, "apply"); return nil },
	}
	return f
}

func TestRevision(t *testing.T) {
	file := filepath.Join(t.TempDir(), "revision")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := newFollower(file)
	socket := filepath.Join(t.TempDir(), "link.sock")
	listener, err := link.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	go link.ServeListener(ctx, listener, f.Methods())

	for _, step := range []struct {
		method string
		text   link.RevisionText
		want   string
		id     string // afterwards
	}{
		{"test.switch", link.RevisionText{}, "no revision is prepared", ""},
		{"test.prepare", link.RevisionText{Text: "bad"}, errBad.Error(), ""},
		{"test.prepare", link.RevisionText{Text: "unbindable"}, errBad.Error(), ""},
		{"test.prepare", link.RevisionText{Text: "one"}, "", ""},
		{"test.switch", link.RevisionText{}, "", model.RevisionID("one")},
		{"test.prepare", link.RevisionText{ID: "of the whole", Text: "two"}, "", model.RevisionID("one")},
		{"test.switch", link.RevisionText{}, "", "of the whole"},
		{"test.switch", link.RevisionText{}, "no revision is prepared", "of the whole"},
	} {
		var params any
		if step.text.Text != "" {
			params = step.text
		}
		got := ""
		if err := link.Call(ctx, socket, step.method, params, nil); err != nil {
			got = err.Error()
		}
		if got != step.want || f.ID() != step.id {
			t.Errorf("%s %+v = %q, ID() = %q; want %q, %q", step.method, step.text, got, f.ID(), step.want, step.id)
		}
	}

	next := newFollower(file)
	if err := next.Recall(); err != nil || next.ID() != f.ID() {
		t.Errorf("Recall() = %v, ID() = %q; want nil, %q", err, next.ID(), f.ID())
	}
	if want := []string{"prepare two", "apply"}; !slices.Equal(next.done, want) {
		t.Errorf("Recall() did %q; want %q", next.done, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("after Recall the file is %v, %v; want it there, for this process alone", info, err)
	}
}

// TestPassingRefusals: a process that could not do it just now has nothing
// against the revision.
func TestPassingRefusals(t *testing.T) {
	f := newFollower("")
	socket := filepath.Join(t.TempDir(), "link.sock")
	listener, err := link.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go link.ServeListener(ctx, listener, f.Methods())
	for _, test := range []struct {
		method, text string
		passing      bool
	}{
		{"test.switch", "", true}, // as after a restart between prepare and switch
		{"test.prepare", "out of files", true},
		{"test.prepare", "unbindable", false},
		{"test.prepare", "bad", false},
	} {
		var remote *link.RemoteError
		var params any
		if test.text != "" {
			params = map[string]string{"revision": test.text}
		}
		err := link.Call(ctx, socket, test.method, params, nil)
		if !errors.As(err, &remote) || remote.Passing != test.passing {
			t.Errorf("%s %q = %#v; want a RemoteError with Passing %t", test.method, test.text, err, test.passing)
		}
	}
}

// A revision that control has brought, or is about to, stays in force.
func TestRecallAfterControl(t *testing.T) {
	const kept = `{"revision":"kept"}`
	for _, test := range []struct {
		methods []string
		want    string // in force in the end
	}{
		{nil, "kept"},
		{[]string{"test.prepare"}, ""},
		{[]string{"test.prepare", "test.switch"}, "brought"},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "revision")
		if err := os.WriteFile(file, []byte(kept), 0o600); err != nil {
			t.Fatal(err)
		}
		f := newFollower(file)
		listener, err := link.Listen(filepath.Join(dir, "link.sock"))
		if err != nil {
			t.Fatal(err)
		}
		go link.ServeListener(t.Context(), listener, f.Methods())
		for _, method := range test.methods {
			var params any
			if method == "test.prepare" {
				params = link.RevisionText{Text: "brought"}
			}
			if err := link.Call(t.Context(), listener.Addr().String(), method, params, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Recall(); err != nil || f.ID() != model.RevisionID(test.want) {
			t.Errorf("after %q: Recall() = %v, ID() = %q; want %q", test.methods, err, f.ID(), model.RevisionID(test.want))
		}
	}
}

// A revision that does not serve any more is not tried at every start.
func TestRecallOfABadRevision(t *testing.T) {
	file := filepath.Join(t.TempDir(), "revision")
	if err := os.WriteFile(file, []byte(`{"revision":"bad"}`), 0o640); err != nil {
		t.Fatal(err)
	}
	f := newFollower(file)
	if err := f.Recall(); !errors.Is(err, errBad) {
		t.Errorf("Recall() = %v; want %v", err, errBad)
	}
	if err := f.Recall(); err != nil || f.ID() != "" {
		t.Errorf("second Recall() = %v, ID() = %q; want nothing to recall", err, f.ID())
	}
}
