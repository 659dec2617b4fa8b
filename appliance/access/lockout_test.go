package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lockouts makes the lockouts of one box: each call is a start of the process,
// in a boot of that name, at a time since that boot.
func lockouts(t *testing.T) func(boot string, up time.Duration) *lockout {
	file := filepath.Join(t.TempDir(), "logins")
	return func(boot string, up time.Duration) *lockout {
		started := time.Now()
		return openLockout(Options{
			LockFile: file, Boot: boot, Log: slog.New(slog.DiscardHandler),
			Uptime: func() time.Duration { return up + time.Since(started) },
		})
	}
}

// fails makes so many attempts that fail, one after the other.
func fails(t *testing.T, l *lockout, name string, times int) {
	t.Helper()
	for i := range times {
		if err := l.begin(name); err != nil {
			t.Fatalf("attempt %d of %s: begin = %v; want no error", i+1, name, err)
		}
		l.end(name, errWrong)
	}
}

// left is for how long a name is locked out.
func left(l *lockout, name string) time.Duration { return l.locked()[nameKey(name)] }

func TestLockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lockouts(t)("a", time.Hour)
		for i, step := range []struct {
			after time.Duration
			name  string
			err   error // how the attempt ends
			left  time.Duration
		}{
			{0, "anna", errWrong, 0},
			{0, "nobody", errWrong, 0},
			{time.Minute, "anna", errWrong, 0},
			{8*time.Minute + 59*time.Second, "anna", errWrong, time.Minute}, // the third within 10 minutes
			{59 * time.Second, "bert", errWrong, 0},
			{time.Second, "anna", errWrong, 0}, // it counts anew
			{0, "anna", errWrong, 0},
			{0, "anna", nil, 0}, // who succeeds has no failures
			{0, "anna", errWrong, 0},
			{0, "anna", errWrong, 0},
			{10 * time.Minute, "anna", errWrong, 0}, // those before are too old
			{0, "anna", errors.New("the caller left"), 0},
			{0, "anna", errWrong, 0},
			{0, "anna", errWrong, time.Minute},
		} {
			time.Sleep(step.after)
			if err := l.begin(step.name); err != nil {
				t.Fatalf("step %d: begin(%s) = %v; want no error", i, step.name, err)
			}
			l.end(step.name, step.err)
			if got := left(l, step.name); got != step.left {
				t.Errorf("step %d: %s is locked out for %v; want %v", i, step.name, got, step.left)
			}
		}
		time.Sleep(20 * time.Second)
		var locked *LockedError
		if err := l.begin("anna"); !errors.As(err, &locked) || locked.Left != 40*time.Second {
			t.Errorf("begin while locked out = %v; want 40 s", err)
		}
		if err := l.begin("nobody"); err != nil {
			t.Errorf("begin of another name = %v; want no error", err)
		}
	})
}

// TestLockoutTogether: attempts at the same time are no more than failures are left.
func TestLockoutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lockouts(t)("a", 0)
		fails(t, l, "anna", 1)
		begun := 0
		for range 10 {
			if l.begin("anna") == nil {
				begun++
			}
		}
		if begun != 2 {
			t.Errorf("%d attempts at the same time after a failure; want 2", begun)
		}
		l.end("anna", errWrong)
		l.end("anna", errWrong)
		if got := left(l, "anna"); got != lockTime {
			t.Errorf("locked out for %v after they failed; want %v", got, lockTime)
		}
	})
}

// TestLockoutOutlives: neither a restart of control nor pulling the plug ends it.
func TestLockoutOutlives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := lockouts(t)
		ctx, cancel := context.WithCancel(t.Context())
		l := start("a", time.Hour)
		go l.run(ctx)
		fails(t, l, "anna", failuresMost)
		fails(t, l, "bert", 1)
		synctest.Wait()
		cancel()
		synctest.Wait()

		time.Sleep(20 * time.Second)
		if got := left(start("a", time.Hour+20*time.Second), "anna"); got != 40*time.Second {
			t.Errorf("locked out for %v after a restart of control 20 s later; want 40 s", got)
		}
		l = start("b", 9*time.Second) // the plug was pulled, however long
		if got := left(l, "anna"); got != lockTime {
			t.Errorf("locked out for %v after a power cut; want %v", got, lockTime)
		}
		fails(t, l, "bert", 2)
		if got := left(l, "bert"); got != lockTime {
			t.Errorf("locked out for %v after a failure before the cut and two after it; want %v", got, lockTime)
		}
	})
}

// TestLockoutIsOver: who has logged in after a lock-out is not locked out by the
// next boot.
func TestLockoutIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := lockouts(t)
		ctx, cancel := context.WithCancel(t.Context())
		l := start("a", time.Hour)
		go l.run(ctx)
		fails(t, l, "anna", failuresMost)
		time.Sleep(lockTime + keptInterval)
		if err := l.begin("anna"); err != nil {
			t.Fatal(err)
		}
		l.end("anna", nil)
		time.Sleep(keptInterval)
		cancel()
		synctest.Wait()
		if got := left(start("b", time.Minute), "anna"); got != 0 {
			t.Errorf("locked out for %v in the next boot; want not", got)
		}
	})
}

