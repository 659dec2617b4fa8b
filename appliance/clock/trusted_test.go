package clock

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"causeway/appliance/storage"
)

// box is a box whose clock and power are in the hands of a test.
type box struct {
	file         string
	boots        int
	uptime       time.Duration
	wall         time.Time
	synchronised bool
	cutAt        int // the next write is cut after so many octets; negative: it is not
	failing      bool
	cut          bool // the power is gone
	crashed      bool // the process is
}

func (b *box) open() *Trusted {
	return OpenTrusted(TrustedOptions{
		File: b.file, Floor: epoch, Boot: strconv.Itoa(b.boots),
		Uptime: func() time.Duration { return b.uptime },
		Clock: func(t *unix.Timex) (int, error) {
			t.Time, t.Status = unix.Timeval{Sec: b.wall.Unix(), Usec: int64(b.wall.Nanosecond())}, unix.STA_NANO
			if !b.synchronised {
				t.Status |= unix.STA_UNSYNC
			}
			return 0, nil
		},
		Log:   slog.New(slog.DiscardHandler),
		write: b.write,
	})
}

var errCut = errors.New("the power is gone")

// write is storage.WriteFile with the power cut in the middle: what was
// written so far lies beside the old file. After the last octet the new file
// is there, but nobody is told.
func (b *box) write(path string, content []byte, mode os.FileMode) error {
	switch {
	case b.cut || b.failing:
		return errCut
	case b.cutAt < 0:
		return os.WriteFile(path, content, mode)
	}
	b.cut = true
	if b.cutAt < len(content) {
		if err := os.WriteFile(path+".new-1", content[:b.cutAt], mode); err != nil {
			return err
		}
		return errCut
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		return err
	}
	return errCut
}

// pass lets time pass.
func (b *box) pass(d time.Duration) { b.uptime, b.wall = b.uptime+d, b.wall.Add(d) }

// reboot begins a new boot, or only a new process.
func (b *box) reboot(whole bool, off time.Duration) {
	b.cut, b.cutAt = false, -1
	if whole {
		b.boots, b.uptime, b.synchronised = b.boots+1, 0, false
		b.wall = b.wall.Add(off)
	}
}

// TestTrustedNeverGoesBack: in any sequence of time passing, steps of the
// clock, signed replies, reboots and cuts at any octet of a write, the trusted
// time and the time consumed do not go back, and are not less than what was
// promised.
func TestTrustedNeverGoesBack(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		b := &box{file: filepath.Join(dir, strconv.Itoa(runs)), wall: epoch.Add(day), cutAt: -1}
		trusted := b.open()
		var highest, consumed = epoch, time.Duration(0) // given out, or promised
		ran, lost := time.Duration(0), time.Duration(0) // lost by reboots, at the most
		look := func() {
			now, elapsed := trusted.Now(), trusted.Elapsed()
			if b.cut {
				return // it was given to nobody: the box is dead
			}
			if now.Before(highest) || elapsed < consumed || elapsed < ran {
				t.Fatalf("trusted time %s, %s consumed; want at least %s, %s, and %s that it ran", now, elapsed, highest, consumed, ran)
			}
			if now.Before(epoch.Add(ran - lost)) {
				t.Fatalf("trusted time %s is held; the box ran for %s", now, ran)
			}
			if b.synchronised && now.Before(b.wall) {
				t.Fatalf("trusted time %s is behind the synchronised clock, %s", now, b.wall)
			}
			highest, consumed = now, elapsed
		}
		span := rapid.Int64Range(0, int64(40*day))
		shorter := rapid.Int64Range(0, int64(20*time.Minute))
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) {
				if !b.cut {
					look()
				}
			},
			"time passes": func(t *rapid.T) {
				if b.cut {
					return
				}
				d := time.Duration(shorter.Draw(t, "for"))
				b.pass(d)
				ran += d
			},
			"the clock is set": func(t *rapid.T) {
				by := time.Duration(span.Draw(t, "by"))
				if rapid.Bool().Draw(t, "back") {
					by = -by
				}
				b.wall = b.wall.Add(by)
				b.synchronised = rapid.Bool().Draw(t, "by servers")
			},
			"signed reply": func(t *rapid.T) {
				to := highest.Add(time.Duration(span.Draw(t, "ahead")) - day)
				if !b.cut && trusted.Raise(to) == nil && to.After(highest) {
					highest = to
				}
			},
			"the power is cut while it saves": func(t *rapid.T) {
				b.cutAt = rapid.IntRange(0, 300).Draw(t, "octets")
				look()
				lost += reserve
				b.reboot(true, time.Duration(span.Draw(t, "off for")))
				trusted = b.open()
			},
			"it reboots": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "in good order") {
					ctx, cancel := context.WithCancel(context.Background())
					cancel()
					trusted.run(ctx)
				}
				lost += reserve
				b.reboot(rapid.Bool().Draw(t, "all of it"), time.Duration(span.Draw(t, "off for"))-time.Minute)
				trusted = b.open()
			},
		})
	})
}

