//go:build e2e

package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

var boardsFlag = flag.String("boards", "x86_64,arm64", "boot these `boards`")

// bootLimit is far more than any boot takes.
const bootLimit = 3 * time.Minute

// onBoards runs a test on each board that was asked for; the boards never run
// side by side, they would take each other's processor.
func onBoards(t *testing.T, test func(t *testing.T, image machine.Image)) {
	for board := range strings.SplitSeq(*boardsFlag, ",") {
		t.Run(board, func(t *testing.T) { test(t, openImage(t, board)) })
	}
}

// onFirstBoard runs a test whose subject is the same on every board.
func onFirstBoard(t *testing.T, test func(t *testing.T, image machine.Image)) {
	board, _, _ := strings.Cut(*boardsFlag, ",")
	test(t, openImage(t, board))
}

func openImage(t *testing.T, board string) machine.Image {
	t.Helper()
	image, err := machine.OpenImage(t.Context(), root, board, "release")
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// boot boots a box that is to answer calls.
func boot(t *testing.T, setup smoke.Setup) *smoke.Box {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	limit := time.AfterFunc(bootLimit, func() { cancel(fmt.Errorf("no boot takes %v", bootLimit)) })
	box, err := smoke.Boot(ctx, setup) // which lives as long as ctx
	limit.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endBox(t, box) })
	return box
}

// start starts a box of which only the console is to come.
func start(t *testing.T, setup smoke.Setup) *smoke.Box {
	t.Helper()
	box, err := smoke.Start(t.Context(), setup)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endBox(t, box) })
	expect(t, box, `init: ready`)
	return box
}

func endBox(t *testing.T, box *smoke.Box) {
	if t.Failed() {
		t.Logf("the console printed:\n%s", box.Machine.Console.Tail(100))
	}
	if err := box.Close(); err != nil {
		t.Error(err)
	}
}

func expect(t *testing.T, box *smoke.Box, pattern string) machine.Match {
	t.Helper()
	match, err := box.Machine.Console.Expect(within(t, bootLimit), pattern)
	if err != nil {
		t.Fatal(err)
	}
	return match
}

func command(t *testing.T, box *smoke.Box, line string) string {
	t.Helper()
	text, err := box.Machine.Console.Command(within(t, 2*time.Minute), line) // a login may come before
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func powerOff(t *testing.T, box *smoke.Box) {
	t.Helper()
	if err := box.PowerOff(within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
}

// TestBootKernel is the smoke test in the 256 MiB of a small box, on an empty
// disk that it formats.
func TestBootKernel(t *testing.T) {
	onBoards(t, func(t *testing.T, image machine.Image) {
		smokeTest(t, smoke.Setup{Image: image, MemoryMB: 256}, 60)
	})
}

// TestBootDisk is the smoke test of the image that is flashed, through UEFI
// firmware.
func TestBootDisk(t *testing.T) {
	onBoards(t, func(t *testing.T, image machine.Image) {
		smokeTest(t, smoke.Setup{Image: image, FromDisk: true}, 40)
	})
}

func smokeTest(t *testing.T, setup smoke.Setup, calls int) {
	report, err := smoke.Run(within(t, bootLimit+2*time.Minute), setup, calls, 20)
	t.Logf("\n%s", report)
	if err != nil {
		t.Fatal(err)
	}
	if report.OK != calls || !report.Clean {
		t.Errorf("%d of %d calls, clean shutdown %v; want all and true", report.OK, calls, report.Clean)
	}
}

// reload restarts a box from within, and waits until it answers calls.
func reload(t *testing.T, box *smoke.Box) {
	t.Helper()
	if err := box.Machine.Console.Leave(within(t, time.Minute), "reload now"); err != nil {
		t.Fatal(err)
	}
	reset, err := box.Machine.Event(within(t, time.Minute), "RESET", 1)
	if err != nil || !reset.Data.Guest {
		t.Fatalf("reload: event %+v, %v; want a reset by the guest", reset, err)
	}
	if err := box.Answers(within(t, bootLimit)); err != nil {
		t.Fatal(err)
	}
}

// ladderBoots are the ladders that a machine climbs, in that order: each is
// committed on top of those before.
var ladderBoots = []string{"CANCEL crosses 200", "PRACK", "both answer", "failover on 503", "TCP to TCP"}

// TestBootSIP has some of the ladders climbed through a machine, with its own
// kernel, firewall and clock, and commits between them.
func TestBootSIP(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		box, _ := goOn(t, image)
		for _, name := range ladderBoots {
			t.Run(name, func(t *testing.T) {
				c := ladderCases[slices.IndexFunc(ladderCases, func(c ladderCase) bool { return c.name == name })]
				if c.config != "" {
					commit(t, box, strings.Split(strings.TrimSpace(c.config), "\n")...)
				}
				if err := c.place(within(t, time.Minute), box.Lab, 10); err != nil {
					t.Error(err)
				}
			})
		}
		powerOff(t, box)
	})
}

