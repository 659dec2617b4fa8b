package subscription

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// files are both copies of the state.
func (l *life) files() [2]string { return l.store.Files }

// TestStateIsKept: what COM has said and how much of the grace is used comes back
// from either file.
func TestStateIsKept(t *testing.T) {
	l := newLife(t)
	l.connect()
	l.disconnect()
	l.pass(10*day + time.Hour)
	before := l.Status()
	for i, lost := range l.files() {
		if err := os.Remove(lost); err != nil {
			t.Fatal(err)
		}
		l.reboot(0)
		after := l.Status()
		if after.Grace != before.Grace || !slices.Equal(after.Subscriptions, before.Subscriptions) || !after.Checked.Equal(before.Checked) {
			t.Errorf("without file %d: %+v; want %+v", i, after, before)
		}
		l.tells("grace day 11", "subscription-state")
		if _, err := os.Stat(lost); err != nil {
			t.Errorf("file %d is not written anew: %v", i, err)
		}
	}
}

// TestLostState: a box that has lost both files, or has those of another, is one
// that COM has said nothing to yet, until it does.
func TestLostState(t *testing.T) {
	l := newLife(t)
	l.connect()
	for _, content := range []string{"", "{}", `{"facts":{"subscriptions":[{"feature":"calls","count":9}]},"mac":""}`} {
		for _, file := range l.files() {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l.reboot(0)
		l.allows(false, false)
		l.tells("subscription-state")
		l.connect()
		l.allows(true, true)
		l.tells()
	}
}

// TestUnreadState: a state that the disk does not give is not written over, and
// counts when it does; unless COM has answered before.
func TestUnreadState(t *testing.T) {
	for _, answered := range []bool{false, true} {
		l := newLife(t)
		l.connect()
		files := l.files()
		for _, file := range files {
			if err := os.Rename(file, file+".kept"); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(file, 0o755); err != nil { // which no read gives
				t.Fatal(err)
			}
		}
		l.reboot(0)
		l.pass(2 * time.Hour)
		l.allows(false, false)
		l.tells("subscription-state")
		if answered {
			l.com.answer.Subscriptions = l.com.answer.Subscriptions[:1]
			l.connect()
			l.allows(true, false)
		}
		for _, file := range files {
			if err := os.Remove(file); err != nil { // it is empty: nothing was written
				t.Fatal(err)
			}
			if err := os.Rename(file+".kept", file); err != nil {
				t.Fatal(err)
			}
		}
		l.look()
		l.allows(true, !answered)
		l.tells()
		l.reboot(0)
		l.allows(true, !answered)
	}
}

// TestRunningTimeLost: a record of the running time that was lost gives nothing of
// the grace back.
func TestRunningTimeLost(t *testing.T) {
	l := newLife(t)
	l.connect()
	l.disconnect()
	l.pass(20 * day)
	for n := range 3 {
		l.clock.ran = 0
		l.boot()
		l.tells("grace day 21", "subscription-state")
		l.clock.run(time.Second)
		l.update(func(moment) { l.dirty = true }) // the first look comes after the start
		l.save()
		lost := time.Duration(n+1) * (saveEvery + time.Second)
		if left := l.Status().Grace.Left; left != 10*day-lost {
			t.Errorf("%v of the grace are left after %d times; want 10 days less %v", left, n+1, lost)
		}
	}
	l.pass(10 * day)
	l.allows(false, true)
}

// TestUnsavedState: a disk that cannot be written stops nothing.
func TestUnsavedState(t *testing.T) {
	l := newLife(t)
	l.store.Files[0] = "/proc/none/state"
	l.connect()
	l.allows(true, true)
	l.tells("subscription-state")
	l.store.Files[0] = filepath.Join(l.dir, "state")
	l.look()
	l.tells()
}

// TestTimeIsKept: who loses the record of the trusted time wins no time of a
// subscription.
func TestTimeIsKept(t *testing.T) {
	l := newLife(t)
	l.com.answer.Subscriptions[1].Expires = l.clock.Now().Add(day)
	l.connect()
	l.pass(2 * day)
	l.connect()
	l.allows(true, false)
	l.clock.at = l.clock.at.Add(-3 * day)
	l.reboot(0)
	l.allows(true, false)
}
