// Package admission says who may call now: whether the licence's grant stands
// (L-1…, decisions "Licence, grant, CPS") and whether one more call a second
// fits it. It is asked on the call path by many threads at once and holds no
// lock there.
//
// In come grants from control and the question of the SIP core; out goes the
// name of the rule that refuses a call. This floor has the immediate mode of
// the rate: a token bucket of one second.
package admission

import (
	"errors"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"causeway/appliance/model"
)

// ErrOldGrant is the answer to a grant that is older than the one in force.
var ErrOldGrant = errors.New("a newer grant is in force")

// Gate decides on calls. The zero value has no grant and admits nobody.
type Gate struct {
	grant atomic.Pointer[model.Grant]
	// full is when the bucket will be full again, in ns of CLOCK_BOOTTIME: the
	// whole state of a token bucket in one word.
	full atomic.Int64
	// Now gives CLOCK_BOOTTIME; nil means the kernel's.
	Now func() time.Duration
}

// SetGrant puts a grant in force unless a newer one is.
func (g *Gate) SetGrant(grant model.Grant) error {
	for {
		old := g.grant.Load()
		if old != nil && grant.Generation < old.Generation {
			return ErrOldGrant
		}
		if g.grant.CompareAndSwap(old, &grant) {
			return nil
		}
	}
}

// Grant gives the grant in force, or false.
func (g *Gate) Grant() (model.Grant, bool) {
	grant := g.grant.Load()
	if grant == nil {
		return model.Grant{}, false
	}
	return *grant, true
}

// Ready says whether the grant allows calls at all.
func (g *Gate) Ready() bool {
	grant := g.grant.Load()
	return grant != nil && grant.At(g.now()).Calls
}

// Admit counts one call and gives the rule that refuses it, or "".
func (g *Gate) Admit() (rule string) {
	grant, now := g.grant.Load(), g.now()
	if grant == nil {
		return model.RuleLicence
	}
	switch allowance := grant.At(now); {
	case !allowance.Calls:
		return model.RuleLicence
	case allowance.LimitCPS > 0 && !g.take(now, allowance.LimitCPS):
		return model.RuleCPS
	}
	return ""
}

// take takes one token of a bucket that holds limit and gains limit a second.
func (g *Gate) take(now time.Duration, limit int) bool {
	token := int64(time.Second) / int64(limit)
	for {
		full := g.full.Load()
		next := max(full, int64(now)) + token
		if next-int64(now) > token*int64(limit) {
			return false
		}
		if g.full.CompareAndSwap(full, next) {
			return true
		}
	}
}

func (g *Gate) now() time.Duration {
	if g.Now != nil {
		return g.Now()
	}
	return BootTime()
}

// BootTime is CLOCK_BOOTTIME: the time since power-on, suspension included. No
// clock setting moves it.
//
// The call is a raw one: it takes a fraction of a microsecond, and one that the
// scheduler is told about would wake the runtime's monitor thread for every
// call set up.
func BootTime() time.Duration {
	var t unix.Timespec
	// It cannot fail: the clock exists since Linux 2.6.39.
	unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}