// Every beginning of the file is refused, told as tampering, and no state.
func TestTrustedDamaged(t *testing.T) {
	b := &box{file: filepath.Join(t.TempDir(), "trusted"), wall: epoch.Add(day), cutAt: -1}
	if err := b.open().Raise(epoch.Add(5 * day)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(b.file)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) - 1 { // without the newline it is whole
		if err := os.WriteFile(b.file, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		b.reboot(true, 0)
		if trusted := b.open(); !strings.Contains(trusted.Tampered(), "read the trusted time") || trusted.Elapsed() != 0 {
			t.Errorf("cut after %d octets: Tampered() = %q, %s consumed; want it told, and nothing", n, trusted.Tampered(), trusted.Elapsed())
		}
	}
}

// TestTrustedAfter says what a boot begins with.
func TestTrustedAfter(t *testing.T) {
	tests := []struct {
		name     string
		do       func(*testing.T, *box, *Trusted)
		time     time.Duration // since the epoch
		elapsed  time.Duration
		tampered string
	}{
		{"nothing", func(*testing.T, *box, *Trusted) {}, 0, 0, ""},
		{"a day without servers", func(_ *testing.T, b *box, _ *Trusted) { b.pass(day) }, day, day, ""},
		{"servers", func(_ *testing.T, b *box, _ *Trusted) {
			b.synchronised = true
			b.wall = epoch.Add(30 * day)
			b.pass(time.Hour)
		}, 30*day + time.Hour, time.Hour, ""},
		{"a signed reply is ahead of the servers by less than a day", func(t *testing.T, b *box, trusted *Trusted) {
			b.synchronised, b.wall = true, epoch.Add(5*day)
			raise(t, trusted, 5*day+10*time.Minute)
			b.pass(time.Minute) // it goes on
		}, 5*day + 11*time.Minute, time.Minute, ""},
		{"servers after all times", func(t *testing.T, b *box, trusted *Trusted) {
			b.synchronised, b.wall = true, notAfter.Add(day)
			b.pass(time.Hour)
			trusted.Now()
			b.boots++
		}, time.Hour + reserve, time.Hour + reserve, ""},
		{"servers near the end of all times", func(t *testing.T, b *box, trusted *Trusted) {
			b.synchronised, b.wall = true, notAfter
			b.pass(time.Hour)
			b.wall = notAfter
			trusted.Now()
			b.synchronised = false
			b.pass(time.Hour)
			trusted.Now()
			b.boots++
		}, notAfter.Sub(epoch), 2*time.Hour + reserve, ""},
		{"servers behind by two days", func(t *testing.T, b *box, trusted *Trusted) {
			b.synchronised, b.wall = true, epoch.Add(5*day)
			raise(t, trusted, 7*day)
			b.pass(time.Minute) // it goes on
		}, 7*day + time.Minute, time.Minute, "the clock says 2000-01-06T00:01:00Z, which is 48h0m0s before the trusted time"},
		{"the clock is set ahead by hand", func(_ *testing.T, b *box, _ *Trusted) { b.wall = b.wall.Add(10 * 365 * day) }, 0, 0, ""},
		{"and back", func(_ *testing.T, b *box, trusted *Trusted) {
			b.synchronised, b.wall = true, epoch.Add(30*day)
			trusted.Now()
			b.synchronised, b.wall = false, b.wall.Add(-365*day)
			b.pass(time.Hour)
		}, 30*day + time.Hour, time.Hour, "the clock says 1999-01-31T01:00:00Z, which is 8760h0m0s before the trusted time"},
		{"servers put it ahead once it was right", func(_ *testing.T, b *box, trusted *Trusted) {
			b.synchronised, b.wall = true, epoch.Add(day)
			trusted.Now()
			b.wall = b.wall.Add(10 * 365 * day)
		}, 3651 * day, 0, "the clock was put ahead by 87600h0m0s to 2009-12-30T00:00:00Z"},
		{"an orderly reboot", func(_ *testing.T, b *box, trusted *Trusted) {
			b.pass(time.Hour)
			trusted.Now()
			b.pass(time.Minute)
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			trusted.run(ended)
			b.boots++
		}, time.Hour + time.Minute, time.Hour + time.Minute, ""},
		{"a cut", func(_ *testing.T, b *box, trusted *Trusted) {
			b.pass(time.Hour)
			trusted.Now()
			b.pass(time.Minute)
			b.boots++
		}, time.Hour + reserve, time.Hour + reserve, ""},
		{"a crash of the process only", func(_ *testing.T, b *box, trusted *Trusted) {
			b.pass(time.Hour)
			trusted.Now()
			b.pass(time.Minute)
			b.crashed = true
		}, time.Hour + reserve, time.Hour + time.Minute, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := &box{file: filepath.Join(t.TempDir(), "trusted"), wall: epoch, cutAt: -1}
			trusted := b.open()
			boots := b.boots
			test.do(t, b, trusted)
			if whole := b.boots > boots; whole || b.crashed {
				b.reboot(whole, 0)
				trusted = b.open()
			}
			if now, elapsed := trusted.Now().Sub(epoch), trusted.Elapsed(); now != test.time || elapsed != test.elapsed || trusted.Tampered() != test.tampered {
				t.Errorf("trusted time %s, %s consumed, tampered %q; want %s, %s, %q", now, elapsed, trusted.Tampered(), test.time, test.elapsed, test.tampered)
			}
		})
	}
}

