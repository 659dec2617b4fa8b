package services

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// TestConfirm: after a commit over COM the link is made anew, and only over the
// new one it is confirmed. What is not confirmed is undone in time, whatever the
// link does.
func TestConfirm(t *testing.T) {
	for _, test := range []struct {
		name    string
		after   func(b *box, end func()) // within the ten minutes
		address string                   // of LAN1 in the end
		state   change.State             // of the revision
	}{
		{"the link does not come back", func(b *box, end func()) { end() }, "192.168.42.1", change.StateWithdrawn},
		{"it comes back and nobody confirms", func(b *box, end func()) {
			end()
			b.t.Cleanup(b.session(2))
		}, "192.168.42.1", change.StateWithdrawn},
		{"it comes back and COM confirms", func(b *box, end func()) {
			end()
			b.t.Cleanup(b.session(2))
			synctest.Wait()
			b.confirms(by("anna", 2), 1, 0)
			b.confirms(by("anna", 2), 1, wire.CodeConflict) // that is done
		}, "192.168.42.9", change.StateCommitted},
		{"somebody else confirms", func(b *box, end func()) {
			end()
			b.t.Cleanup(b.session(2))
			synctest.Wait()
			b.hold(model.Operator{User: "alice", Origin: "ttyS0"}, "hostname alice") // who has the candidate does not matter
			b.confirms(by("bert", 2), 1, 0)
		}, "192.168.42.9", change.StateCommitted},
		{"it is confirmed over the session that it came by", func(b *box, end func()) {
			b.confirms(by("anna", 1), 1, wire.CodeConflict)
			end()
		}, "192.168.42.1", change.StateWithdrawn},
		{"a second commit is no confirmation", func(b *box, end func()) {
			b.edits(by("anna", 1), "hostname two")
			if err := b.call(by("anna", 1), wire.MethodConfigCommit, wire.ConfigCommit{}, nil); codeOf(err) != wire.CodeConflict {
				b.t.Errorf("config.commit = %v; want code %d", err, wire.CodeConflict)
			}
			end()
		}, "192.168.42.1", change.StateWithdrawn},
		{"nor is a rollback", func(b *box, end func()) {
			if err := b.call(by("anna", 1), wire.MethodConfigRollback, wire.ConfigRollback{Revision: 1}, nil); codeOf(err) != wire.CodeConflict {
				b.t.Errorf("config.rollback = %v; want code %d", err, wire.CodeConflict)
			}
			end()
		}, "192.168.42.1", change.StateWithdrawn},
		{"another revision is confirmed", func(b *box, end func()) {
			end()
			b.confirms(by("anna", 2), 2, wire.CodeConflict)
		}, "192.168.42.1", change.StateWithdrawn},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t)
				defer b.run()()
				end := b.session(1)
				synctest.Wait()
				b.edits(by("anna", 1), moved...)
				done := b.commits(by("anna", 1), 1)
				if until, err := time.Parse(time.RFC3339, done.Confirm); err != nil || !until.Equal(time.Now().Add(10*time.Minute).Truncate(time.Second)) {
					t.Errorf("it waits until %s; want ten minutes", done.Confirm)
				}
				b.has("192.168.42.9")
				if n := len(b.redialled); n != 0 {
					t.Error("the link was made anew before the answer had gone")
				}
				time.Sleep(answerFirst)
				synctest.Wait()
				if n := len(b.redialled); n != 1 {
					t.Errorf("the link was made anew %d times; want once", n)
				}
				test.after(b, end)
				time.Sleep(time.Hour)
				synctest.Wait()
				b.has(test.address)
				history, err := b.configuration.History(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				r := history.Revisions[len(history.Revisions)-1]
				if r.State != test.state || r.Operator != (model.Operator{User: model.COMAdmin, Origin: "com anna"}) {
					t.Errorf("revision 1 of %v is %s; want %s, of COMAdmin on com anna", r.Operator, r.State, test.state)
				}
				if n := len(b.redialled); n != 1 {
					t.Errorf("the link was made anew %d times; want once", n)
				}
			})
		})
	}
}

// confirms confirms a revision.
func (b *box) confirms(caller gate.Caller, revision, code int) {
	b.t.Helper()
	var done wire.Committed
	err := b.call(caller, wire.MethodConfigConfirm, wire.ConfigConfirm{Revision: revision}, &done)
	if codeOf(err) != code || (err == nil) != (code == 0) || err == nil && done.Revision != revision {
		b.t.Errorf("config.confirm(%d) = %+v, %v; want code %d", revision, done, err, code)
	}
}

