package load

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"causeway/qemu/lab"
)

// world is a proxy in a network of its own.
type world struct {
	where  *lab.Namespace
	proxy  *lab.Proxy
	prober *lab.Prober
}

// boardMemory is what the proxy may have on the smallest board: 60 % of 256 MiB.
const boardMemory = 256 << 20 / 100 * 60

// open starts the proxy for that many flows, and waits until it answers. more
// are lines of its configuration.
func open(ctx context.Context, program string, flows int, more string) (w *world, err error) {
	w = &world{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.where, err = lab.NewNamespace(); err != nil {
		return nil, err
	}
	if w.proxy, err = w.where.StartProxyWithin(boardMemory, program, Config(flows)+more); err != nil {
		return nil, err
	}
	if w.prober, err = w.where.Probe(netip.AddrPortFrom(ProxyAt.Addr(), 0)); err != nil {
		return nil, err
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	_, err = w.prober.AwaitOptions(starting, ProxyAt)
	return w, err
}

// close ends it all. It fails when the proxy had ended by itself.
func (w *world) close() error {
	var errs []error
	if w.prober != nil {
		errs = append(errs, w.prober.Close())
	}
	if w.proxy != nil {
		errs = append(errs, w.proxy.Close())
	}
	if w.where != nil {
		errs = append(errs, w.where.Close())
	}
	return errors.Join(errs...)
}

// settle waits until the proxy has no transaction and no call left, and gives
// what it holds then.
func (w *world) settle(ctx context.Context) (lab.Resources, error) {
	for {
		r, err := w.proxy.Resources(ctx)
		if err != nil || r.Transactions == 0 && r.OpenCalls == 0 {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, fmt.Errorf("wait for the end of %d transactions and %d calls: %w", r.Transactions, r.OpenCalls, context.Cause(ctx))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// talk is how long a call lasts between ACK and BYE.
const talk = 200 * time.Millisecond

// mix is what callers do: most calls are answered, others are cancelled, refused
// or ended by the callee. Each has that part of the calls.
var mix = []struct {
	caller, callee lab.Ladder
	part           float64
}{
	{Caller, Callee, 0.7},
	{"send INVITE, recv 100?, recv 180, " + moment + ", send CANCEL, recv 200, recv 487, send ACK", lab.CalleeCancelled, 0.1},
	{"send INVITE, recv 100?, recv 486, send ACK", "recv INVITE, " + moment + ", send 486, recv ACK", 0.1},
	{"send INVITE, recv 100?, recv 180?, recv 200, send ACK, recv BYE, send 200",
		"recv INVITE, send 180, " + moment + ", send 200, recv ACK, hold, send BYE, recv 200", 0.1},
}

// mixed gives the flows of calls in that mix.
func mixed(calls, rate int, hold time.Duration) []Flow {
	flows := make([]Flow, len(mix))
	for i, m := range mix {
		share := func(of int) int { return max(1, int(float64(of)*m.part)) }
		flows[i] = Flow{Caller: m.caller, Callee: m.callee, Calls: share(calls), Rate: share(rate), Hold: hold}
	}
	return flows
}
