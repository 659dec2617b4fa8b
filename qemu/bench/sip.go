package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/load"
)

// Workload is what the proxies are given: calls of INVITE with SDP, 100, 180,
// 200, ACK, 200 ms, BYE, 200, over UDP on loopback, SIPp at both ends, a pair of
// them for each 1000 calls a second, which is what one can do.
type Workload struct {
	Rates    []int // new calls per second
	Rounds   int   // runs at each rate, of each proxy in turn
	Seconds  int   // length of a run
	Billing  bool  // our proxy with its journal, too
	Highest  int   // rate up to which the highest clean one is looked for; 0: it is not
	Profile  string
	Progress io.Writer
}

// Cost is what one proxy needed for one run.
type Cost struct {
	Calls           int
	CPU             time.Duration // user and system time of all its processes
	Retransmissions int           // SIPp's, both ends
	MemoryKB        int           // resident at the end, shared pages once
	P99             time.Duration // that an INVITE spent in the proxy
}

// PerCall is the CPU time of one call.
func (c Cost) PerCall() time.Duration { return c.CPU / time.Duration(max(c.Calls, 1)) }

// summary is the median of each figure over the rounds, and all that was
// repeated.
func summary(rounds []Cost) Cost {
	calls, repeated := 0, 0
	var perCall, p99 []time.Duration
	var memory []int
	for _, c := range rounds {
		calls += c.Calls
		repeated += c.Retransmissions
		perCall = append(perCall, c.PerCall())
		p99 = append(p99, c.P99)
		memory = append(memory, c.MemoryKB)
	}
	return Cost{
		Calls: calls, CPU: median(perCall) * time.Duration(calls), Retransmissions: repeated,
		MemoryKB: median(memory), P99: median(p99),
	}
}

// SIP is the proxies at one rate.
type SIP struct {
	Rate     int
	Ours     Cost
	Kamailio Cost // with as many workers as it is better with
	Workers  int
	Billing  *Cost // nil: was not asked for
}

// String gives the result, one key=value a line.
func (s SIP) String() string {
	milliseconds := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	text := fmt.Sprintf("rate=%d\ncpu_us_per_call_ours=%d\ncpu_us_per_call_kamailio=%d\ncpu_ratio=%.2f\nmem_ratio=%.2f\n"+
		"p99_ms_ours=%.3f\np99_ms_kamailio=%.3f\nretransmissions_ours=%d\nretransmissions_kamailio=%d\nkamailio_workers=%d\n",
		s.Rate, s.Ours.PerCall().Microseconds(), s.Kamailio.PerCall().Microseconds(), s.ratio(s.Ours),
		float64(s.Ours.MemoryKB)/float64(s.Kamailio.MemoryKB), milliseconds(s.Ours.P99), milliseconds(s.Kamailio.P99),
		s.Ours.Retransmissions, s.Kamailio.Retransmissions, s.Workers)
	if s.Billing != nil {
		text += fmt.Sprintf("cpu_us_per_call_billing=%d\ncpu_ratio_billing=%.2f\n", s.Billing.PerCall().Microseconds(), s.ratio(*s.Billing))
	}
	return text
}

func (s SIP) ratio(ours Cost) float64 {
	return float64(ours.PerCall()) / float64(s.Kamailio.PerCall())
}

// sipBench holds our proxy against Kamailio.
type sipBench struct {
	load  Workload
	peers []peer
}

// peer is a proxy under measurement.
type peer struct {
	name    string
	workers int // Kamailio's; 0: ours
	billing bool
	start   func(where *lab.Namespace, pairs int) (proxy, error)
}

// proxy is a running one.
type proxy interface {
	PID() int // of its only process, or of the leader of a group of all of them
	// Counted fails unless the proxy has routed and admitted that many calls.
	Counted(ctx context.Context, calls int) error
	Close() error
}

