package clock

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/storage"
)

const (
	// reserve is how far ahead of what it has given out a Trusted saves its
	// state: a power cut costs at most so much, and gives nothing back.
	reserve = 15 * time.Minute
	// renewal is how often it is saved.
	renewal = 10 * time.Minute
	// tamperedBy is how far the clock must be behind the trusted time, or
	// jump ahead of it, to be no accident.
	tamperedBy = 24 * time.Hour
)

// No time outside of these is true.
var (
	notBefore = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func implausible(t time.Time) bool { return t.Before(notBefore) || t.After(notAfter) }

// TrustedOptions is what a Trusted uses.
type TrustedOptions struct {
	File   string
	Floor  time.Time            // the build time: it cannot be earlier
	Boot   string               // names this boot
	Uptime func() time.Duration // BootTime
	Clock  kernelClock          // unix.Adjtimex; only read
	Log    *slog.Logger

	write func(path string, content []byte, mode os.FileMode) error // nil: storage.WriteFile
}

// Trusted is the time that licences go by. It never runs backwards: not when
// the clock is set back, not over a reboot or a power cut; only Correct can have
// it do so. It is the latest of
//
//   - the last trusted time and what CLOCK_BOOTTIME has counted since,
//   - the system clock while that is synchronised,
//   - the times that signed replies have named (Raise).
//
// After a power cut it may be up to reserve ahead; it then waits for the
// synchronised clock to catch up, but never for longer than that: a server
// that runs slow, or back again and again, cannot hold it.
type Trusted struct {
	options TrustedOptions
	saving  sync.Mutex // held while the disk is waited for; taken before mu
	unsaved bool       // the last save failed; belongs to who holds saving

	mu           sync.Mutex
	state        trustedState
	saved        trustedState // a reboot would begin with this time and consumption
	synchronised bool         // the clock was so in this boot
	lost, jumped string       // what was tampered with
}

// trustedState is what is kept, and the content of the file.
type trustedState struct {
	Time    time.Time     `json:"time"`    // trusted, at Uptime
	Early   time.Duration `json:"early"`   // so much of Time was added by cuts, and may be waited for
	Elapsed time.Duration `json:"elapsed"` // consumed while the box ran, over all boots
	Reserve time.Duration `json:"reserve"` // this may have been given out beyond both
	Boot    string        `json:"boot"`
	Uptime  time.Duration `json:"uptime"` // CLOCK_BOOTTIME of that boot
}

// OpenTrusted goes on with the state in the file. Without one it begins at the
// floor; a file that cannot be read is reported by Tampered.
func OpenTrusted(options TrustedOptions) *Trusted {
	if options.write == nil {
		options.write = storage.WriteFile
	}
	t := &Trusted{options: options}
	uptime := options.Uptime()
	kept, err := loadTrusted(options.File)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		t.lost = err.Error()
		options.Log.Error("trusted time lost", "error", err)
	case kept.Boot == options.Boot:
		passed := max(uptime-kept.Uptime, 0)
		kept.Elapsed += passed
		kept.Early += max(kept.Reserve-passed, 0)
		kept.Time = kept.Time.Add(max(kept.Reserve, passed))
	default:
		kept.Elapsed += kept.Reserve
		kept.Early += kept.Reserve
		kept.Time = kept.Time.Add(kept.Reserve)
	}
	if kept.Time.Before(options.Floor) {
		kept.Time = options.Floor
	}
	t.state = trustedState{Time: kept.Time, Early: kept.Early, Elapsed: kept.Elapsed, Boot: options.Boot, Uptime: uptime}
	return t
}

func loadTrusted(path string) (trustedState, error) {
	text, err := storage.ReadFile(path)
	if err != nil {
		return trustedState{}, fmt.Errorf("read the trusted time: %w", err)
	}
	state, err := parseTrusted(text)
	if err != nil {
		return trustedState{}, fmt.Errorf("read the trusted time: %s: %w", path, err)
	}
	return state, nil
}

// parseTrusted reads the content of the file. No part of one is whole.
func parseTrusted(text []byte) (state trustedState, err error) {
	if err := json.Unmarshal(text, &state); err != nil {
		return trustedState{}, err
	}
	const most = 230 * 366 * 24 * time.Hour // from notBefore to notAfter
	if implausible(state.Time) || state.Early < 0 || state.Early > most || state.Elapsed < 0 || state.Elapsed > most ||
		state.Reserve < 0 || state.Reserve > reserve || state.Uptime < 0 {
		return trustedState{}, fmt.Errorf("%s is no state", text)
	}
	return state, nil
}

// Now gives the trusted time. What it has given out survives a power cut,
// unless the disk failed.
func (t *Trusted) Now() time.Time { return t.secured().Time }

// Elapsed is how long the box has run since it was new, by CLOCK_BOOTTIME: no
// clock moves it. A power cut adds up to a quarter of an hour.
func (t *Trusted) Elapsed() time.Duration { return t.secured().Elapsed }

// secured brings the state up to now, and saves it first if it is beyond what a
// reboot would begin with.
func (t *Trusted) secured() trustedState {
	t.mu.Lock()
	t.advance()
	now := t.state
	beyond := now.Time.After(t.saved.Time) || now.Elapsed > t.saved.Elapsed
	t.mu.Unlock()
	if beyond {
		_ = t.save(reserve) // it is logged, and tried again
	}
	return now
}

