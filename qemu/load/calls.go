// Package load puts a proxy of this host under calls, for as long as one likes
// and for more than it can take, and looks at what that does to it.
package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"causeway/qemu/lab"
)

// PairRate is the number of calls a second that one pair of SIPp can do.
const PairRate = 1000

// ProxyAt is where the proxy listens; all is on loopback.
var ProxyAt = netip.MustParseAddrPort("127.0.0.1:5060")

// Flow is calls of one kind. Each flow has a caller and a callee of its own, and
// a number that is called.
type Flow struct {
	Caller, Callee lab.Ladder
	Calls, Rate    int
	Hold           time.Duration
}

// The two ends of a call. 100 and 180 may come late or not at all, as from a
// proxy whose threads overtake each other; in the moment between 180 and 200
// they cannot put those out of order.
const (
	Caller lab.Ladder = "send INVITE, recv 100?, recv 180?, recv 200, send ACK, hold, send BYE, recv 200"
	Callee lab.Ladder = "recv INVITE, send 180, " + moment + ", send 200, recv ACK, recv BYE, send 200"
	moment            = "wait 20ms"
)

// CalleeAt is where the callee of flow n listens.
func CalleeAt(n int) netip.AddrPort { return netip.AddrPortFrom(ProxyAt.Addr(), uint16(5100+n)) }

func callerAt(n int) netip.AddrPort { return netip.AddrPortFrom(ProxyAt.Addr(), uint16(5200+n)) }

// Number is what the caller of flow n calls.
func Number(n int) string { return fmt.Sprintf("4930555501%02d", n) }

// ErrCallsFailed is the error of calls that did not go as they should.
var ErrCallsFailed = errors.New("calls failed")

// Place has SIPp place the calls of all flows, and gives the number of messages
// that were repeated.
func Place(ctx context.Context, where *lab.Namespace, flows []Flow) (repeated int, err error) {
	p, err := place(ctx, where, flows)
	return p.repeated, err
}

// placed is what became of calls.
type placed struct{ failed, repeated int }

// tolerate takes the error of so many calls for none when one in a hundred has
// failed at the most: where SIPp gets no processor for half a second messages
// come twice, and it gives up a call that it does not expect one in.
func (p placed) tolerate(calls int, err error) error {
	if errors.Is(err, ErrCallsFailed) && 100*p.failed <= calls {
		return nil
	}
	return err
}

func place(ctx context.Context, where *lab.Namespace, flows []Flow) (p placed, err error) {
	var runs []*lab.Run // callees, then callers
	defer func() {
		for _, run := range runs {
			run.Stop()
			run.Wait() // removes its files
		}
	}()
	limit := func(f Flow) time.Duration {
		return time.Minute + 2*time.Duration(f.Calls/f.Rate)*time.Second + f.Hold
	}
	for n, f := range flows {
		callee, err := where.SIPp(ctx, lab.SIPp{
			Ladder: f.Callee, Local: CalleeAt(n), Calls: f.Calls, Hold: f.Hold, Limit: limit(f), Repeats: true,
		})
		if err != nil {
			return p, err
		}
		runs = append(runs, callee)
	}
	for n, f := range flows {
		caller, err := where.SIPp(ctx, lab.SIPp{
			Ladder: f.Caller, Local: callerAt(n), Remote: ProxyAt, User: Number(n),
			Calls: f.Calls, Rate: f.Rate, Hold: f.Hold, Limit: limit(f), Repeats: true,
		})
		if err != nil {
			return p, err
		}
		runs = append(runs, caller)
	}
	for i := len(runs) - 1; i >= 0; i-- {
		statistics, failure := runs[i].Wait()
		p.repeated += statistics.Retransmissions
		if i >= len(flows) {
			p.failed += flows[i-len(flows)].Calls - statistics.Succeeded
		}
		if failure != nil && err == nil {
			err = fmt.Errorf("%w: %w", ErrCallsFailed, failure)
		}
		if err != nil && i <= len(flows) { // all callers have ended, and callees wait in vain
			for _, run := range runs[:i] {
				run.Stop()
			}
		}
	}
	return p, err
}