// MeasureSIP gives the workload to Kamailio and to our proxy in turn, round
// after round, and prints each result as it comes. root is the project's
// folder. It fails if a call did, below the highest rate.
func MeasureSIP(ctx context.Context, root string, w Workload, results io.Writer) error {
	dir, err := os.MkdirTemp("", "causeway-bench-")
	if err != nil {
		return fmt.Errorf("measure the proxy: %w", err)
	}
	defer os.RemoveAll(dir)
	program, err := lab.BuildAppliance(ctx, root, dir)
	if err != nil {
		return err
	}
	debian, err := lab.OpenPeers(ctx, w.Progress)
	if err != nil {
		return err
	}
	b := sipBench{load: w}
	for _, workers := range []int{1, 2} {
		b.peers = append(b.peers, peer{
			name: fmt.Sprintf("kamailio with %d workers", workers), workers: workers,
			start: func(where *lab.Namespace, pairs int) (proxy, error) {
				return startKamailio(ctx, debian, where, workers, pairs)
			},
		})
	}
	b.peers = append(b.peers, peer{name: "ours", start: func(where *lab.Namespace, pairs int) (proxy, error) {
		flags := []string{"-journal", ""}
		if w.Profile != "" {
			flags = append(flags, "-cpuprofile", w.Profile)
		}
		return startOurs(where, program, load.Config(pairs), flags...)
	}})
	if w.Billing {
		b.peers = append(b.peers, peer{name: "ours with its journal", billing: true, start: func(where *lab.Namespace, pairs int) (proxy, error) {
			return startOurs(where, program, load.Config(pairs)+load.Billed)
		}})
	}
	var last SIP
	for _, rate := range w.Rates {
		if last, err = b.compare(ctx, rate); err != nil {
			return err
		}
		fmt.Fprint(results, last)
	}
	if w.Highest == 0 {
		return nil
	}
	for _, p := range b.peers {
		if p.billing || p.workers > 0 && p.workers != last.Workers {
			continue
		}
		highest, err := b.highestClean(ctx, p)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(p.name, " ")
		fmt.Fprintf(results, "max_clean_cps_%s=%d\n", name, highest)
	}
	return nil
}

// compare runs all peers in turn at one rate.
func (b *sipBench) compare(ctx context.Context, rate int) (SIP, error) {
	rounds := make([][]Cost, len(b.peers))
	for round := range b.load.Rounds {
		for i, p := range b.peers {
			fmt.Fprintf(b.load.Progress, "round %d: %s at %d calls/s for %d s\n", round+1, p.name, rate, b.load.Seconds)
			cost, err := measure(ctx, p, rate, rate*b.load.Seconds)
			if err != nil {
				return SIP{}, fmt.Errorf("%s at %d calls/s: %w", p.name, rate, err)
			}
			rounds[i] = append(rounds[i], cost)
		}
	}
	result := SIP{Rate: rate}
	for i, p := range b.peers {
		cost := summary(rounds[i])
		switch {
		case p.billing:
			result.Billing = &cost
		case p.workers == 0:
			result.Ours = cost
		case result.Workers == 0 || cost.PerCall() < result.Kamailio.PerCall():
			result.Kamailio, result.Workers = cost, p.workers
		}
	}
	return result, nil
}

// rateStep is by how much the rate rises in the search for the highest one.
const rateStep = 250

// highestClean raises the rate until twice in a row a call failed or a message
// was repeated, and gives the last one that was clean; 0: none was.
func (b *sipBench) highestClean(ctx context.Context, p peer) (int, error) {
	highest := 0
	for rate := 2 * rateStep; rate <= b.load.Highest; rate += rateStep {
		clean := false
		for attempt := 0; attempt < 2 && !clean; attempt++ {
			fmt.Fprintf(b.load.Progress, "%s at %d calls/s for %d s: is it clean?\n", p.name, rate, b.load.Seconds)
			cost, err := measure(ctx, p, rate, rate*b.load.Seconds)
			switch {
			case err == nil:
				clean = cost.Retransmissions == 0
			case !errors.Is(err, load.ErrCallsFailed):
				return 0, err
			}
		}
		if !clean {
			return highest, nil
		}
		highest = rate
	}
	return highest, nil
}

// median gives the middle value; of an even number, the lower of the two.
func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