// Raise says that it is at least this time: a signed reply names it. When it
// returns nil, no reboot forgets it.
func (t *Trusted) Raise(to time.Time) error {
	if implausible(to) {
		return fmt.Errorf("%s is no time to trust", to)
	}
	t.mu.Lock()
	t.advance()
	if to.After(t.state.Time) {
		t.state.Time, t.state.Early = to.Round(0), 0
	}
	t.mu.Unlock()
	return t.save(reserve)
}

// Correct says that a server that is trusted has signed just now that it is this
// time. That is as Raise, and the one way back for a box whose time servers have
// lied: where the synchronised clock agrees, and both are a day or more behind.
func (t *Trusted) Correct(to time.Time) error {
	if implausible(to) {
		return fmt.Errorf("%s is no time to trust", to)
	}
	t.mu.Lock()
	state := t.advance()
	if t.misled(state) && to.Sub(state.now).Abs() < tamperedBy {
		t.options.Log.Warn("trusted time corrected by a signed answer", "from", t.state.Time, "to", to)
		t.state.Time, t.state.Early, t.jumped = to.Round(0), 0, ""
	}
	t.mu.Unlock()
	return t.Raise(to)
}

// Dates is the time that certificates of others may be valid at if they are not
// at the trusted time: that of the synchronised clock, if one of both was led
// astray. Else nobody could correct the trusted one.
func (t *Trusted) Dates() time.Time {
	now := t.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if state := t.advance(); t.misled(state) {
		return state.now
	}
	return now
}

// misled says whether the time is so far ahead of the synchronised clock that
// one of both is wrong. t.mu is held.
func (t *Trusted) misled(state kernelState) bool {
	return state.synchronised && !implausible(state.now) && t.state.Time.Sub(state.now) > tamperedBy
}

// Tampered says what cannot have happened to the clock by itself; empty if
// nothing: the clock is a day or more behind the trusted time, it was put a
// day or more ahead after it had been right, or the saved state is damaged.
func (t *Trusted) Tampered() string { return t.status().Tampered }

// TrustedTime is all that a Trusted knows, for show commands.
type TrustedTime struct {
	Time     time.Time     `json:"time"`
	Elapsed  time.Duration `json:"elapsed"`
	Tampered string        `json:"tampered"`
}

// status does not wait for the disk: it is not for who goes by it.
func (t *Trusted) status() TrustedTime {
	t.mu.Lock()
	defer t.mu.Unlock()
	state := t.advance()
	status := TrustedTime{t.state.Time, t.state.Elapsed, cmp.Or(t.lost, t.jumped)}
	if behind := t.state.Time.Sub(state.now); status.Tampered == "" && behind > tamperedBy {
		status.Tampered = fmt.Sprintf("the clock says %s, which is %s before the trusted time",
			state.now.UTC().Format(time.RFC3339), behind.Round(time.Minute))
	}
	return status
}

// advance brings the state up to now, and gives that of the clock.
func (t *Trusted) advance() kernelState {
	uptime := t.options.Uptime()
	passed := max(uptime-t.state.Uptime, 0)
	advanced := t.state.Time.Add(passed)
	t.state.Elapsed += passed
	t.state.Uptime += passed

	state, err := t.options.Clock.read()
	if err != nil {
		state = kernelState{now: advanced}
	}
	switch ahead := state.now.Sub(advanced); {
	case !state.synchronised || implausible(state.now):
		t.state.Time = advanced
	case ahead < 0: // wait for the clock
		wait := min(-ahead, passed, t.state.Early)
		t.state.Time = advanced.Add(-wait)
		t.state.Early -= wait
	default:
		if t.synchronised && ahead > tamperedBy {
			t.jumped = fmt.Sprintf("the clock was put ahead by %s to %s", ahead.Round(time.Minute), state.now.UTC().Format(time.RFC3339))
		}
		t.state.Time, t.state.Early = state.now, 0
	}
	if t.state.Time.After(notAfter) {
		t.state.Time = notAfter // what is saved must be readable
	}
	t.synchronised = t.synchronised || state.synchronised
	return state
}

// save writes the state so that a reboot begins so far ahead of it.
func (t *Trusted) save(ahead time.Duration) error {
	t.saving.Lock()
	defer t.saving.Unlock()
	t.mu.Lock()
	t.advance()
	keep := t.state
	keep.Reserve = ahead
	bound := trustedState{Time: keep.Time.Add(ahead), Elapsed: keep.Elapsed + ahead}
	if bound.Elapsed < t.saved.Elapsed {
		t.saved = bound // from now on, not from when it is written
	}
	t.mu.Unlock()

	text, err := json.Marshal(keep)
	if err == nil {
		err = t.options.write(t.options.File, append(text, '\n'), 0o600)
	}
	if err != nil {
		if !t.unsaved {
			t.options.Log.Warn("trusted time not saved", "error", err)
		}
		t.unsaved = true
		return fmt.Errorf("save the trusted time: %w", err)
	}
	t.unsaved = false
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved = bound
	return nil
}

// run keeps the saved state ahead until ctx ends, and then saves exactly what
// it is, so that an orderly reboot costs nothing.
func (t *Trusted) run(ctx context.Context) {
	tick := time.NewTicker(renewal)
	defer tick.Stop()
	for {
		_ = t.save(reserve) // it is logged, and tried again
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = t.save(0) // it is logged
			return
		}
	}
}

// BootTime is CLOCK_BOOTTIME: how long ago this boot was. Nothing sets it.
func BootTime() time.Duration { return readClock(unix.CLOCK_BOOTTIME) }

// readClock reads a clock that every Linux has.
func readClock(clock int32) time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		panic("no clock: " + err.Error()) // the kernel is not one of the last ten years
	}
	return time.Duration(now.Nano())
}