// After a cut the trusted time waits for the servers as long as the cut put it
// ahead, however far back they go, and no longer.
func TestTrustedWaits(t *testing.T) {
	for _, back := range []time.Duration{0, 30 * time.Second, time.Minute, 20 * time.Hour} { // every minute
		b := &box{file: filepath.Join(t.TempDir(), "trusted"), wall: epoch, cutAt: -1}
		b.open().Now()
		b.reboot(true, 0)
		trusted := b.open()
		b.synchronised = true
		for range 24 * 60 {
			b.pass(time.Minute)
			b.wall = b.wall.Add(-back)
			trusted.Now()
		}
		if now := trusted.Now().Sub(epoch); now != day {
			t.Errorf("a cut, then a day with servers that go back by %s every minute: trusted time %s; want 24h", back, now)
		}
	}
}

func raise(t *testing.T, trusted *Trusted, to time.Duration) {
	t.Helper()
	if err := trusted.Raise(epoch.Add(to)); err != nil {
		t.Fatal(err)
	}
}

// TestTrustedCorrect: a signed answer sets back a time that servers have led
// astray, if these say so now, and for nothing less.
func TestTrustedCorrect(t *testing.T) {
	const ahead = 10 * 365 * day
	for _, test := range []struct {
		name         string
		synchronised bool
		wall, signed time.Duration // after the epoch
		want, dates  time.Duration // of the trusted time, of certificates before that
	}{
		{"the clock agrees", true, day, day + time.Minute, day + time.Minute, day},
		{"the clock is not synchronised", false, day, day, ahead, ahead},
		{"the clock says something else", true, day, 3 * day, ahead, day},
		{"the clock is less than a day behind", true, ahead - 20*time.Hour, ahead - 20*time.Hour, ahead, ahead},
		{"the answer is ahead", true, day, ahead + day, ahead + day, day},
	} {
		b := &box{file: filepath.Join(t.TempDir(), "trusted"), wall: epoch.Add(ahead), synchronised: true, cutAt: -1}
		trusted := b.open()
		trusted.Now()
		b.synchronised, b.wall = test.synchronised, epoch.Add(test.wall)
		if got := trusted.Dates().Sub(epoch); got != test.dates {
			t.Errorf("%s: Dates = %s; want %s", test.name, got, test.dates)
		}
		if err := trusted.Correct(epoch.Add(test.signed)); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		for _, when := range []string{"at once", "after a restart"} {
			if got := trusted.Now().Sub(epoch); got < test.want || got > test.want+reserve {
				t.Errorf("%s: %s the trusted time is %s; want %s", test.name, when, got, test.want)
			}
			trusted = b.open()
		}
	}
}

