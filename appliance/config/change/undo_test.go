package change

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// TestCommitConfirmed: in the end, what the operator did not confirm is undone.
func TestCommitConfirmed(t *testing.T) {
	for _, test := range []struct {
		name   string
		act    func(a session) // within the five minutes
		host   string
		number int
		states []State
		told   []string
	}{
		{"not confirmed", func(session) {}, "one", 1, []State{StateCommitted, StateWithdrawn},
			[]string{"revision 2 of alice on ssh 192.0.2.7 was withdrawn: not confirmed in time"}},
		{"confirmed", func(a session) {
			if answer := a.commits(0, 0); answer.Confirmed != 2 {
				t.Errorf("Commit = %+v; want revision 2 confirmed", answer)
			}
		}, "two", 2, []State{StateCommitted, StateCommitted}, nil},
		{"confirmed by another one", func(a session) {
			if _, err := a.c.Release(t.Context(), a.who); err != nil {
				t.Error(err)
			}
			session{a.t, a.c, Who{bob}}.commits(0, 0)
		}, "two", 2, []State{StateCommitted, StateCommitted}, nil},
		{"confirmed when it has proved good", func(a session) {
			a.c.Prove(a.c.InForce())
			a.commits(0, 0)
		}, "two", 2, []State{StateCommitted, StateProven}, nil},
		{"confirmed by the next commit", func(a session) {
			if answer := a.sets("three", 3, 0); answer.Confirmed != 2 {
				t.Errorf("Commit = %+v; want revision 2 confirmed", answer)
			}
		}, "three", 3, []State{StateCommitted, StateCommitted, StateCommitted}, nil},
		{"and the next one is not", func(a session) { a.sets("three", 3, 10) },
			"two", 2, []State{StateCommitted, StateCommitted, StateWithdrawn}, []string{"revision 3"}},
		{"a commit at fault confirms nothing", func(a session) {
			a.types("hostname taken")
			if answer, err := a.commit(0); err != nil || len(answer.Faults) != 1 || answer.Confirmed != 0 {
				t.Errorf("Commit = %+v, %v; want a fault", answer, err)
			}
		}, "one", 1, []State{StateCommitted, StateWithdrawn}, []string{"revision 2"}},
		{"rolled back by hand", func(a session) {
			if answer, err := a.c.Rollback(t.Context(), RollbackRequest{Operator: alice, Revision: 1}); err != nil || answer.Revision != 3 || answer.Confirmed != 0 {
				t.Errorf("Rollback = %+v, %v; want revision 3, and that nothing is confirmed", answer, err)
			}
		}, "one", 3, []State{StateCommitted, StateWithdrawn, StateCommitted}, nil},
		{"rolled back by hand, which does not serve", func(a session) {
			if answer, err := a.c.Rollback(t.Context(), RollbackRequest{Operator: alice, Revision: 1}); err != nil || answer.Revision != 3 {
				t.Errorf("Rollback = %+v, %v; want revision 3", answer, err)
			}
			a.c.Abandon(a.c.InForce(), refusal) // what was never confirmed does not come back
		}, "one", 1, []State{StateCommitted, StateWithdrawn, StateWithdrawn}, []string{"revision 3", "revision 2 of alice on ssh 192.0.2.7 was withdrawn: rolled back by alice on ssh 192.0.2.7"}},
		{"asked to wait longer", func(a session) {
			if answer, err := a.commit(10); err == nil || answer.Confirmed != 0 {
				t.Errorf("Commit = %+v, %v; want an error: nobody said that it shall stay", answer, err)
			}
		}, "one", 1, []State{StateCommitted, StateWithdrawn}, []string{"revision 2"}},
		{"it does not serve", func(a session) {
			a.c.Abandon(a.c.InForce(), errors.New("proxy ended 3 times with it"))
		}, "one", 1, []State{StateCommitted, StateWithdrawn}, []string{"proxy ended 3 times with it"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t)
				c := b.start()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- c.Run(ctx) }()
				a := session{t, c, Who{alice}}
				a.sets("one", 1, 0)
				a.sets("two", 2, 5)
				b.runs(c, "two", 2, SourceRevision)
				pending := c.Status().Pending
				if pending == nil || pending.Revision != 2 || pending.Back != 1 || time.Until(pending.Until) != 5*time.Minute {
					t.Errorf("Pending = %+v; want revision 2 for 5 minutes, then 1", pending)
				}
				time.Sleep(5*time.Minute - time.Second)
				synctest.Wait()
				b.runs(c, "two", 2, SourceRevision)
				test.act(a)
				time.Sleep(time.Hour)
				synctest.Wait()
				b.runs(c, test.host, test.number, SourceRevision)
				problems(t, c, test.told...)
				if got := states(t, c); !slices.Equal(got, test.states) || c.Status().Pending != nil {
					t.Errorf("states = %v, pending %+v; want %v, none", got, c.Status().Pending, test.states)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("Run = %v; want nil", err)
				}
				c = b.start()
				b.runs(c, test.host, test.number, SourceRevision)
				problems(t, c, test.told...) // the operator is told after a restart, too
			})
		})
	}
	c := newBox(t).start()
	for _, minutes := range []int{-1, mostMinutes + 1} {
		if _, err := (session{t, c, Who{alice}}).commit(minutes); err == nil {
			t.Errorf("Commit for %d minutes = nil; want an error", minutes)
		}
	}
}

