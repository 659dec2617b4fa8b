package access

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/alarm"
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// box is an Access whose log and network are the test's.
type box struct {
	*Access
	t       *testing.T
	log     bytes.Buffer // that of the box
	hasher  *config.Hasher
	servers map[string]func(net.Conn) // RADIUS servers by "address:port"; others refuse
}

// newBox makes a box with the users of a configuration. It runs until the test ends.
func newBox(t *testing.T, text string) *box {
	b := &box{t: t, hasher: config.NewHasher(), servers: make(map[string]func(net.Conn))}
	dir, started := t.TempDir(), time.Now()
	b.Access = New(Options{
		Hasher: b.hasher,
		Open:   func(stored string) (string, error) { return strings.TrimPrefix(stored, "sealed:"), nil },
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			address, err := netip.ParseAddr(host)
			return []netip.Addr{address}, err
		},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			serve := b.servers[address]
			if serve == nil {
				return nil, errors.New("connection refused")
			}
			here, there := net.Pipe()
			go serve(there)
			return here, nil
		},
		LockFile: filepath.Join(dir, "logins"),
		LogDirs:  []string{filepath.Join(dir, "log")},
		Boot:     "a",
		Uptime:   func() time.Duration { return 100*time.Second + time.Since(started) },
		Log:      slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	b.apply(text)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
	return b
}

// apply puts a configuration in force.
func (b *box) apply(text string) {
	b.t.Helper()
	g, err := config.New(Commands(begins))
	if err != nil {
		b.t.Fatal(err)
	}
	c, err := g.Hashing(b.hasher).Parse(text)
	if err != nil {
		b.t.Fatalf("%v in\n%s", err, text)
	}
	b.Apply(c.Access, model.GroupPrivileged, "proxy1")
}

// logIn is an attempt that must end with err.
func (b *box) logIn(user, password, origin string, want error) model.Login {
	b.t.Helper()
	login, err := b.Password(b.t.Context(), user, password, origin)
	var locked *LockedError
	if same := errors.Is(err, want) || errors.As(want, &locked) && errors.As(err, &locked); !same {
		b.t.Errorf("Password(%s, %s, %s) = %+v, %v; want %v", user, password, origin, login, err, want)
	}
	return login
}

// entries are those of the log, without times.
func (b *box) entries() (lines []string) {
	b.t.Helper()
	entries, err := b.journal.last(queryMost)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		lines = append(lines, e.String())
	}
	return lines
}

func (b *box) wantEntries(want ...string) {
	b.t.Helper()
	if got := strings.Join(b.entries(), "\n"); got != strings.Join(want, "\n") {
		b.t.Errorf("the log has\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, "group ops permit exec show billing\ngroup ops files read\nexec-timeout 0\n"+admin+
			"username keys create\nusername keys key "+annasKey+" her laptop\nusername keys group ops\n"+
			"username idle create\nusername idle password "+stored+"\n")
		login := b.logIn("admin", right, "ttyS0", nil)
		if want := (model.Operator{User: "admin", Origin: "ttyS0"}); login.Operator != want || login.Session != 101 || login.IdleMinutes != 0 {
			t.Errorf("login of %+v; want %v in session 101, never idle", login, want)
		}
		if r := login.Rights; !r.May(model.RuleExec, "reload") || !r.May(model.RuleConfigure, "hostname NAME") || !r.FilesWrite {
			t.Errorf("admin may do %+v; want all", r)
		}
		key, other := parseKey(t, annasKey), parseKey(t, otherKey)
		if !b.KeyKnown("keys", key) || b.KeyKnown("keys", other) || b.KeyKnown("admin", key) || b.KeyKnown("nobody", key) {
			t.Error("KeyKnown of the keys is wrong; want the one of its user alone")
		}
		login, err := b.Key(t.Context(), "keys", key, "ssh 192.0.2.7:50122")
		if r := login.Rights; err != nil || login.Session != 102 || r.May(model.RuleExec, "reload") || !r.May(model.RuleExec, "show billing status") ||
			!r.FilesRead || r.FilesWrite {
			t.Errorf("Key = %+v, %v; want the rights of ops", login, err)
		}
		if _, err := b.Key(t.Context(), "keys", other, "ssh 192.0.2.7:50122"); !errors.Is(err, ErrRefused) {
			t.Errorf("Key with another key = %v; want %v", err, ErrRefused)
		}
		b.logIn("admin", "wrong", "ttyS0", ErrRefused)
		b.logIn("nobody", right, "ttyS0", ErrRefused)
		b.logIn("keys", "", "ttyS0", ErrRefused)
		b.logIn("idle", right, "ttyS0", ErrRefused) // in no group
		b.logIn("COMAdmin", "", "ttyS0", ErrRefused)
		b.Logout(101, "exit")
		b.Logout(101, "exit")
		b.Audit(model.Audit{Operator: model.Operator{User: "keys", Origin: "ssh 192.0.2.7:50122"}, Line: "commit"})
		time.Sleep(time.Second)
		b.wantEntries(
			"login admin on ttyS0 by password, session 101",
			"login keys on ssh 192.0.2.7:50122 by key, session 102",
			"refused keys on ssh 192.0.2.7:50122: not a key of this user",
			"refused admin on ttyS0: wrong password",
			"refused (unknown) on ttyS0: wrong password",
			"refused keys on ttyS0: wrong password",
			"refused idle on ttyS0: wrong password: the user is in no group",
			"refused (unknown) on ttyS0: wrong password",
			"logout admin on ttyS0, session 101: exit",
			"command keys on ssh 192.0.2.7:50122: commit",
		)
	})
}