// TestConfirmMinutes: a commit waits whole minutes, and no less than was asked for.
func TestConfirmMinutes(t *testing.T) {
	for seconds, want := range map[int]int{0: 10, 1: 1, 60: 1, 61: 2, 600: 10, 24 * 60 * 60: 24 * 60} {
		if got, err := confirmMinutes(seconds); got != want || err != nil {
			t.Errorf("confirmMinutes(%d) = %d, %v; want %d", seconds, got, err, want)
		}
	}
	for _, seconds := range []int{-1, 24*60*60 + 1, 1 << 55, math.MaxInt, math.MinInt} { // 1 << 55 seconds are no time at all in 64 bits of nanoseconds
		if got, err := confirmMinutes(seconds); codeOf(err) != wire.CodeParams {
			t.Errorf("confirmMinutes(%d) = %d, %v; want code %d", seconds, got, err, wire.CodeParams)
		}
	}
}

// TestRollback: going back over COM is to be confirmed, too.
func TestRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		defer b.run()()
		b.saves("one")
		b.saves("two")
		roll := func(session uint64) {
			t.Helper()
			var done wire.Committed
			if err := b.call(by("anna", session), wire.MethodConfigRollback, wire.ConfigRollback{Revision: 1}, &done); err != nil || done.Revision == 0 || done.Confirm == "" {
				t.Fatalf("config.rollback = %+v, %v; want a revision, to be confirmed", done, err)
			}
			if name := b.configuration.InForce().Config.HostName; name != "one" {
				t.Errorf("in force: %s; want one", name)
			}
		}
		roll(1)
		time.Sleep(time.Hour)
		synctest.Wait()
		if name := b.configuration.InForce().Config.HostName; name != "two" {
			t.Errorf("in force: %s; want two again", name)
		}
		roll(1)
		b.confirms(by("anna", 2), 4, 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		if name := b.configuration.InForce().Config.HostName; name != "one" {
			t.Errorf("in force: %s; want one", name)
		}
	})
}

// TestSessionEnd: with the session goes what it has left in the candidate (RFC
// 6241 §8.3.5.2), and nothing of anybody else.
func TestSessionEnd(t *testing.T) {
	alice := model.Operator{User: "alice", Origin: "ttyS0"}
	for _, test := range []struct {
		name string
		act  func(*box)
		want string // the host name of the candidate
		has  []model.Operator
	}{
		{"changes of COM", func(b *box) { b.edits(by("anna", 1), "hostname anna") }, "box", nil},
		{"changes of a console", func(b *box) { b.hold(alice, "hostname alice") }, "alice", []model.Operator{alice}},
		{"taken over by a console", func(b *box) {
			b.edits(by("anna", 1), "hostname anna")
			if _, err := b.configuration.Configure(b.t.Context(), change.ConfigureRequest{Operator: alice, Take: true}); err != nil {
				b.t.Fatal(err)
			}
		}, "anna", []model.Operator{alice}},
		{"aborted, and then a console's", func(b *box) {
			b.edits(by("anna", 1), "hostname anna")
			if err := b.call(by("anna", 1), wire.MethodConfigAbort, nil, nil); err != nil {
				b.t.Fatal(err)
			}
			b.hold(alice, "hostname alice")
		}, "alice", []model.Operator{alice}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			end := b.session(1)
			test.act(b)
			end()
			got, err := b.configuration.Candidate(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var has []model.Operator
			if got.Holder != nil {
				has = append(has, got.Holder.Operator)
			}
			if want := "hostname " + test.want + "\n"; len(got.Text) < len(want) || got.Text[:len(want)] != want || !slices.Equal(has, test.has) {
				t.Errorf("the candidate of %v is %q; want %q of %v", has, got.Text, want, test.has)
			}
		})
	}
}

// TestEditAfterTheEnd: a call that outlasts its session leaves nobody the candidate,
// one of a later session does.
func TestEditAfterTheEnd(t *testing.T) {
	b := newBox(t)
	b.session(1)()
	before := b.text("candidate")
	lines := wire.ConfigEdit{Lines: []string{"hostname anna"}}
	if err := b.call(by("anna", 1), wire.MethodConfigEdit, lines, nil); codeOf(err) != wire.CodeConflict {
		t.Errorf("config.edit of a session that is over = %v; want code %d", err, wire.CodeConflict)
	}
	if got, err := b.configuration.Candidate(t.Context()); err != nil || got.Holder != nil || b.text("candidate") != before {
		t.Errorf("the candidate is %+v, %v; want nobody's, as before", got, err)
	}
	defer b.session(2)()
	b.edits(by("anna", 2), "hostname anna")
}

// TestOldSignal: a commit whose session ended by itself does not end the next one.
func TestOldSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t)
		b.edits(by("anna", 1), moved...)
		b.commits(by("anna", 1), 1)
		defer b.session(2)()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(b.redialled); n != 0 {
			t.Errorf("the link was made anew %d times; want never: it was already", n)
		}
	})
}
