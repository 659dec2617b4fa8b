package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"causeway/qemu/lab"
)

// Workload is what both proxies are given: calls of INVITE with SDP, 100, 180,
// 200, ACK, 200 ms, BYE, 200, over UDP on loopback, SIPp at both ends. SIPp
// itself reaches its limit somewhere above 1000 calls a second.
type Workload struct {
	Rates            []int // new calls per second, one run each
	Seconds          int   // length of a run
	KamailioChildren int   // its worker processes
	Progress         io.Writer
}

// talk is how long each call lasts between ACK and BYE.
const talk = 200 * time.Millisecond

var (
	proxyAt  = netip.MustParseAddrPort("127.0.0.1:5060")
	calleeAt = netip.MustParseAddrPort("127.0.0.1:5070")
	callerAt = netip.MustParseAddrPort("127.0.0.1:5080")
)

// Cost is what one proxy needed for one run.
type Cost struct {
	Calls           int
	CPU             time.Duration // user and system time of all its processes
	Retransmissions int           // SIPp's, both ends
	MemoryKB        int           // resident at the end, shared pages once
}

// PerCall is the CPU time of one call.
func (c Cost) PerCall() time.Duration { return c.CPU / time.Duration(max(c.Calls, 1)) }

// SIP is the two proxies at one rate.
type SIP struct {
	Rate           int
	Ours, Kamailio Cost
}

// String gives the result, one key=value a line.
func (s SIP) String() string {
	return fmt.Sprintf("rate=%d\nours_us_per_call=%d\nkamailio_us_per_call=%d\nratio=%.2f\n"+
		"ours_retransmissions=%d\nkamailio_retransmissions=%d\nours_rss_kb=%d\nkamailio_rss_kb=%d\n",
		s.Rate, s.Ours.PerCall().Microseconds(), s.Kamailio.PerCall().Microseconds(),
		float64(s.Ours.PerCall())/float64(s.Kamailio.PerCall()),
		s.Ours.Retransmissions, s.Kamailio.Retransmissions, s.Ours.MemoryKB, s.Kamailio.MemoryKB)
}

// peer is a proxy under measurement.
type peer struct {
	name  string
	start func(where *lab.Namespace) (proxy, error)
}

// proxy is a running one.
type proxy interface {
	PID() int // of its only process, or of the leader of a group of all of them
	Close() error
}

// MeasureSIP gives the workload to Kamailio and to our proxy in turn. root is
// the project's folder. It fails if a call did.
func MeasureSIP(ctx context.Context, root string, w Workload) (results []SIP, err error) {
	dir, err := os.MkdirTemp("", "causeway-bench-")
	if err != nil {
		return nil, fmt.Errorf("measure the proxy: %w", err)
	}
	defer os.RemoveAll(dir)
	program, err := lab.BuildAppliance(ctx, root, dir)
	if err != nil {
		return nil, err
	}
	debian, err := lab.OpenPeers(ctx, w.Progress)
	if err != nil {
		return nil, err
	}
	peers := []peer{
		{"kamailio", func(where *lab.Namespace) (proxy, error) {
			return startKamailio(ctx, debian, where, w.KamailioChildren)
		}},
		{"ours", func(where *lab.Namespace) (proxy, error) { return where.StartProxy(program, ownConfig) }},
	}
	for _, rate := range w.Rates {
		costs := make(map[string]Cost)
		for _, p := range peers {
			fmt.Fprintf(w.Progress, "%s at %d calls/s for %d s\n", p.name, rate, w.Seconds)
			cost, err := measure(ctx, p, rate, rate*w.Seconds)
			if err != nil {
				return results, fmt.Errorf("%s at %d calls/s: %w", p.name, rate, err)
			}
			costs[p.name] = cost
		}
		results = append(results, SIP{Rate: rate, Kamailio: costs["kamailio"], Ours: costs["ours"]})
	}
	return results, nil
}

// ownConfig does what kamailioConfig does.
const ownConfig = `hostname bench
sip network loopback
 exit
sip listen loopback udp 127.0.0.1 5060
sip next-hop loopback udp 127.0.0.1 5070 loopback
`

// measure runs one proxy in a network of its own and places the calls.
func measure(ctx context.Context, p peer, rate, calls int) (cost Cost, err error) {
	where, err := lab.NewNamespace()
	if err != nil {
		return Cost{}, err
	}
	defer where.Close()
	proxy, err := p.start(where)
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
	caller, callee, err := place(ctx, where, rate, calls)
	if err != nil {
		return Cost{}, err
	}
	after, err := usage(proxy.PID())
	if err != nil {
		return Cost{}, err
	}
	return Cost{
		Calls:           caller.Succeeded,
		CPU:             after.cpu - before.cpu,
		Retransmissions: caller.Retransmissions + callee.Retransmissions,
		MemoryKB:        after.memoryKB,
	}, nil
}

// place has SIPp place the calls. Retransmissions are for the caller to judge.
func place(ctx context.Context, where *lab.Namespace, rate, calls int) (caller, callee lab.Statistics, err error) {
	limit := time.Minute + 2*time.Duration(calls/rate)*time.Second
	answering, err := where.SIPp(ctx, lab.SIPp{Ladder: benchCallee, Local: calleeAt, Calls: calls, Limit: limit})
	if err != nil {
		return caller, callee, err
	}
	calling, err := where.SIPp(ctx, lab.SIPp{
		Ladder: benchCaller, Local: callerAt, Remote: proxyAt, Calls: calls, Rate: rate, Hold: talk, Limit: limit,
	})
	if err != nil {
		answering.Stop()
		answering.Wait()
		return caller, callee, err
	}
	caller, err = calling.Wait()
	if err != nil && !errors.Is(err, lab.ErrRepeated) {
		answering.Stop()
		answering.Wait()
		return caller, callee, err
	}
	callee, err = answering.Wait()
	if errors.Is(err, lab.ErrRepeated) {
		err = nil
	}
	return caller, callee, err
}

// The two ends of a call. 100 and 180 may come late or not at all, as from a
// proxy whose workers overtake each other; in the moment between 180 and 200
// they cannot put those out of order.
const (
	benchCaller lab.Ladder = "send INVITE, recv 100?, recv 180?, recv 200, send ACK, hold, send BYE, recv 200"
	benchCallee lab.Ladder = "recv INVITE, send 180, wait 20ms, send 200, recv ACK, recv BYE, send 200"
)
