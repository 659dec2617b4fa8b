package firewall

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// fakeKernel has one table, and modules or not.
type fakeKernel struct {
	mu       sync.Mutex
	table    *Ruleset
	modules  bool // those of Extra rules
	absent   bool // nf_tables itself
	replaced int
	changed  func()
}

var errNoModule = errors.New("no such module")

func (k *fakeKernel) Compare(r Ruleset) (string, Counters, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.absent:
		return "", nil, errNoModule
	case k.table == nil:
		return "there is no table", nil, nil
	case !reflect.DeepEqual(*k.table, r):
		return "the rules", nil, nil
	}
	return "", nil, nil
}

func (k *fakeKernel) Replace(r Ruleset) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.absent || !k.modules && !reflect.DeepEqual(r, r.closed()) {
		return errNoModule
	}
	k.table = &r
	k.replaced++
	if k.changed != nil {
		k.changed()
	}
	return nil
}

func (k *fakeKernel) Watch(ctx context.Context, changed func()) error {
	k.mu.Lock()
	absent := k.absent
	k.changed = changed
	k.mu.Unlock()
	if absent {
		return errNoModule
	}
	changed()
	<-ctx.Done()
	return ctx.Err()
}

// set changes the kernel behind the firewall's back.
func (k *fakeKernel) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// has says whether the table is these rules when all is quiet, and how often it
// was replaced.
func (k *fakeKernel) has(r Ruleset) (standing bool, replaced int) {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.table != nil && reflect.DeepEqual(*k.table, r), k.replaced
}

// run runs a firewall on the kernel in a bubble of synctest.
func run(t *testing.T, k *fakeKernel, test func(*Firewall)) {
	synctest.Test(t, func(t *testing.T) {
		f := New(k, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.Run(ctx) }()
		test(f)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

func isSettled(f *Firewall) bool {
	synctest.Wait()
	select {
	case <-f.Settled():
		return true
	default:
		return false
	}
}

func TestRun(t *testing.T) {
	k := &fakeKernel{modules: true}
	first, second := builtIn(), everything()
	run(t, k, func(f *Firewall) {
		time.Sleep(time.Second)
		if _, replaced := k.has(Ruleset{}); replaced > 0 || isSettled(f) {
			t.Errorf("without a configuration the table was written %d times, settled %v; want never", replaced, isSettled(f))
		}
		f.Apply(first)
		if standing, _ := k.has(plan(first, nil).closed()); !isSettled(f) || !standing {
			t.Errorf("with a configuration: settled %v, the closed table stands %v; want both", isSettled(f), standing)
		}
		time.Sleep(retryPeriod - time.Millisecond)
		if standing, _ := k.has(plan(first, nil).closed()); !standing {
			t.Error("the whole table is written while the ports come up")
		}
		time.Sleep(time.Millisecond)
		if standing, _ := k.has(plan(first, nil)); !standing {
			t.Error("the closed table is not followed by the whole")
		}
		time.Sleep(time.Hour)
		if _, replaced := k.has(Ruleset{}); replaced != 2 {
			t.Errorf("an hour without change: the table was written %d times; want twice", replaced)
		}

		k.set(func() { k.table = nil; k.changed() })
		time.Sleep(2 * time.Second)
		if standing, _ := k.has(plan(first, nil)); !standing {
			t.Error("2 s after the table was deleted it is not back")
		}
		k.set(func() { k.table = nil }) // and the notification was lost
		time.Sleep(calmPeriod + time.Second)
		if standing, _ := k.has(plan(first, nil)); !standing {
			t.Error("a table that went without notice is not back")
		}

		lease := []model.Lease{{Port: lan2, Address: first.LANs[1].Address}}
		f.Apply(second)
		f.ApplyLeases(lease)
		time.Sleep(time.Second)
		if standing, _ := k.has(plan(second, lease)); !standing {
			t.Error("the table is not that of the new configuration and its lease")
		}
		if got := f.Conditions(); got != nil {
			t.Errorf("Conditions = %v; want none", got)
		}
	})
}

// A control that starts anew finds its table, and leaves it alone.
func TestTableStandsAlready(t *testing.T) {
	config := everything()
	rules := plan(config, nil)
	k := &fakeKernel{modules: true, table: &rules}
	run(t, k, func(f *Firewall) {
		f.Apply(config)
		if !isSettled(f) {
			t.Error("not settled although the table stands")
		}
		time.Sleep(time.Hour)
		if standing, replaced := k.has(rules); !standing || replaced != 0 {
			t.Errorf("the table stands: %v, and was written %d times; want it untouched", standing, replaced)
		}
	})
}

// The closed part stands while modules are missing, and the rest when they come.
func TestModulesComeLate(t *testing.T) {
	k := &fakeKernel{absent: true}
	config := builtIn()
	run(t, k, func(f *Firewall) {
		f.Apply(config)
		time.Sleep(3 * time.Second)
		if isSettled(f) || len(f.Conditions()) != 1 {
			t.Errorf("without nf_tables: settled %v, Conditions %v; want no and one", isSettled(f), f.Conditions())
		}
		k.set(func() { k.absent = false })
		time.Sleep(bootPeriod)
		if standing, _ := k.has(plan(config, nil).closed()); !standing || !isSettled(f) {
			t.Errorf("with nf_tables: the closed table stands %v, settled %v; want both", standing, isSettled(f))
		}
		time.Sleep(time.Hour)
		if _, replaced := k.has(Ruleset{}); replaced != 1 {
			t.Errorf("an hour without the other modules: the table was written %d times; want once", replaced)
		}
		if got := f.Conditions(); len(got) != 1 || got[0].Name != alarm.FirewallProblem {
			t.Errorf("Conditions = %v; want that rules are missing", got)
		}
		k.set(func() { k.modules = true })
		time.Sleep(retryPeriod)
		if standing, _ := k.has(plan(config, nil)); !standing || f.Conditions() != nil {
			t.Errorf("with all modules: the table stands %v, Conditions %v; want yes and none", standing, f.Conditions())
		}
	})
}

// Without a firewall the box comes up all the same, and says so.
func TestNoFirewall(t *testing.T) {
	k := &fakeKernel{absent: true}
	run(t, k, func(f *Firewall) {
		f.Apply(builtIn())
		time.Sleep(bootLimit - time.Millisecond)
		if isSettled(f) {
			t.Error("settled before its time")
		}
		time.Sleep(time.Millisecond)
		if !isSettled(f) || len(f.Conditions()) != 1 {
			t.Errorf("settled %v, Conditions %v; want yes and one", isSettled(f), f.Conditions())
		}
	})
}
