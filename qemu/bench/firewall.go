package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// FirewallLoad is what a machine is given with its firewall on and off in turn,
// within one boot.
type FirewallLoad struct {
	Image    machine.Image
	Rate     int // new calls per second
	Seconds  int // length of each run
	Turns    int // runs with the firewall on, and as many with it off
	Progress io.Writer
}

// FirewallCost is what a call costs the machine: processor time of QEMU, which
// plays the box's processors and devices, without what it takes when the box is
// idle.
type FirewallCost struct {
	Calls           int // of each setting
	On, Off         time.Duration
	Idle            time.Duration // a second, before the last run
	Retransmissions int           // of SIPp at the calling end, all runs
}

// String gives the result, one key=value a line.
func (c FirewallCost) String() string {
	on, off := c.perCall(c.On), c.perCall(c.Off)
	return fmt.Sprintf("calls=%d\nfirewall_on_us_per_call=%d\nfirewall_off_us_per_call=%d\nratio=%.3f\nidle_ms_per_s=%d\nretransmissions=%d\n",
		c.Calls, on.Microseconds(), off.Microseconds(), float64(on)/float64(off), c.Idle.Milliseconds(), c.Retransmissions)
}

func (c FirewallCost) perCall(total time.Duration) time.Duration {
	return total / time.Duration(max(c.Calls, 1))
}

// idleTime is how long the idle box is looked at, and how long it is left alone
// after a commit or a boot.
const idleTime = 10 * time.Second

// MeasureFirewall boots a box and places the calls. It fails if a call did.
func MeasureFirewall(ctx context.Context, load FirewallLoad) (cost FirewallCost, err error) {
	box, err := smoke.Boot(ctx, smoke.Setup{Image: load.Image})
	if err != nil {
		return cost, fmt.Errorf("boot the appliance: %w", err)
	}
	defer box.Close()
	// What happens once after a boot, and at the first calls, is not measured.
	warm := load
	warm.Seconds = int(idleTime / time.Second)
	if _, err := cost.run(ctx, box, warm); err != nil {
		return cost, box.Explain(fmt.Errorf("the first calls: %w", err))
	}
	cost.Retransmissions = 0
	for turn := range load.Turns {
		for _, setting := range []struct {
			name string
			cost *time.Duration
		}{{"off", &cost.Off}, {"on", &cost.On}} { // it is on at first
			fmt.Fprintf(load.Progress, "turn %d: firewall %s: %d calls/s for %d s\n", turn+1, setting.name, load.Rate, load.Seconds)
			if err := switchFirewall(ctx, box, setting.name); err != nil {
				return cost, err
			}
			cpu, err := cost.run(ctx, box, load)
			if err != nil {
				return cost, box.Explain(fmt.Errorf("calls with the firewall %s: %w", setting.name, err))
			}
			fmt.Fprintf(load.Progress, "  %d us a call\n", cpu.Microseconds()/int64(load.Rate*load.Seconds))
			*setting.cost += cpu
		}
		cost.Calls += load.Rate * load.Seconds
	}
	return cost, box.PowerOff(ctx)
}

// switchFirewall commits it and waits until the box is calm again.
func switchFirewall(ctx context.Context, box *smoke.Box, setting string) error {
	if err := box.Commit(ctx, "firewall "+setting); err != nil {
		return err
	}
	sleep(ctx, idleTime)
	return nil
}

// run places the calls of one run and gives what they cost. What the idle box
// takes varies, so it is measured right before.
func (c *FirewallCost) run(ctx context.Context, box *smoke.Box, load FirewallLoad) (time.Duration, error) {
	atRest, err := lab.Usage(box.Machine.PID())
	if err != nil {
		return 0, err
	}
	sleep(ctx, idleTime)
	before, err := lab.Usage(box.Machine.PID())
	if err != nil {
		return 0, err
	}
	c.Idle = (before.CPU - atRest.CPU) / time.Duration(idleTime/time.Second)
	started := time.Now()
	pair := smoke.Pair{Caller: "bench-caller", Callee: "bench-callee", Calls: load.Rate * load.Seconds, Rate: load.Rate, Hold: talk}
	placed, err := smoke.Place(ctx, box.Lab, pair)
	if err != nil && !errors.Is(err, lab.ErrRepeated) {
		return 0, err
	}
	c.Retransmissions += placed.Retransmissions
	idle := time.Duration(float64(c.Idle) * time.Since(started).Seconds())
	after, err := lab.Usage(box.Machine.PID())
	if err != nil {
		return 0, err
	}
	return after.CPU - before.CPU - idle, nil
}

// sleep waits; a context that ends is noticed by what comes next.
func sleep(ctx context.Context, length time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(length):
	}
}