// TestBootUserNetwork places the call of the README: QEMU plays the network,
// the peers are on this host, and the callee says that it is where the guest
// sees this host.
func TestBootUserNetwork(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		host, err := lab.NewNamespace()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { host.Close() })
		kernel, err := image.Kernel()
		if err != nil {
			t.Fatal(err)
		}
		var (
			box    = netip.MustParseAddrPort("127.0.0.1:5042")
			callee = netip.MustParseAddrPort("127.0.0.1:5060")
			caller = netip.MustParseAddrPort("127.0.0.1:5070")
		)
		ctx := within(t, bootLimit)
		var running *machine.Machine
		err = host.Do(func() (err error) {
			running, err = machine.Start(ctx, machine.Config{
				Board: image.Board, Kernel: kernel, Disk: newDisk(t, 256<<20),
				NICs: []machine.NIC{{User: machine.UserLAN1(box.Port(), 0)}, {User: machine.UserLAN2(5043)}},
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer running.Close()
		prober := probe(t, host, netip.AddrPortFrom(box.Addr(), 0))
		if _, err := prober.AwaitOptionsVia(ctx, lab.BoxLAN1, box); err != nil {
			t.Fatalf("%v\n%s", err, running.Console.Tail(60))
		}
		far, err := host.SIPp(ctx, lab.SIPp{Ladder: lab.Callee, Local: callee, Contact: "192.168.43.2:5060", Calls: 10, Repeats: true})
		if err != nil {
			t.Fatal(err)
		}
		near, err := host.SIPp(ctx, lab.SIPp{
			Ladder: lab.Caller, Local: caller, Remote: box, Calls: 10, Rate: 10, Hold: 100 * time.Millisecond, Repeats: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		_, nearErr := near.Wait()
		if nearErr != nil {
			far.Stop()
		}
		_, farErr := far.Wait()
		if err := errors.Join(nearErr, farErr); err != nil {
			t.Fatal(err)
		}
	})
}

// expectHostName wants that host name in the configuration in force, and soon in
// the prompt.
func expectHostName(t *testing.T, box *smoke.Box, hostName string) {
	t.Helper()
	if got := command(t, box, "show running-config"); !strings.Contains(got, "hostname "+hostName+"\n") {
		t.Errorf("the configuration in force is\n%s\nwant host name %s", got, hostName)
	}
	ctx := within(t, time.Minute)
	for {
		answer, err := box.Machine.Console.Type(ctx, "")
		if err != nil {
			t.Fatalf("wait for host name %s in the prompt: %v", hostName, err)
		}
		if answer.Host == hostName {
			return
		}
	}
}

// TestBootConsole types what should not be typed, and has services killed.
func TestBootConsole(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		box, _ := goOn(t, image)
		for _, line := range []string{
			"frobnicate", "show", "show system please", "service restart", "service restart init force",
			"service restart proxy gently", "reload later", "power-off now now", "\x01\x02 \x7f\x1b[A\x1b[99~", strings.Repeat("x", 4000),
		} {
			t.Run(fmt.Sprintf("%.30q", line), func(t *testing.T) {
				if err := box.Machine.Console.Send(line); err != nil {
					t.Fatal(err)
				}
				expect(t, box, `^\s*% .+$`)
			})
		}
		for _, service := range []string{"billing", "control"} {
			t.Run(service+" is started again", func(t *testing.T) {
				command(t, box, "service restart "+service+" force")
				awaitSystem(t, box, service+" to be killed and started", func(s smoke.System) bool { return s.Killed(service, 1) })
			})
		}
		powerOff(t, box)
	})
}

// awaitSystem asks for the system's state until it is as wanted.
func awaitSystem(t *testing.T, box *smoke.Box, what string, wanted func(smoke.System) bool) {
	t.Helper()
	ctx := within(t, time.Minute)
	for {
		system, err := box.System(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if wanted(system) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no end of waiting for %s; last:\n%s", what, system.Text)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// expectMissing wants `show system` to say what the box lacks, in a line with
// that text.
func expectMissing(t *testing.T, box *smoke.Box, text string) {
	t.Helper()
	awaitSystem(t, box, "a line on "+text, func(s smoke.System) bool {
		for line := range strings.Lines(s.Text) {
			if strings.HasPrefix(line, "Missing: ") && strings.Contains(line, text) {
				return true
			}
		}
		return false
	})
}
