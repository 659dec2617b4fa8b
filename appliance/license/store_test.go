package license

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"causeway/appliance/license/ela"
	"causeway/appliance/storage"
)

// TestStateIsKept: facts come back as they were, from either copy.
func TestStateIsKept(t *testing.T) {
	l := newLife(t)
	l.pass(20 * day)
	l.register()
	before := l.Status()
	for _, lost := range []string{"", "state", "copy"} {
		if lost != "" {
			if err := os.Remove(filepath.Join(l.dir, lost)); err != nil {
				t.Fatal(err)
			}
		}
		l.reboot(0)
		after := l.Status()
		if after.State != Authorized || after.Registration != before.Registration || after.Authorization != before.Authorization ||
			after.Evaluation != before.Evaluation || !slices.Equal(after.SigningSerials, before.SigningSerials) {
			t.Errorf("without %q: %+v; want %+v", lost, after, before)
		}
		if got, want := l.alarms(), lost != ""; slices.Contains(got, "state") != want {
			t.Errorf("without %q: alarms %q", lost, got)
		}
		for _, name := range []string{"state", "copy"} {
			if _, err := os.Stat(filepath.Join(l.dir, name)); err != nil {
				t.Errorf("without %q: %v; want both written anew", lost, err)
			}
		}
	}
}

