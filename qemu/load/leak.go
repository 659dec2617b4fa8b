package load

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Leak is what a proxy holds after calls, beside what it held before.
type Leak struct {
	Program  string // the appliance
	Calls    int
	Rate     int // per second
	Progress io.Writer
}

// settleTime is more than the longest timer of a transaction, which outlives
// its call by 64·T1 (RFC 3261 table 4, RFC 6026).
const settleTime = 2 * time.Minute

// leakTimers make that 8 s. After steady there are as many transactions as there
// will ever be at that rate.
const (
	leakTimers = "sip network loopback\n retransmit-timer TU2 8000\n retransmit-timer clientTn 8000\n retransmit-timer serverTn 8000\n exit\n"
	steady     = 12 // s
)

// Run has the proxy do as many calls as show what it keeps for later, then all
// of them, and prints what it holds before and after, one key=value a line. It
// fails when something has grown.
func (l Leak) Run(ctx context.Context, results io.Writer) (err error) {
	w, err := open(ctx, l.Program, len(mix), leakTimers)
	if err != nil {
		return err
	}
	defer func() {
		if closing := w.close(); err == nil {
			err = closing
		}
	}()
	if p, err := place(ctx, w.where, mixed(steady*l.Rate, l.Rate, talk)); p.tolerate(steady*l.Rate, err) != nil {
		return err
	}
	settling, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	before, err := w.settle(settling)
	if err != nil {
		return err
	}
	fmt.Fprintf(l.Progress, "%d calls at %d a second\n", l.Calls, l.Rate)
	p, err := place(ctx, w.where, mixed(l.Calls, l.Rate, talk))
	if p.tolerate(l.Calls, err) != nil {
		return err
	}
	settling, cancelAfter := context.WithTimeout(ctx, settleTime)
	defer cancelAfter()
	after, err := w.settle(settling)
	if err != nil {
		return err
	}
	text, grown := after.Since(before)
	fmt.Fprintf(results, "calls=%d\ncalls_failed=%d\nretransmissions=%d\n%s", l.Calls, p.failed, p.repeated, text)
	if len(grown) > 0 {
		return fmt.Errorf("after %d calls the proxy holds more: %s", l.Calls, strings.Join(grown, ", "))
	}
	return nil
}
