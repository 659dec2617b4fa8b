package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"causeway/qemu/lab"
)

// talk is how long each call lasts between ACK and BYE.
const talk = 200 * time.Millisecond

// pairRate is the number of calls a second that one pair of SIPp can do.
const pairRate = 1000

var proxyAt = netip.MustParseAddrPort("127.0.0.1:5060")

// Where the ends of a pair are, and the number that is called.
func calleeAt(pair int) netip.AddrPort { return netip.AddrPortFrom(proxyAt.Addr(), uint16(5100+pair)) }
func callerAt(pair int) netip.AddrPort { return netip.AddrPortFrom(proxyAt.Addr(), uint16(5200+pair)) }
func calledNumber(pair int) string     { return fmt.Sprintf("%s%02d", calledPrefix, pair) }

const calledPrefix = "4930555501"

// The two ends of a call. 100 and 180 may come late or not at all, as from a
// proxy whose workers overtake each other; in the moment between 180 and 200
// they cannot put those out of order.
const (
	benchCaller lab.Ladder = "send INVITE, recv 100?, recv 180?, recv 200, send ACK, hold, send BYE, recv 200"
	benchCallee lab.Ladder = "recv INVITE, send 180, wait 20ms, send 200, recv ACK, recv BYE, send 200"
)

// errCallsFailed is the error of a run in which calls did not go as they
// should.
var errCallsFailed = errors.New("calls failed")

// measure runs one proxy in a network of its own and places the calls.
func measure(ctx context.Context, p peer, rate, calls int) (cost Cost, err error) {
	where, err := lab.NewNamespace()
	if err != nil {
		return Cost{}, err
	}
	defer where.Close()
	pairs := (rate + pairRate - 1) / pairRate
	proxy, err := p.start(where, pairs)
	if err != nil {
		return Cost{}, err
	}
	defer func() { err = errors.Join(err, proxy.Close()) }()
	prober, err := where.Probe(netip.AddrPortFrom(proxyAt.Addr(), 0))
	if err != nil {
		return Cost{}, err
	}
	defer prober.Close()
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := prober.AwaitOptions(starting, proxyAt); err != nil {
		return Cost{}, err
	}

	before, err := usage(proxy.PID())
	if err != nil {
		return Cost{}, err
	}
	transit, err := watchTransit(where, proxyAt.Port())
	if err != nil {
		return Cost{}, err
	}
	repeated, err := place(ctx, where, pairs, rate, calls)
	times := transit.stop()
	if err != nil {
		return Cost{}, err
	}
	after, err := usage(proxy.PID())
	if err != nil {
		return Cost{}, err
	}
	if len(times) < calls {
		return Cost{}, fmt.Errorf("saw %d of %d INVITEs pass", len(times), calls)
	}
	if err := proxy.Counted(ctx, calls); err != nil {
		return Cost{}, err
	}
	return Cost{
		Calls: calls, CPU: after.cpu - before.cpu, Retransmissions: repeated, MemoryKB: after.memoryKB, P99: percentile(times, 99),
	}, nil
}

// place has that many pairs of SIPp place the calls, and gives the number of
// messages that were repeated.
func place(ctx context.Context, where *lab.Namespace, pairs, rate, calls int) (repeated int, err error) {
	limit := time.Minute + 2*time.Duration(calls/rate)*time.Second
	share := func(of, pair int) int { return of*(pair+1)/pairs - of*pair/pairs }
	var callees, callers []*lab.Run
	for pair := range pairs {
		callee, err := where.SIPp(ctx, lab.SIPp{Ladder: benchCallee, Local: calleeAt(pair), Calls: share(calls, pair), Limit: limit, Repeats: true})
		if err != nil {
			return 0, errors.Join(err, stop(callees))
		}
		callees = append(callees, callee)
	}
	for pair := range pairs {
		caller, err := where.SIPp(ctx, lab.SIPp{
			Ladder: benchCaller, Local: callerAt(pair), Remote: proxyAt, User: calledNumber(pair),
			Calls: share(calls, pair), Rate: share(rate, pair), Hold: talk, Limit: limit, Repeats: true,
		})
		if err != nil {
			return 0, errors.Join(err, stop(callers), stop(callees))
		}
		callers = append(callers, caller)
	}
	for _, end := range [][]*lab.Run{callers, callees} {
		for _, run := range end {
			statistics, failure := run.Wait()
			repeated += statistics.Retransmissions
			if failure != nil && err == nil {
				err = fmt.Errorf("%w: %w", errCallsFailed, failure)
				stopAll(callers)
				stopAll(callees)
			}
		}
	}
	return repeated, err
}

func stopAll(runs []*lab.Run) {
	for _, run := range runs {
		run.Stop()
	}
}

// stop ends the runs and removes their files.
func stop(runs []*lab.Run) error {
	stopAll(runs)
	for _, run := range runs {
		run.Wait() // its failure is ours
	}
	return nil
}