// TestLockoutIsWrittenFirst: a failure is on the flash before it is answered.
func TestLockoutIsWrittenFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := lockouts(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		l := start("a", 0)
		go l.run(ctx)
		for i := range failuresMost {
			if err := l.begin("anna"); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			l.end("anna", errWrong).wait(ctx)
			if waited := time.Since(began); waited >= keptLimit {
				t.Errorf("failure %d: its answer waited for %v; want as long as the write takes", i+1, waited)
			}
			after := start("a", 0)
			got := left(after, "anna") > 0
			if tries := after.names[nameKey("anna")]; tries == nil || len(tries.Failures) != (i+1)%failuresMost || got != (i+1 == failuresMost) {
				t.Errorf("after failure %d the file has %+v; want it counted", i+1, tries)
			}
		}
	})
}

// TestLockoutInAFlood: a flood of names is bounded in memory and in writes, and
// does not have a user of the box forgotten.
func TestLockoutInAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := lockouts(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		l := start("a", 0)
		l.protect([]string{"anna"})
		go l.run(ctx)
		fails(t, l, "anna", 2)
		writes, last := 0, os.FileInfo(nil)
		const seconds = 500
		for i := range 20 * seconds {
			fails(t, l, fmt.Sprint("nobody", i), 1)
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			if info, err := os.Stat(l.file); err == nil && (last == nil || !os.SameFile(info, last)) {
				writes, last = writes+1, info
			}
		}
		if most := keptBurst + seconds/int(keptInterval/time.Second) + 1; writes < keptBurst || writes > most {
			t.Errorf("%d writes in %d s; want up to %d", writes, seconds, most)
		}
		if n := len(l.names); n > namesMost {
			t.Errorf("the table has %d names; want up to %d", n, namesMost)
		}
		fails(t, l, "anna", 1)
		if got := left(l, "anna"); got != lockTime {
			t.Errorf("locked out for %v after the third failure of a user in a flood; want %v", got, lockTime)
		}
	})
}

// TestLockoutFileDamaged: it is counted anew, and what cannot be is refused.
func TestLockoutFileDamaged(t *testing.T) {
	key := nameKey("anna")
	for _, test := range []struct{ name, content, want string }{
		{"cut", `{"boot":"a","at":70,"names":{"`, "read the failures"},
		{"another key", `{"boot":"a","at":70,"names":{"anna":{}}}`, `the entry "anna"`},
		{"nothing", `{"boot":"a","at":70,"names":{"` + key + `":null}}`, "is damaged"},
		{"locked for ever", `{"boot":"a","at":70,"names":{"` + key + `":{"until":9000000000000000000}}}`, "is damaged"},
		{"failures to come", `{"boot":"a","at":70,"names":{"` + key + `":{"failures":[71]}}}`, "is damaged"},
		{"too many failures", `{"boot":"a","at":70,"names":{"` + key + `":{"failures":[1,2,3]}}}`, "is damaged"},
		{"written in the future", `{"boot":"a","at":9000000000000,"names":{}}`, "not of this box"},
		{"too many", `{"at":1,"names":{` + strings.TrimSuffix(manyNames(namesMost+usersMax+1), ",") + `}}`, "not of this box"},
	} {
		if names, err := parseLocks([]byte(test.content), "a", time.Second); err == nil || !strings.Contains(err.Error(), test.want) || names != nil {
			t.Errorf("%s: parseLocks = %v, %v; want %s", test.name, names, err, test.want)
		}
	}
	file := filepath.Join(t.TempDir(), "logins")
	if err := os.WriteFile(file, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := openLockout(Options{LockFile: file, Uptime: func() time.Duration { return 0 }, Log: slog.New(slog.DiscardHandler)})
	if err := l.begin("anna"); err != nil {
		t.Errorf("begin with a damaged file = %v; want no error", err)
	}
}

func manyNames(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `"%s":{},`, nameKey(fmt.Sprint(i)))
	}
	return text.String()
}

func FuzzParseLocks(f *testing.F) {
	key := nameKey("anna")
	f.Add([]byte(`{"boot":"a","at":700000000000,"names":{"`+key+`":{"failures":[100000000000,600000000000],"until":760000000000}}}`), int64(time.Hour))
	f.Add([]byte(`{"boot":"b","at":7,"names":{"`+key+`":{"failures":[-9,7]}}}`), int64(1))
	f.Add([]byte(`{"names":{"`+key+`":null}}`), int64(0))
	f.Add([]byte(`[]`), int64(0))
	f.Fuzz(func(t *testing.T, content []byte, up int64) {
		now := time.Duration(up).Abs() % (1000 * time.Hour)
		names, err := parseLocks(content, "a", now)
		if err != nil {
			return
		}
		l := &lockout{boot: "a", uptime: func() time.Duration { return now }, names: names}
		for key, left := range l.locked() {
			if left > lockTime {
				t.Fatalf("%s is locked out for %v; want %v at the most", key, left, lockTime)
			}
		}
		again, err := parseLocks(l.format(), "a", now)
		if err != nil {
			t.Fatalf("parseLocks of what was written = %v; want no error", err)
		}
		if len(again) > len(names) {
			t.Fatalf("%d names; want %d at the most", len(again), len(names))
		}
	})
}
