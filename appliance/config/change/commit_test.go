package change

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

func TestCommit(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	if answer, err := a.commit(0); err != nil || answer.Revision != 0 || len(answer.Notes) != 1 {
		t.Errorf("Commit without a candidate = %+v, %v; want a note", answer, err)
	}
	answer := a.sets("one", 1, 0)
	b.runs(c, "one", 1, SourceRevision)
	problems(t, c)
	if len(answer.Notes) > 0 || b.proxy.running != named("one") || b.billing.running != named("one") {
		t.Errorf("notes %q, proxy runs %q, billing %q; want both to run what was committed", answer.Notes, b.proxy.running, b.billing.running)
	}
	if answer, err := a.commit(0); err != nil || answer.Revision != 0 || len(answer.Notes) != 1 {
		t.Errorf("Commit of nothing = %+v, %v; want a note", answer, err)
	}
	a.types("hostname taken") // breaks a rule of the whole
	if answer, err := a.commit(0); err != nil || answer.Revision != 0 || len(answer.Faults) != 1 || answer.Faults[0].Text != "hostname taken" {
		t.Errorf("Commit of a candidate at fault = %+v, %v; want the fault", answer, err)
	}
	b.runs(c, "one", 1, SourceRevision)
	a.types("hostname two")
	a.commits(2, 0)

	got, err := c.Revision(t.Context(), RevisionRequest{})
	if err != nil || got.Time.IsZero() || got.Time.Location() != time.UTC {
		t.Errorf("Revision = %+v, %v; want one with its time", got, err)
	}
	got.Time = time.Time{}
	want := RevisionText{Revision{
		Number: 2, ID: model.RevisionID(named("two")), Operator: alice, Comment: "because", Version: "1.4.0", State: StateCommitted,
	}, named("two")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Revision differs (-want +got):\n%s", diff)
	}
	if got, err := c.Revision(t.Context(), RevisionRequest{1}); err != nil || got.Text != named("one") {
		t.Errorf("Revision(1) = %+v, %v; want %q", got, err, named("one"))
	}
	if _, err := c.Revision(t.Context(), RevisionRequest{3}); err == nil {
		t.Error("Revision(3) = nil; want an error")
	}
	b.runs(b.start(), "two", 2, SourceRevision)
}

// TestCommitOfLockedLines: a commit does not change what is locked; a rollback
// does, and the start of the box.
func TestCommitOfLockedLines(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	a.sets("one", 1, 0)
	a.sets("fixed", 2, 0)
	a.types("hostname two")
	answer, err := a.commit(0)
	if want := `"hostname two": the name is fixed`; err != nil || answer.Revision != 0 || len(answer.Faults) != 1 || answer.Faults[0].Error() != want {
		t.Errorf("Commit = %+v, %v; want %s", answer, err, want)
	}
	b.runs(c, "fixed", 2, SourceRevision)
	a.types("hostname fixed")
	if answer, err := c.Rollback(t.Context(), RollbackRequest{Operator: alice, Revision: 1}); err != nil || answer.Revision != 3 {
		t.Errorf("Rollback(1) = %+v, %v; want revision 3", answer, err)
	}
	b.runs(c, "one", 3, SourceRevision)
	b.keep(StateCommitted, named("fixed"))
	b.keep(StateCommitted, named("three"))
	b.runs(b.start(), "three", 5, SourceRevision)
}

// TestCommitOfNothing: a configuration without a line is one, too.
func TestCommitOfNothing(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	a.configure(false)
	if answer, err := c.Load(t.Context(), LoadRequest{Operator: alice, Text: "!\n", Replace: true}); err != nil || len(answer.Faults) > 0 {
		t.Fatal(answer.Faults, err)
	}
	a.commits(1, 0)
	b.runs(b.start(), "", 1, SourceRevision)
	if b.proxy.running != "!\n" || c.InForce().ID == "" {
		t.Errorf("proxy runs %q, id %q; want a text that has an id", b.proxy.running, c.InForce().ID)
	}
}

// TestCommitAndPeers: what each kind of answer of another process comes to.
func TestCommitAndPeers(t *testing.T) {
	for _, test := range []struct {
		name               string
		prepare, switchErr error
		err, note          string
		states             []State
	}{
		{name: "refused", prepare: refusal, err: "billing refuses the configuration: listen udp"},
		{name: "down", prepare: errDown, note: "billing gets the configuration later: connect", states: []State{StateCommitted}},
		{name: "too slow", prepare: context.DeadlineExceeded, note: "billing gets the configuration later", states: []State{StateCommitted}},
		{name: "out of room", prepare: passing, note: "billing gets the configuration later: too many", states: []State{StateCommitted}},
		{name: "refused at the switch", switchErr: refusal, err: "billing cannot switch to the configuration: listen udp", states: []State{StateWithdrawn}},
		{name: "down at the switch", switchErr: errDown, note: "billing gets the configuration later", states: []State{StateCommitted}},
		{name: "just started anew", switchErr: passing, note: "billing gets the configuration later", states: []State{StateCommitted}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			b.billing.prepare, b.billing.switchErr = test.prepare, test.switchErr
			c := b.start()
			a := session{t, c, Who{alice}}
			a.configure(false)
			a.types("hostname new")
			answer, err := a.commit(0)
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) || answer.Revision != 0 {
					t.Errorf("Commit = %+v, %v; want %q", answer, err, test.err)
				}
				b.runs(c, "builtin", 0, SourceBuiltIn)
				if shown, err := c.Candidate(t.Context()); err != nil || shown.Text != named("new") || !shown.Holder.Changed {
					t.Errorf("Candidate = %+v, %v; want it as it was", shown, err)
				}
			} else {
				if err != nil || answer.Revision != 1 || len(answer.Notes) != 1 || !strings.HasPrefix(answer.Notes[0], test.note) {
					t.Errorf("Commit = %+v, %v; want revision 1 and a note %q", answer, err, test.note)
				}
				b.runs(c, "new", 1, SourceRevision)
			}
			if got := states(t, c); !slices.Equal(got, test.states) {
				t.Errorf("states = %v; want %v", got, test.states)
			}
			b.start() // and the same after the next boot
			b.runs(c, c.InForce().Config.HostName, c.InForce().Number, c.InForce().Source)
		})
	}
}

