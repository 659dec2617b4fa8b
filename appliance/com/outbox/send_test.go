package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
)

// peer is COM, as far as it takes entries.
type peer struct {
	mu     sync.Mutex
	refuse error
	pushes []wire.Push
	answer func(wire.Push) uint64 // nil: all of it
}

func (p *peer) Call(_ context.Context, method string, params, result any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	push := params.(wire.Push)
	if method != wire.MethodAlarmPush {
		return fmt.Errorf("the method is %s", method)
	}
	p.pushes = append(p.pushes, push)
	if p.refuse != nil {
		return p.refuse
	}
	upto := push.Entries[len(push.Entries)-1].Sequence
	if p.answer != nil {
		upto = p.answer(push)
	}
	*result.(*wire.Acknowledged) = wire.Acknowledged{Upto: upto}
	return nil
}

// session has a session with p while do runs.
func session(t *testing.T, b *Outbox, p *peer, do func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Connected(ctx, gate.Session{Number: 1}, p) }()
	do()
	end()
	if err := <-done; err != nil {
		t.Errorf("Connected = %v", err)
	}
}

func TestConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, options(t.TempDir()))
		p := &peer{}
		for i := range 250 {
			put(t, b, wire.ClassInformational, fmt.Sprint("i", i), "")
		}
		session(t, b, p, func() {
			synctest.Wait()
			put(t, b, wire.ClassLicence, "late", "")
			synctest.Wait()
			if !b.Status().Sends {
				t.Error("Status().Sends = false during a session; want true")
			}
		})
		var all []wire.Entry
		for _, push := range p.pushes {
			if len(push.Entries) > batchEntries {
				t.Errorf("%d entries came at once; want %d at most", len(push.Entries), batchEntries)
			}
			all = append(all, push.Entries...)
		}
		if len(all) != 251 || all[0].Kind != "i0" || all[250].Kind != "late" {
			t.Errorf("%d entries came; want 251, from i0 to late", len(all))
		}
		if s := b.Status(); s.Entries != 0 || s.Acknowledged != s.Newest || s.Sends {
			t.Errorf("Status = %+v; want nothing left", s)
		}
	})
}

func TestNotSent(t *testing.T) {
	for _, test := range []struct {
		name  string
		close func(*Outbox)
	}{
		{"the service is off", func(b *Outbox) { b.on = false }},
		{"no subscription", func(b *Outbox) { b.options.Allowed = func() bool { return false } }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, options(t.TempDir()))
				test.close(b)
				put(t, b, wire.ClassLicence, "l", "")
				p := &peer{}
				session(t, b, p, func() { time.Sleep(time.Hour) })
				if len(p.pushes) != 0 || b.Status().Entries != 1 {
					t.Errorf("%d were sent and %d are left; want 0 and 1", len(p.pushes), b.Status().Entries)
				}
			})
		})
	}
}

// What COM does not take stays, and is tried again ever more rarely.
func TestNotTaken(t *testing.T) {
	for _, test := range []struct {
		name string
		peer *peer
	}{
		{"COM refuses", &peer{refuse: errors.New("pending")}},
		{"COM acknowledges what was before", &peer{answer: func(p wire.Push) uint64 { return p.Entries[0].Sequence - 1 }}},
		{"COM always knows more", &peer{answer: func(p wire.Push) uint64 { return p.Entries[0].Sequence + 100 }}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := open(t, options(t.TempDir()))
				put(t, b, wire.ClassLicence, "l", "")
				session(t, b, test.peer, func() { time.Sleep(time.Hour) })
				if n := len(test.peer.pushes); n < 5 || n > 15 {
					t.Errorf("it was sent %d times in an hour; want 5 to 15", n)
				}
				if got := kinds(b.entries); got != "l" {
					t.Errorf("left are %q; want l", got)
				}
			})
		})
	}
}
