// Command qemu runs the appliance without hardware: in front of a person, under
// a smoke test, or held against a clock. See docs/lab.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"causeway/qemu/machine"
)

// command is one way to use the program.
type command struct {
	name string
	help string
	run  func(ctx context.Context, args []string) error
}

var commands = []command{
	{"run", "boot an image with the console on this terminal", runConsole},
	{"smoke", "boot an image, place calls, kill the proxy, power off", runSmoke},
	{"powercut", "record a box that commits, and cut its power in the record", runPowerCut},
	{"powercut-calls", "record a box under calls whose record keepers are down, and cut its power in the record", runPowerCutCalls},
	{"powercut-update", "record a box that is updated, and cut its power in the record", runPowerCutUpdate},
	{"sticks", "plug damaged sticks into a box, one after the other", runSticks},
	{"chaos-network", "break the network behind control's back, and time its repair", runChaosNetwork},
	{"ladder", "print the SIPp scenario of one end of a call", runLadder},
	{"licensed", "a licence server for boxes, and HTTP to drive it by", runLicensed},
	{"comd", "a COM server for boxes, which comctl drives", runCOM},
	{"comctl", "an operator at that COM server", runComctl},
	{"callhomed", "what boxes call home to, over HTTPS and by e-mail, and HTTP to look at it", runCallHomed},
	{"peers", "fetch the software of Debian that boxes are tried against", runPeers},
	{"bench-boot", "time a boot against an init that only prints", runBenchBoot},
	{"bench-sip", "CPU time a call, Kamailio's and ours", runBenchSIP},
	{"leak", "what our proxy holds after many calls, beside what it held before", runLeak},
	{"soak", "calls for a long time, and what grew", runSoak},
	{"overload", "ten times the calls that our proxy can do", runOverload},
	{"flood", "datagrams from sources that are not there, while calls go on", runFlood},
	{"cps", "calls below, at and above a licence's calls per second, in both modes", runCPS},
	{"bench-com", "what a COM server needs for a link, and how long until all boxes are back", runBenchCOM},
	{"com-line", "the link on the slowest line it has to hold on, with logs fetched over it", runCOMLine},
	{"clock-offset", "how far a box is from the chrony that it follows", runClockOffset},
	{"bench-billing", "event messages a second, beside FreeRADIUS's own client, and memory with many that wait", runBenchBilling},
	{"bench-firewall", "CPU time a call in the machine, with the firewall on and off", runBenchFirewall},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM, unix.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "qemu:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		if i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] }); i >= 0 {
			return commands[i].run(ctx, args[1:])
		}
	}
	var usage strings.Builder
	usage.WriteString("usage: qemu COMMAND [flags]\n")
	for _, c := range commands {
		fmt.Fprintf(&usage, "  %-14s %s\n", c.name, c.help)
	}
	return errors.New(strings.TrimSpace(usage.String()))
}

// imageFlags are the flags that choose what is booted.
type imageFlags struct {
	board, variant, boot string
}

// declare declares the flags on a set.
func (f *imageFlags) declare(set *flag.FlagSet) {
	set.StringVar(&f.board, "board", "x86_64", "`board` to play: x86_64 or arm64")
	set.StringVar(&f.variant, "variant", "release", "`variant` of the image: release or debug")
	set.StringVar(&f.boot, "boot", "kernel", "`way` to boot: kernel (directly) or disk (through UEFI firmware)")
}

// open gives the image, built if it was not there. The project is the
// current folder.
func (f *imageFlags) open(ctx context.Context) (image machine.Image, fromDisk bool, err error) {
	if f.boot != "kernel" && f.boot != "disk" {
		return machine.Image{}, false, fmt.Errorf("-boot %s: want kernel or disk", f.boot)
	}
	image, err = machine.OpenImage(ctx, ".", f.board, f.variant)
	return image, f.boot == "disk", err
}

// parse reads a command's flags; it takes no other arguments.
func parse(name string, args []string, declare func(*flag.FlagSet)) error {
	set := flag.NewFlagSet("qemu "+name, flag.ContinueOnError)
	declare(set)
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%s: unexpected argument %q", name, set.Arg(0))
	}
	return nil
}