// TestPendingOverStep: the minutes to confirm in are elapsed time, and the clock
// as it is now says when they end.
func TestPendingOverStep(t *testing.T) {
	for _, step := range []time.Duration{-100_000 * time.Hour, 0, time.Hour, 100_000 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t)
			c := b.start()
			var ahead atomic.Int64
			c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Run(ctx) }()
			a := session{t, c, Who{alice}}
			a.sets("one", 1, 0)
			a.sets("two", 2, 5)
			time.Sleep(2 * time.Minute)
			ahead.Store(int64(step))

			want := time.Now().Add(step + 3*time.Minute).Round(0)
			history, err := c.History(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for told, until := range map[string]time.Time{
				"Status": c.Status().Pending.Until, "Configure": a.configure(false).Pending.Until, "History": history.Revisions[0].Until,
			} {
				if !until.Equal(want) {
					t.Errorf("after a step of %v, %s: until %v; want %v", step, told, until, want)
				}
			}
			time.Sleep(3*time.Minute - time.Second)
			synctest.Wait()
			b.runs(c, "two", 2, SourceRevision)
			time.Sleep(time.Second)
			synctest.Wait()
			b.runs(c, "one", 1, SourceRevision)
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run = %v; want nil", err)
			}
		})
	}
}

// TestPendingAtStart: power that fails before the confirmation undoes a commit.
func TestPendingAtStart(t *testing.T) {
	b := newBox(t)
	a := session{t, b.start(), Who{alice}}
	a.sets("one", 1, 0)
	a.sets("two", 2, 5)
	c := b.start()
	b.runs(c, "one", 1, SourceRevision)
	problems(t, c, "not confirmed before the box restarted")
	if got := states(t, c); !slices.Equal(got, []State{StateCommitted, StateWithdrawn}) {
		t.Errorf("states = %v; want the pending one withdrawn", got)
	}
	session{t, c, Who{alice}}.sets("three", 3, 0) // whereupon nobody need know any more
	problems(t, c)
}

// TestUndoneWithoutDisk: what ran before comes back even when the disk is gone.
func TestUndoneWithoutDisk(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	a.sets("one", 1, 0)
	a.sets("two", 2, 5)
	if err := os.RemoveAll(b.path("revisions")); err != nil {
		t.Fatal(err)
	}
	c.Abandon(c.InForce(), refusal)
	b.runs(c, "one", 1, SourceRevision)
	if c.Status().Pending != nil {
		t.Error("it still waits for a confirmation")
	}
}