// TestDamagedState: a file that was cut or changed anywhere is not believed; the
// other one is.
func TestDamagedState(t *testing.T) {
	l := newLife(t)
	l.register()
	file := filepath.Join(l.dir, "state")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	opens := func(text []byte) bool {
		_, err := l.store.Open(text)
		return err == nil
	}
	if !opens(whole) {
		t.Fatal("the whole file is not believed")
	}
	for i := range bytes.TrimSpace(whole) {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		if opens(changed) {
			t.Errorf("octet %d (%q) changed to %q: believed", i, whole[i], changed[i])
		}
		if opens(whole[:i]) {
			t.Errorf("cut at octet %d: believed", i)
		}
	}
	if err := os.WriteFile(file, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	l.reboot(0)
	l.is(Authorized, true)
	l.tells("state")

	none := newStore(Options{File: file, Copy: file}) // the key of the box did not read
	if _, found, problem := none.Load(); found || !errors.Is(problem, storage.ErrUnread) {
		t.Errorf("Load without a key = found %t, %v; want %v", found, problem, storage.ErrUnread)
	}
	other := newStore(Options{File: file, Copy: file, Key: []byte("key of another box")})
	if _, found, problem := other.Load(); found || problem == nil {
		t.Errorf("Load with another key = found %t, %v; want nothing", found, problem)
	}
}

// TestFullDisk: no request leaves whose number the box would forget: after a
// reboot the server would take the box for a copy. One of the two files is enough.
func TestFullDisk(t *testing.T) {
	l := newLife(t)
	l.register()
	full := func(names ...string) {
		l.store.Write = func(file string, content []byte, mode os.FileMode) error {
			if slices.Contains(names, filepath.Base(file)) {
				return syscall.ENOSPC
			}
			return os.WriteFile(file, content, mode)
		}
	}
	full("state", "copy")
	if _, err := l.renew(t.Context(), RenewRequest{}); err == nil || !strings.Contains(err.Error(), errNotKept.Error()) {
		t.Errorf("on a full disk: %v; want %v", err, errNotKept)
	}
	l.tells("renewal-failing", "state")
	if _, err := l.Agent.deregister(t.Context(), DeregisterRequest{}); err == nil {
		t.Error("a deregistration whose number is not kept has left")
	}
	l.pass(leaveWithin + day)
	l.is(Authorized, true) // nobody was asked to take the licences back
	l.reboot(0)
	if _, err := l.renew(t.Context(), RenewRequest{}); err != nil { // the server fails the test if the number is an old one
		t.Error(err)
	}
	full("copy")
	if _, err := l.renew(t.Context(), RenewRequest{}); err != nil {
		t.Errorf("with one file kept: %v", err)
	}
	l.reboot(0)
	if _, err := l.renew(t.Context(), RenewRequest{}); err != nil {
		t.Error(err)
	}
	l.tells()
}

// TestLostState: without any state nothing is won. An old image of the disk is
// believed, and the sequence number tells the server.
func TestLostState(t *testing.T) {
	l := newLife(t)
	l.pass(30 * day)
	l.register()
	l.pass(30 * day)
	old, err := os.ReadFile(filepath.Join(l.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "{}", "not one"} {
		for _, name := range []string{"state", "copy"} {
			if err := os.WriteFile(filepath.Join(l.dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l.reboot(0)
		l.is(Unidentified, true)
		l.tells("evaluation", "state")
		if consumed := l.Status().Evaluation.Consumed; consumed != 60*day {
			t.Errorf("%q: %v of the evaluation are consumed; want as long as the box has run", content, consumed)
		}
	}
	for _, name := range []string{"state", "copy"} {
		if err := os.WriteFile(filepath.Join(l.dir, name), old, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.keys.inForce, l.keys.waiting = nil, nil
	l.reboot(0)
	l.is(Unidentified, true) // the registration is whole, and its certificate gone
	l.tells("evaluation", "state")
}

// TestRecallVerifies: what is kept is believed only as long as it is as good as
// when it came.
func TestRecallVerifies(t *testing.T) {
	l := newLife(t)
	l.register()
	l.down = true
	var roots []*x509.Certificate
	for _, test := range []struct {
		name  string
		spoil func()
		want  State
	}{
		{"nothing", func() {}, Authorized},
		{"a cut before the certificate was put in force", func() {
			l.keys.waiting, l.keys.inForce = l.keys.inForce.PrivateKey.(*ecdsa.PrivateKey), nil
		}, Authorized},
		{"the authorisation is another", func() { l.facts.Authorization.Answer = flip(l.facts.Authorization.Answer) }, Registered},
		{"a good authorisation", func() {
			l.down, l.facts.Authorizing = false, attempts{}
			l.look()
			l.down = true
		}, Authorized},
		{"nobody is trusted", func() { roots, l.keys.roots = l.keys.roots, nil }, Unidentified},
		{"nobody is trusted yet", func() {}, Unidentified},
		{"the authority is put back", func() { l.keys.roots = roots }, Authorized},
		{"somebody else is trusted", func() { l.keys.roots = newServer(t, l.clock).roots() }, Unidentified},
	} {
		test.spoil()
		l.update(func(moment) { l.dirty = true })
		l.save()
		l.reboot(0)
		if got := l.Status().State; got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
	l.tells("evaluation", "state")

	before := l.Status().Evaluation
	l.pass(day) // the evaluation is consumed meanwhile
	l.keys.roots = roots
	l.look()
	l.is(Authorized, true)
	l.tells()
	if got := l.Status(); got.Evaluation.Left != before.Left-day || got.Registration.Instance != instanceID {
		t.Errorf("status = %+v; want the registration again, and a day less of %v", got, before.Left)
	}
	l.reboot(0)
	l.is(Authorized, true)
}

// TestCutRegistration: a cut between the answer to a registration and what follows
// from it leaves a box that is registered.
func TestCutRegistration(t *testing.T) {
	l := newLife(t)
	l.pass(day)
	var kept []byte // when the certificate is not in force yet
	l.store.Write = func(file string, content []byte, mode os.FileMode) error {
		if kept == nil && bytes.Contains(content, []byte(`"registration"`)) {
			kept = bytes.Clone(content)
		}
		return os.WriteFile(file, content, mode)
	}
	if _, err := l.Agent.register(t.Context(), RegisterRequest{Token: "secret-token"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "copy"} {
		if err := os.WriteFile(filepath.Join(l.dir, name), kept, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.keys.waiting, l.keys.inForce = l.keys.inForce.PrivateKey.(*ecdsa.PrivateKey), nil
	l.reboot(0)
	l.is(Authorized, true)
	l.tells()
}

// TestUnreadState: a state that the disk does not give is neither given up nor
// written over.
func TestUnreadState(t *testing.T) {
	l := newLife(t)
	l.pass(day)
	l.register()
	hide := func(from, to string) {
		for _, name := range []string{"state", "copy"} {
			if err := os.Rename(filepath.Join(l.dir, name+from), filepath.Join(l.dir, name+to)); err != nil {
				t.Fatal(err)
			}
		}
	}
	hide("", ".kept")
	for _, name := range []string{"state", "copy"} {
		if err := os.Mkdir(filepath.Join(l.dir, name), 0o755); err != nil { // which no read gives
			t.Fatal(err)
		}
	}
	l.reboot(0)
	l.is(Unidentified, true)
	l.tells("evaluation", "state")
	if _, err := l.Agent.register(t.Context(), RegisterRequest{Token: "secret-token"}); !errors.Is(err, errNoState) {
		t.Errorf("register = %v; want %v", err, errNoState)
	}
	for _, name := range []string{"state", "copy"} {
		if err := os.Remove(filepath.Join(l.dir, name)); err != nil { // it is empty: nothing was written
			t.Fatal(err)
		}
	}
	hide(".kept", "")
	l.look()
	l.is(Authorized, true)
	l.tells()
	if consumed := l.Status().Evaluation.Consumed; consumed != day {
		t.Errorf("%v of the evaluation are consumed; want a day", consumed)
	}
}

// TestRunningTimeLost: a record of the running time that was lost gives nothing
// of the evaluation back.
func TestRunningTimeLost(t *testing.T) {
	l := newLife(t)
	l.pass(40 * day)
	l.clock.ran = 0
	l.reboot(0)
	l.tells("evaluation", "state")
	l.pass(49 * day)
	l.is(Unidentified, true)
	l.pass(2 * day)
	l.is(EvalExpired, false)
}

// TestRunningTimeLostAgainAndAgain: whoever removes the record of the running
// time before anything of it is kept elsewhere wins nothing.
func TestRunningTimeLostAgainAndAgain(t *testing.T) {
	l := newLife(t)
	l.clock.run(time.Second)
	l.update(func(moment) { l.dirty = true })
	l.save()
	boots := 0
	for ; l.Status().State == Unidentified && boots < 10_000; boots++ {
		l.clock.run(saveEvery - time.Minute)
		l.clock.mu.Lock()
		l.clock.ran, l.clock.at = 0, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) // the time of the build
		l.clock.mu.Unlock()
		l.boot()
		l.clock.run(time.Second)
		l.update(func(moment) { l.dirty = true }) // the first look comes after the start
		l.save()
	}
	if most := int(evaluationPeriod/saveEvery) + 1; boots > most {
		t.Errorf("%d boots with %v of evaluation each; want at most %d", boots, saveEvery-time.Minute, most)
	}
}

// TestUnsavedState: a disk that cannot be written stops nothing.
func TestUnsavedState(t *testing.T) {
	l := newLife(t)
	l.store.Files = [2]string{"/proc/none/state", filepath.Join(l.dir, "copy")}
	l.register()
	l.is(Authorized, true)
	l.tells("state")
	if !strings.Contains(l.Status().Tampered, "keep the licence state") {
		t.Errorf("status = %+v; want what is wrong", l.Status())
	}
	l.store.Files[0] = filepath.Join(l.dir, "state")
	l.look()
	l.tells()
}

// TestSequenceIsKept: no number is used twice, even if nothing came back.
func TestSequenceIsKept(t *testing.T) {
	l := newLife(t)
	l.register()
	l.server.set(func() { l.server.spoils = func(string, []byte) []byte { return nil } })
	for range 5 {
		if _, err := l.renew(t.Context(), RenewRequest{}); err == nil {
			t.Fatal("believed nothing")
		}
		l.reboot(time.Minute) // the server fails the test when a number comes again
	}
	if got := l.server.seen(); len(got) < 7 || got[len(got)-1] != ela.TypeAuthorize {
		t.Errorf("the server has seen %q", got)
	}
}

func FuzzState(f *testing.F) {
	s := newStore(Options{
		File: filepath.Join(f.TempDir(), "state"), Copy: filepath.Join(f.TempDir(), "copy"), Key: []byte("key"), write: os.WriteFile,
	})
	if err := s.Save(facts{Number: 1, State: Authorized}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(s.Files[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"facts":{},"mac":""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if read, err := s.Open(text); err == nil && read.State != Authorized {
			t.Errorf("Open(%q) = %+v; want nothing that was not saved", text, read)
		}
	})
}