// Raise says when it could not keep its promise; time goes on all the same.
func TestTrustedCannotSave(t *testing.T) {
	b := &box{file: filepath.Join(t.TempDir(), "trusted"), wall: epoch, cutAt: -1, failing: true}
	trusted := b.open()
	if err := trusted.Raise(epoch.Add(day)); !errors.Is(err, errCut) {
		t.Errorf("Raise = %v; want %v", err, errCut)
	}
	b.pass(time.Hour)
	if got := trusted.Now().Sub(epoch); got != day+time.Hour {
		t.Errorf("trusted time = %s; want 25h", got)
	}
}

// TestTrustedRun: while nobody asks, what was consumed is saved in time.
func TestTrustedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{file: filepath.Join(t.TempDir(), "trusted"), wall: epoch, cutAt: -1}
		options := b.open().options
		options.Uptime = func() time.Duration { return time.Since(epoch) }
		trusted := OpenTrusted(options)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { trusted.run(ctx); close(ended) }()
		for range 60 {
			pass(time.Minute)
			if kept, err := loadTrusted(b.file); err != nil || kept.Elapsed+kept.Reserve < time.Since(epoch) {
				t.Fatalf("after %s the file has %+v, %v", time.Since(epoch), kept, err)
			}
		}
		cancel()
		<-ended
		if kept, err := loadTrusted(b.file); err != nil || kept.Elapsed != time.Hour || kept.Reserve != 0 {
			t.Errorf("at the end the file has %+v, %v; want exactly an hour", kept, err)
		}
	})
}

// The file is really written so that a cut leaves a whole one.
func TestTrustedFile(t *testing.T) {
	dir := t.TempDir()
	b := &box{file: filepath.Join(dir, "trusted"), wall: epoch, cutAt: -1}
	options := b.open().options
	options.write = nil
	if err := OpenTrusted(options).Raise(epoch.Add(day)); err != nil {
		t.Fatal(err)
	}
	if err := storage.RemoveTemporary(dir); err != nil {
		t.Fatal(err)
	}
	if got := OpenTrusted(options).Now(); got.Before(epoch.Add(day)) {
		t.Errorf("trusted time = %s; want a day after the epoch at least", got)
	}
}

// FuzzTrusted: no content of the file makes time run backwards or stops the box.
func FuzzTrusted(f *testing.F) {
	f.Add([]byte(`{"time":"2000-01-02T00:00:00Z","elapsed":60,"reserve":0,"boot":"0","uptime":5}` + "\n"))
	f.Add([]byte(`{"time":"9999-01-02T00:00:00Z","elapsed":9223372036854775807,"reserve":900000000000,"boot":"","uptime":0}`))
	f.Add([]byte(`{"time":"2000-01-02T00:00:00Z","early":9223372036854775807,"reserve":900000000000}`))
	f.Add([]byte(`{"elapsed":-1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, content []byte) {
		state, err := parseTrusted(content)
		if err == nil && (state.Elapsed < 0 || state.Elapsed+state.Reserve < 0 || state.Early < 0 || state.Early+state.Reserve < 0) {
			t.Errorf("parseTrusted(%s) = %+v", content, state)
		}
	})
}