func TestRollback(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	for i, name := range []string{"one", "two", "three"} {
		a.sets(name, i+1, 0)
	}
	rollback := func(who model.Operator, number int) (Committed, error) {
		return c.Rollback(t.Context(), RollbackRequest{Operator: who, Revision: number})
	}
	if answer, err := rollback(bob, 1); err != nil || answer.Revision != 4 { // alice holds it, but unchanged
		t.Errorf("Rollback = %+v, %v; want revision 4", answer, err)
	}
	b.runs(c, "one", 4, SourceRevision)
	if got, err := c.Revision(t.Context(), RevisionRequest{4}); err != nil || got.Comment != "rollback to 1" || got.Operator != bob {
		t.Errorf("Revision(4) = %+v, %v; want a rollback to 1 by bob", got, err)
	}
	if shown, err := c.Candidate(t.Context()); err != nil || shown.Text != named("one") {
		t.Errorf("Candidate = %+v, %v; want it to follow", shown, err)
	}
	if answer, err := rollback(bob, 4); err != nil || answer.Revision != 0 || len(answer.Notes) != 1 {
		t.Errorf("Rollback to what is in force = %+v, %v; want a note", answer, err)
	}
	if _, err := rollback(bob, 7); err == nil {
		t.Error("Rollback to no revision = nil; want an error")
	}
	a.types("hostname new")
	for _, test := range []struct {
		who  model.Operator
		want string
	}{{alice, "the candidate has changes"}, {bob, "alice on ssh 192.0.2.7 has held the candidate"}} {
		if _, err := rollback(test.who, 2); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("Rollback by %v = %v; want %q", test.who, err, test.want)
		}
	}
	if _, err := c.Abort(t.Context(), AbortRequest{Operator: a.who.Operator}); err != nil {
		t.Fatal(err)
	}

	// What another version wrote is read as far as it can be.
	b.version = "2.0.0"
	b.keep(StateWithdrawn, "hostname five\nfuture 7\n")
	b.version = "1.4.0"
	b.keep(StateWithdrawn, "future 7\n")
	c = b.start()
	b.runs(c, "one", 4, SourceRevision)
	if answer, err := rollback(bob, 6); err != nil || answer.Revision != 0 || len(answer.Faults) != 1 {
		t.Errorf("Rollback to a revision at fault = %+v, %v; want the fault", answer, err)
	}
	if answer, err := rollback(bob, 5); err != nil || answer.Revision != 7 || len(answer.Notes) != 1 || !strings.Contains(answer.Notes[0], "future 7") {
		t.Errorf("Rollback to a newer version's = %+v, %v; want revision 7 and a note", answer, err)
	}
	if f := c.InForce(); f.Text != "hostname five\n!\n!? future 7\n" || !slices.Equal(f.Aside, []string{"future 7"}) {
		t.Errorf("in force: %q, aside %q; want the unknown line kept aside", f.Text, f.Aside)
	}
	problems(t, c, "kept aside: 1")
}

func TestAbandon(t *testing.T) {
	b := newBox(t)
	c := b.start()
	a := session{t, c, Who{alice}}
	c.Abandon(c.InForce(), refusal)
	b.runs(c, "builtin", 0, SourceBuiltIn)
	problems(t, c, "there is no other: listen udp")
	a.sets("one", 1, 0)
	problems(t, c)
	c.Prove(c.InForce())
	a.sets("two", 2, 0)
	old := c.InForce()
	a.sets("three", 3, 0)
	c.Abandon(old, refusal) // it is not in force any more
	b.runs(c, "three", 3, SourceRevision)
	c.Abandon(c.InForce(), refusal)
	b.runs(c, "two", 2, SourceRevision)
	c.Abandon(c.InForce(), refusal)
	b.runs(c, "one", 1, SourceRevision)
	problems(t, c, "revision 3", "revision 2")
	c.Abandon(c.InForce(), refusal) // it has served before
	b.runs(c, "one", 1, SourceRevision)
	problems(t, c, "revision 3", "revision 2", "revision 1 does not serve any more")
	c.Prove(c.InForce()) // and serves again
	problems(t, c, "revision 3", "revision 2")
	if got := states(t, c); !slices.Equal(got, []State{StateProven, StateWithdrawn, StateWithdrawn}) {
		t.Errorf("states = %v; want the last two withdrawn", got)
	}
}
