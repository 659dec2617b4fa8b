package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/load"
)

// talk is how long each call lasts between ACK and BYE.
const talk = 200 * time.Millisecond

// measure runs one proxy in a network of its own and places the calls.
func measure(ctx context.Context, p peer, rate, calls int) (cost Cost, err error) {
	where, err := lab.NewNamespace()
	if err != nil {
		return Cost{}, err
	}
	defer where.Close()
	pairs := (rate + load.PairRate - 1) / load.PairRate
	proxy, err := p.start(where, pairs)
	if err != nil {
		return Cost{}, err
	}
	defer func() { err = errors.Join(err, proxy.Close()) }()
	prober, err := where.Probe(netip.AddrPortFrom(load.ProxyAt.Addr(), 0))
	if err != nil {
		return Cost{}, err
	}
	defer prober.Close()
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := prober.AwaitOptions(starting, load.ProxyAt); err != nil {
		return Cost{}, err
	}

	before, err := lab.Usage(proxy.PID())
	if err != nil {
		return Cost{}, err
	}
	transit, err := watchTransit(where, load.ProxyAt.Port())
	if err != nil {
		return Cost{}, err
	}
	flows := make([]load.Flow, pairs)
	for n := range flows {
		share := func(of int) int { return of*(n+1)/pairs - of*n/pairs }
		flows[n] = load.Flow{Caller: load.Caller, Callee: load.Callee, Calls: share(calls), Rate: share(rate), Hold: talk}
	}
	repeated, err := load.Place(ctx, where, flows)
	times := transit.stop()
	if err != nil {
		return Cost{}, err
	}
	after, err := lab.Usage(proxy.PID())
	if err != nil {
		return Cost{}, err
	}
	if len(times) < calls-calls/100 { // the packet socket loses some on a busy machine; the 99th percentile does not mind
		return Cost{}, fmt.Errorf("saw %d of %d INVITEs pass", len(times), calls)
	}
	if err := proxy.Counted(ctx, calls); err != nil {
		return Cost{}, err
	}
	return Cost{
		Calls: calls, CPU: after.CPU - before.CPU, Retransmissions: repeated, MemoryKB: after.MemoryKB, P99: percentile(times, 99),
	}, nil
}
