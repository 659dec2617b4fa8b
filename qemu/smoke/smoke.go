// Package smoke boots an image, has real calls placed through it and powers it
// off from inside. Everything it asserts is seen from outside the box: by
// SIPp, by raw datagrams, by QEMU and on the disk.
package smoke

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"causeway/qemu/lab"
)

// Report is what a smoke test found.
type Report struct {
	Board        string
	Times        Times
	Calls        int
	OK           int // as SIPp's caller counted them
	ProxyRestart time.Duration
	SlotBytes    int64
	MemoryUsedKB int
	Clean        bool // the shutdown
}

// String gives the report, one key=value a line.
func (r Report) String() string {
	shutdown := "failed"
	if r.Clean {
		shutdown = "clean"
	}
	var text strings.Builder
	for _, line := range []struct {
		key   string
		value any
	}{
		{"board", r.Board},
		{"boot_to_init_ms", r.Times.Init.Milliseconds()},
		{"boot_to_ready_ms", r.Times.Answer.Milliseconds()},
		{"calls", r.Calls},
		{"ok", r.OK},
		{"failed", r.Calls - r.OK},
		{"proxy_restart_ms", r.ProxyRestart.Milliseconds()},
		{"slot_bytes", r.SlotBytes},
		{"guest_mem_used_kb", r.MemoryUsedKB},
		{"shutdown", shutdown},
	} {
		fmt.Fprintf(&text, "%s=%v\n", line.key, line.value)
	}
	return text.String()
}

// heldAtMost is how many of the calls are held through the proxy's restart.
const heldAtMost = 20

// Run boots a box, places calls at rate calls a second, some of them held
// while the proxy is killed, and powers off. The report is filled as far as
// the test came; an error says what did not hold, with the console's end.
func Run(ctx context.Context, setup Setup, calls, rate int) (report Report, err error) {
	report = Report{Board: setup.Image.Board.Name, Calls: calls}
	if report.SlotBytes, err = setup.Image.SlotBytes(); err != nil {
		return report, err
	}
	box, err := Boot(ctx, setup)
	if err != nil {
		return report, err
	}
	defer box.Close()
	report.Times = box.Times
	if err := box.Calls(ctx, rate, &report); err != nil {
		return report, box.Explain(err)
	}
	if err := box.PowerOff(ctx); err != nil {
		return report, box.Explain(fmt.Errorf("power off: %w", err))
	}
	report.Clean = true
	return report, nil
}

// awaitLAN2 waits until the box answers on LAN2: the ports come up one after the
// other, and a call to where no port is yet is refused.
func (b *Box) awaitLAN2(ctx context.Context) error {
	prober, err := b.Lab.LAN2.Probe(netip.AddrPortFrom(lab.PeerLAN2, 0))
	if err != nil {
		return err
	}
	defer prober.Close()
	if _, err := prober.AwaitOptions(ctx, lab.BoxLAN2); err != nil {
		return fmt.Errorf("LAN2: %w", err)
	}
	return nil
}

// Calls does the part of the test that needs a box that answers: report.Calls
// calls in all.
func (b *Box) Calls(ctx context.Context, rate int, report *Report) error {
	if err := b.awaitLAN2(ctx); err != nil {
		return err
	}
	if err := NotARelay(ctx, b.Lab); err != nil {
		return fmt.Errorf("the box is to be a proxy: %w", err)
	}
	held := min(heldAtMost, max(1, report.Calls/10))
	if rest := report.Calls - held; rest > 0 {
		placed, err := Place(ctx, b.Lab, Pair{
			Caller: lab.Caller, Callee: lab.Callee, Calls: rest, Rate: rate, Hold: 200 * time.Millisecond,
		})
		report.OK = placed.Succeeded
		if err != nil {
			return err
		}
	}
	restart, err := HeldThroughRestart(ctx, b.Lab, held, rate, b.KillProxy)
	report.OK += restart.Calls.Succeeded
	report.ProxyRestart = restart.Down
	if err != nil {
		return fmt.Errorf("calls held while the proxy was killed: %w", err)
	}
	system, err := b.System(ctx)
	if err != nil {
		return err
	}
	report.MemoryUsedKB = system.MemoryUsedKB
	if !system.Killed("proxy", 1) {
		return fmt.Errorf("the proxy was not killed once:\n%s", system.Text)
	}
	return nil
}