func parseKey(t *testing.T, line string) ssh.PublicKey {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestNewBox: without users no door is open, whatever is tried.
func TestNewBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, "aaa login radius 192.0.2.1 key sealed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
		if state := b.State(); !state.NewBox {
			t.Errorf("State = %+v; want a new box", state)
		}
		b.logIn("admin", "admin", "ttyS0", ErrNewBox)
		b.logIn(model.COMAdmin, "", "ssh 192.0.2.7:50122", ErrNewBox)
		if _, err := b.Key(t.Context(), "admin", parseKey(t, annasKey), "ssh 192.0.2.7:50122"); !errors.Is(err, ErrRefused) {
			t.Errorf("Key = %v; want %v", err, ErrRefused)
		}
		b.apply(admin)
		if state := b.State(); state.NewBox {
			t.Errorf("State with a user = %+v; want no new box", state)
		}
		b.logIn("admin", right, "ttyS0", nil)
	})
}

// TestDoorsTogether: failures count over all doors, for names that are users and
// names that are not alike; keys are left out of it.
func TestDoorsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, admin+"username admin key "+annasKey+"\n")
		for _, user := range []string{"admin", "nobody"} {
			b.logIn(user, "one", "ttyS0", ErrRefused)
			b.logIn(user, "two", "ssh 192.0.2.7:50122", ErrRefused)
			b.logIn(user, "three", "web 192.0.2.8:50122", ErrRefused)
			b.logIn(user, right, "sftp 192.0.2.9:50123", &LockedError{})
			b.logIn(user, right, "ttyS0", &LockedError{})
		}
		if _, err := b.Key(t.Context(), "admin", parseKey(t, annasKey), "ssh 192.0.2.7:50123"); err != nil {
			t.Errorf("Key while the name is locked out = %v; want no error", err)
		}
		want := []model.Condition{
			{Name: alarm.LoginLockout, Object: "admin", Text: "user admin failed to log in 3 times and is locked out"},
			{Name: alarm.LoginLockout, Object: unknownUser, Text: "somebody tries names of users who do not exist"},
		}
		if got := b.Conditions(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("Conditions = %+v; want %+v", got, want)
		}
		if left := b.Users().Accounts[0].Locked; left != 60 {
			t.Errorf("admin is locked out for %d s; want 60", left)
		}
		time.Sleep(time.Minute)
		b.logIn("admin", right, "ttyS0", nil)
		if got := b.Conditions(); got != nil {
			t.Errorf("Conditions a minute later = %+v; want none", got)
		}
	})
}

// TestSameWayForUnknownNames: a name that is no user is checked as long as one
// that is: a password is hashed for both, and none for one that is locked out.
func TestSameWayForUnknownNames(t *testing.T) {
	b := newBox(t, admin)
	for _, user := range []string{"admin", "nobody"} {
		if used := heapOf(t, func() { b.logIn(user, "wrong", "ttyS0", ErrRefused) }); used < 19<<20 {
			t.Errorf("refusing %s took %d octets of memory; want the 19 MiB that hashing takes", user, used)
		}
	}
	for range 2 {
		b.logIn("nobody", "wrong", "ttyS0", ErrRefused)
	}
	if used := heapOf(t, func() { b.logIn("nobody", "wrong", "ttyS0", &LockedError{}) }); used > 1<<20 {
		t.Errorf("refusing a name that is locked out took %d octets; want no hashing", used)
	}
}

