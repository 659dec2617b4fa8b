package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
)

// COM measures a COM server under boxes, each with a certificate of its own and
// a heart that beats.
type COM struct {
	Program  string        // has comd in it: `PROGRAM comd`
	Boxes    int           // links
	Beat     time.Duration // between two heartbeats of a box, whole seconds
	Progress io.Writer
}

// COMCost is what it took.
type COMCost struct {
	Links       int
	EmptyKB     int           // the server has resident without links
	FullKB      int           // and with them, when each heart has beaten
	Handshakes  float64       // a second, on all processors of this machine, which the boxes use as well
	Busy        float64       // processors that the server uses while nothing but hearts beat
	Beats       int           // heartbeats that were timed
	BeatP99     time.Duration // until COM had dealt with one, of 99 in 100
	Recovery    time.Duration // from the start of a server that was killed until all links were back
	RecoverBusy time.Duration // of processors, that took of it
	Failed      int           // tries to connect that failed, all in all
}

// String gives the result, one key=value a line.
func (c COMCost) String() string {
	return fmt.Sprintf("links=%d\nmem_per_link_kb=%.1f\nhandshakes_per_s=%.0f\nheartbeat_p99_ms=%.1f\nheartbeats=%d\nidle_cpu_percent=%.1f\nrecovery_s=%.1f\nrecovery_cpu_s=%.1f\nfailed_tries=%d\n",
		c.Links, float64(c.FullKB-c.EmptyKB)/float64(c.Links), c.Handshakes, float64(c.BeatP99.Microseconds())/1000, c.Beats, 100*c.Busy,
		c.Recovery.Seconds(), c.RecoverBusy.Seconds(), c.Failed)
}

// comBeats is how often each heart beats while that is measured.
const comBeats = 2

// Run measures.
func (c COM) Run(ctx context.Context) (cost COMCost, err error) {
	where, err := lab.NewNamespace()
	if err != nil {
		return cost, err
	}
	defer where.Close()
	server := &comServer{program: c.Program, where: where, beat: c.Beat}
	defer func() { err = errors.Join(err, server.close()) }()
	fleet := &comFleet{where: where, server: comServerAt, changed: make(chan struct{})}
	fmt.Fprintf(c.Progress, "%d boxes get their certificates\n", c.Boxes)
	if err := server.prepare(func(s *comd.Server) error { return fleet.enroll(ctx, s, c.Boxes) }); err != nil {
		return cost, err
	}
	if cost.EmptyKB, err = server.start(ctx); err != nil {
		return cost, err
	}
	running, stop := context.WithCancel(ctx)
	var boxes sync.WaitGroup
	defer boxes.Wait()
	defer stop()
	began := time.Now()
	boxes.Go(func() { fleet.run(running) })
	fmt.Fprintln(c.Progress, "they connect")
	if err := fleet.await(ctx, fleet.all); err != nil {
		return cost, err
	}
	cost.Links, cost.Handshakes = c.Boxes, float64(c.Boxes)/time.Since(began).Seconds()
	fmt.Fprintln(c.Progress, "their hearts beat")
	if err := c.beat(ctx, fleet, server, &cost); err != nil {
		return cost, err
	}
	fmt.Fprintln(c.Progress, "the server is killed")
	err = c.recover(ctx, fleet, server, &cost)
	cost.Failed = fleet.failures()
	return cost, err
}

// beat lets each heart beat some times, and sees what that costs.
func (c COM) beat(ctx context.Context, fleet *comFleet, server *comServer, cost *COMCost) error {
	before, err := server.usage()
	if err != nil {
		return err
	}
	fleet.takeBeats()
	began := time.Now()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(comBeats * c.Beat):
	}
	after, err := server.usage()
	cost.Beats, cost.BeatP99 = fleet.takeBeats()
	cost.FullKB = after.MemoryKB
	cost.Busy = float64(after.CPU-before.CPU) / float64(time.Since(began))
	return err
}

// recover kills the server and starts it again.
func (c COM) recover(ctx context.Context, fleet *comFleet, server *comServer, cost *COMCost) error {
	server.kill()
	if err := fleet.await(ctx, fleet.none); err != nil {
		return err
	}
	if _, err := server.start(ctx); err != nil {
		return err
	}
	began := time.Now()
	if err := fleet.await(ctx, fleet.all); err != nil {
		return err
	}
	cost.Recovery = time.Since(began)
	used, err := server.usage()
	cost.RecoverBusy = used.CPU
	return err
}
