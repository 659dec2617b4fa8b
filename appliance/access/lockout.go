package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/storage"
)

// The rule: after so many failures within a time, a name is locked out.
const (
	failuresMost = 3
	failureSpan  = 10 * time.Minute
	lockTime     = time.Minute
)

// namesMost bounds the table. Names of users of the box always have room.
const namesMost = 256

// What was counted is written down before the answer is given, so that pulling
// the plug is no way to try more often. In a flood, when the flash has had its
// share, answers wait no longer than keptLimit for that.
const (
	keptBurst    = 30
	keptInterval = 20 * time.Second
	keptLimit    = time.Second
)

// lockout counts failures by name, all doors together.
type lockout struct {
	file   string
	boot   string
	uptime func() time.Duration
	log    *slog.Logger
	kick   chan struct{} // holds one: there is something to write
	failed bool          // the last write; run's own

	mu    sync.Mutex
	names map[string]*tries // by nameKey
	users map[string]bool   // the nameKeys of those who are never forgotten
	pace  pace              // of writing
	next  chan struct{}     // closed when what is counted now is written
}

// tries is what is known of a name. Times are uptime.
type tries struct {
	Failures []time.Duration `json:"failures,omitempty"` // oldest first, less than failuresMost
	Until    time.Duration   `json:"until,omitempty"`    // locked out until then
	under    int             // attempts under way
	inFile   bool            // the file may say something of the name
}

// nameKey stands for a name: what somebody types for one may be a password. Names
// count as one in capitals and small letters: for RADIUS servers they may be.
func nameKey(name string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	return hex.EncodeToString(sum[:nameKeySize])
}

const nameKeySize = 8 // octets

// openLockout brings back what was counted before.
func openLockout(o Options) *lockout {
	l := &lockout{
		file: o.LockFile, boot: o.Boot, uptime: o.Uptime, log: o.Log,
		kick: make(chan struct{}, 1), names: make(map[string]*tries), next: make(chan struct{}),
		pace: pace{interval: keptInterval, burst: keptBurst},
	}
	content, err := storage.ReadFile(o.LockFile)
	if err == nil {
		var names map[string]*tries
		if names, err = parseLocks(content, o.Boot, o.Uptime()); err == nil {
			l.names = names
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.log.Error("failures to log in are counted anew", "error", err)
	}
	return l
}

// protect says which names are users of the box.
func (l *lockout) protect(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users = make(map[string]bool, len(names))
	for _, name := range names {
		l.users[nameKey(name)] = true
	}
}

// begin lets an attempt under a name begin, or gives a *LockedError. Attempts at
// the same time cannot be more than failures that are left.
func (l *lockout) begin(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, key := l.uptime(), nameKey(name)
	t := l.names[key]
	if t == nil {
		l.makeRoom(now)
		t = &tries{}
		l.names[key] = t
	}
	t.forget(now)
	switch {
	case t.Until > now:
		return &LockedError{t.Until - now}
	case len(t.Failures)+t.under >= failuresMost:
		return &LockedError{time.Second} // those under way may all fail
	}
	t.under++
	return nil
}

// end counts how an attempt ended: nil, an errWrong, or an error that says
// nothing about the password.
func (l *lockout) end(name string, err error) written {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, key := l.uptime(), nameKey(name)
	t := l.names[key]
	t.under--
	counted := true
	switch {
	case err == nil:
		counted, t.inFile = t.inFile, false // or a lock that is over comes back with the next boot
		t.Failures = nil
	case errors.Is(err, errWrong):
		t.inFile = true
		t.Failures = append(t.Failures, now)
		if len(t.Failures) == failuresMost {
			t.Failures, t.Until = nil, now+lockTime
		}
	default:
		counted = false
	}
	if t.empty(now) {
		delete(l.names, key)
	}
	if counted {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
	return l.next
}

// forget drops what counts no more.
func (t *tries) forget(now time.Duration) {
	t.Failures = slices.DeleteFunc(t.Failures, func(at time.Duration) bool { return at+failureSpan <= now })
	if t.Until <= now {
		t.Until = 0
	}
}

// empty reports whether nothing is to be remembered.
func (t *tries) empty(now time.Duration) bool {
	t.forget(now)
	return t.under == 0 && len(t.Failures) == 0 && t.Until == 0
}

// last is when the name was heard of last.
func (t *tries) last() time.Duration {
	last := t.Until - lockTime
	if n := len(t.Failures); n > 0 {
		last = max(last, t.Failures[n-1])
	}
	return last
}

// makeRoom has a full table forget the name of nobody that was heard of longest
// ago. l.mu is held.
func (l *lockout) makeRoom(now time.Duration) {
	if len(l.names) < namesMost {
		return
	}
	oldest := ""
	for key, t := range l.names {
		switch {
		case t.empty(now):
			delete(l.names, key)
		case t.under > 0 || l.users[key]:
		case oldest == "" || t.last() < l.names[oldest].last():
			oldest = key
		}
	}
	if len(l.names) >= namesMost {
		delete(l.names, oldest)
	}
}

// locked gives for how long the names are locked out that are, by nameKey.
func (l *lockout) locked() map[string]time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, left := l.uptime(), make(map[string]time.Duration)
	for key, t := range l.names {
		if t.Until > now {
			left[key] = t.Until - now
		}
	}
	return left
}

// written is closed when what was counted is on the flash.
type written <-chan struct{}

// wait waits for that, for keptLimit at the most.
func (w written) wait(ctx context.Context) {
	timer := time.NewTimer(keptLimit)
	defer timer.Stop()
	select {
	case <-w:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// run writes down what is counted, until ctx ends, and then once more.
func (l *lockout) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-l.kick:
			l.mu.Lock()
			timer := time.NewTimer(l.pace.wait(l.uptime()))
			l.mu.Unlock()
			select {
			case <-ctx.Done():
			case <-timer.C:
				l.write()
			}
			timer.Stop()
		}
	}
	l.write()
}

// write writes down what is counted now.
func (l *lockout) write() {
	l.mu.Lock()
	l.pace.take(l.uptime())
	content, done := l.format(), l.next
	l.next = make(chan struct{})
	l.mu.Unlock()
	err := storage.WriteFile(l.file, content, 0o600)
	close(done)
	if err != nil && !l.failed {
		l.log.Error("failures to log in are counted in memory only", "error", err)
	}
	l.failed = err != nil
}