// TestSessionsEnd: sessions whose users may do other things now, or are gone, end.
func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const groups = "group ops permit exec show\n"
		bert := "username bert create\nusername bert password " + stored + "\nusername bert group ops\n"
		b := newBox(t, groups+admin+bert)
		first := b.logIn("admin", right, "ttyS0", nil)
		isOver := func(session uint64) bool {
			select {
			case <-b.Ended(session):
				return true
			default:
				return false
			}
		}
		for _, step := range []struct{ config, why string }{
			{groups + admin, "the user was removed"},
			{groups + admin + strings.ReplaceAll(bert, "group ops", "group pfs-readonly"), "what the user may do was changed"},
			{groups + "group ops deny exec show billing\n" + admin + bert, "what the user may do was changed"},
			{"group other permit exec show\n" + admin + strings.ReplaceAll(bert, "group ops", "group other"), "what the user may do was changed"},
			{groups + admin + bert + "username bert key " + annasKey + "\nexec-timeout 5\n", ""},
		} {
			b.apply(groups + admin + bert)
			session := b.logIn("bert", right, "ssh 192.0.2.7:50122", nil).Session
			if b.apply(step.config); isOver(session) != (step.why != "") {
				t.Errorf("the session of bert is over: %t, with\n%s; want why %q", isOver(session), step.config, step.why)
			}
			end, err := b.awaitEnd(briefly(t), model.SessionRequest{Session: session})
			if end.Why != step.why || (err == nil) != (step.why != "") {
				t.Errorf("awaitEnd = %+v, %v; want %q", end, err, step.why)
			}
		}
		if isOver(first.Session) || !isOver(7) {
			t.Error("the session of admin is over, or an unknown one is not; want it the other way round")
		}
		if _, err := b.clear(t.Context(), Clear{first.Session, model.Operator{User: "eve", Origin: "ttyS0"}}); err != nil || !isOver(first.Session) {
			t.Errorf("clear = %v; want the session over", err)
		}
		if _, err := b.clear(t.Context(), Clear{Session: first.Session}); err == nil {
			t.Error("clear of a session that is over = no error; want one")
		}
	})
}

// briefly is a context that ends after a second.
func briefly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestSessionOfAnEarlierLife: a door outside control makes its session known
// to a control that has started anew.
func TestSessionOfAnEarlierLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, admin)
		ask := func(session uint64, user string) error {
			_, err := b.awaitEnd(briefly(t), model.SessionRequest{Session: session, Operator: model.Operator{User: user, Origin: "ttyS0"}})
			return err
		}
		if err := ask(9, ""); err == nil || !strings.Contains(err.Error(), "control does not know session 9") {
			t.Errorf("awaitEnd without an operator = %v; want that it is not known", err)
		}
		if err := ask(1000, "admin"); err == nil || !strings.Contains(err.Error(), "control does not know session 1000") {
			t.Errorf("awaitEnd of a session to come = %v; want that it is not known", err)
		}
		if err := ask(9, "admin"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("awaitEnd = %v; want that it goes on", err)
		}
		if s := b.Users().Sessions; len(s) != 1 || s[0].ID != 9 || s[0].User != "admin" || s[0].Origin != "ttyS0" {
			t.Errorf("sessions = %+v; want 9 of admin", s)
		}
		if err := ask(10, "bert"); err != nil {
			t.Errorf("awaitEnd of one whose user is gone = %v; want its end", err)
		}
		b.apply(admin + "username admin group pfs-readonly\n")
		if err := ask(9, "admin"); err != nil {
			t.Errorf("awaitEnd of one whose user may do other things now = %v; want its end", err)
		}
	})
}

// TestIdle: what is typed is told by doors.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, admin)
		session := b.logIn("admin", right, "ttyS0", nil).Session
		idle := func() int { return b.Users().Sessions[0].Idle }
		time.Sleep(90 * time.Second)
		if got := idle(); got != 90 {
			t.Errorf("idle for %d s; want 90", got)
		}
		b.Active(session)
		time.Sleep(2 * time.Second)
		if got := idle(); got != 2 {
			t.Errorf("idle for %d s; want 2", got)
		}
	})
}

// heapOf is how many octets a function allocates.
func heapOf(t *testing.T, does func()) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	does()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
