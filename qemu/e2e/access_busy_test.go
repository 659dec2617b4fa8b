//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
)

var busyFlag = flag.Duration("busy", 0, "have the box of TestAccessBoxes do all the calls that it can for at least this `time`")

// saidIdle is the idle time in what show cpu says of the last second, in percent.
var saidIdle = regexp.MustCompile(`(?m)^ *Last second .* (\d+\.\d+)$`)

const (
	busyCalls = 4  // are open at any time: the next begins when one ends
	busyIdle  = 20 // percent of its processors that the box may have left
)

// busy works at all doors of a box that has all the calls that it can do. None of
// them fails.
func busy(t *testing.T, d doors) {
	ctx := within(t, 5*time.Minute+*busyFlag)
	answerCalls(t, d.Lab)
	caller, err := d.Lab.LAN1.SIPp(ctx, lab.SIPp{
		Ladder: lab.Caller, Local: netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort), Remote: lab.BoxLAN1,
		Rate: 1000, Open: busyCalls, Limit: time.Hour, Repeats: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.work(t, "a busy box", func() {
		await(t, d.Box, "show cpu", fmt.Sprintf("less than %d %% idle", busyIdle), func(answer string) bool { return idle(t, answer) < busyIdle })
	})
	var left []float64
	for begin := time.Now(); time.Since(begin) < *busyFlag; {
		d.work(t, "a command over SSH, with a password", func() {
			output, err := d.ssh.ssh(lab.Login{User: machine.User, Password: machine.Password}, "show version\n", "-T", sshAddress)
			d.ssh.must("ssh -T", output, err, false, "edge>")
		})
		d.work(t, "files over SFTP, with a key", func() {
			output, err := d.ssh.sftp(byKey, "get /config/running-config busy")
			d.ssh.must("sftp", output, err, false)
		})
		d.work(t, "a command on the serial port", func() { left = append(left, idle(t, command(t, d.Box, "show cpu"))) })
	}
	sum := 0.0
	for _, percent := range left {
		sum += percent
	}
	// A single look is no measure: other machines may have SIPp's processor just then.
	if mean := sum / float64(len(left)); mean > busyIdle {
		t.Errorf("the box is idle for %.0f %% of its time; want %d at most: %v", mean, busyIdle, left)
	}
	if err := caller.Finish(); err != nil {
		t.Error(err)
	}
	calls, err := caller.Wait()
	// A SIPp that gets no processor for half a second says so, and takes answers
	// that are repeated for those of its next request.
	if starved := err != nil && strings.Contains(err.Error(), "watchdog timer"); err != nil && (!starved || calls.Failed*100 > calls.Created) {
		t.Error(err)
	}
	t.Logf("calls=%d failed=%d idle_percent=%v", calls.Created, calls.Failed, left)
}

// work notes how long a step takes beside the calls.
func (d doors) work(t *testing.T, what string, step func()) {
	begin := time.Now()
	step()
	t.Logf("%s: %v", what, time.Since(begin).Round(time.Millisecond))
}

// idle reads show cpu.
func idle(t *testing.T, shown string) float64 {
	t.Helper()
	match := saidIdle.FindStringSubmatch(shown)
	if match == nil {
		t.Fatalf("show cpu =\n%s\nwant the idle time of the last second", shown)
	}
	percent, err := strconv.ParseFloat(match[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return percent
}