// TestCommitNotKept: without a disk that takes it, nothing is committed.
func TestCommitNotKept(t *testing.T) {
	b := newBox(t)
	c := b.start()
	full := errors.New("no space left on device")
	c.store.write = func(string, []byte, os.FileMode) error { return full }
	a := session{t, c, Who{alice}}
	a.configure(false)
	a.types("hostname new")
	if answer, err := a.commit(0); !errors.Is(err, full) || answer.Revision != 0 {
		t.Errorf("Commit = %+v, %v; want %v", answer, err, full)
	}
	b.runs(c, "builtin", 0, SourceBuiltIn)
	if b.proxy.running != "" {
		t.Errorf("proxy runs %q; want it not switched", b.proxy.running)
	}
}

// TestFailedCommitConfirmsNothing: whatever a commit fails of, the one before
// waits for its confirmation as it did, and so does a rollback that fails.
func TestFailedCommitConfirmsNothing(t *testing.T) {
	full := errors.New("no space left on device")
	for _, test := range []struct {
		name   string
		fail   func(b *box, c *Configuration)
		states []State
	}{
		{"nothing can be kept", func(_ *box, c *Configuration) {
			c.store.write = func(string, []byte, os.FileMode) error { return full }
		}, []State{StateCommitted, StatePending}},
		{"the new one cannot be kept", func(_ *box, c *Configuration) { c.failWrite(3, full) }, []State{StateCommitted, StatePending}},
		{"the confirmation cannot be kept", func(_ *box, c *Configuration) { c.failWrite(2, full) }, []State{StateCommitted, StatePending, StateWithdrawn}},
		{"billing cannot switch", func(b *box, _ *Configuration) { b.billing.switchErr = refusal }, []State{StateCommitted, StatePending, StateWithdrawn}},
	} {
		for _, act := range []string{"commit", "commit confirmed", "rollback"} {
			b := newBox(t)
			c := b.start()
			a := session{t, c, Who{alice}}
			a.sets("one", 1, 0)
			a.sets("two", 2, 5)
			test.fail(b, c)
			var answer Committed
			var err error
			switch act {
			case "rollback":
				answer, err = c.Rollback(t.Context(), RollbackRequest{Operator: alice, Revision: 1})
			case "commit confirmed":
				a.types("hostname three")
				answer, err = a.commit(7)
			default:
				a.types("hostname three")
				answer, err = a.commit(0)
			}
			what := test.name + ", " + act
			if err == nil || answer.Revision != 0 || answer.Confirmed != 0 {
				t.Errorf("%s: %+v, %v; want an error only", what, answer, err)
			}
			if pending := c.Status().Pending; pending == nil || pending.Revision != 2 {
				t.Errorf("%s: Pending = %+v; want revision 2", what, pending)
			}
			if got := states(t, c); !slices.Equal(got, test.states) {
				t.Errorf("%s: states = %v; want %v", what, got, test.states)
			}
			b.runs(c, "two", 2, SourceRevision)
		}
	}
}

// failWrite has the store fail to write one revision.
func (c *Configuration) failWrite(number int, err error) {
	write := c.store.write
	c.store.write = func(path string, content []byte, mode os.FileMode) error {
		if path == c.store.path(number) {
			return err
		}
		return write(path, content, mode)
	}
}

// TestCommitOutlivesItsCaller: an operator whom his own commit cuts off has
// committed all the same.
func TestCommitOutlivesItsCaller(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	a.configure(false)
	a.types("hostname new")
	ctx, cancel := context.WithCancel(t.Context())
	c.Peers = append(c.Peers, hangUp{&peer{name: "line"}, cancel})
	if answer, err := c.Commit(ctx, CommitRequest{Operator: alice}); err != nil || answer.Revision != 1 || len(answer.Notes) > 0 {
		t.Errorf("Commit = %+v, %v; want revision 1 without notes", answer, err)
	}
	b.runs(c, "new", 1, SourceRevision)
}

// hangUp ends the operator's line when it is asked to prepare.
type hangUp struct {
	*peer
	cancel context.CancelFunc
}

func (h hangUp) Prepare(ctx context.Context, f InForce) error {
	h.cancel()
	return errors.Join(h.peer.Prepare(ctx, f), ctx.Err())
}
