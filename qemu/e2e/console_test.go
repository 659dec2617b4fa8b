//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// saved are boxes of each board that were saved when they had booted.
var saved struct {
	sync.Mutex
	boxes map[string]*smoke.Saved
}

// goOn gives a box that has just booted, and the path of its disk. It has the
// built-in configuration, volumes, a port for sticks, and an operator at its console.
// It was not booted for this test.
func goOn(t *testing.T, image machine.Image) (box *smoke.Box, disk string) {
	t.Helper()
	disk = filepath.Join(t.TempDir(), "disk.img")
	box, err := savedBox(t, image).GoOn(t.Context(), disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endBox(t, box) })
	awaitAnswer(t, box.Lab.LAN1, lab.PeerLAN1, lab.BoxLAN1.String())
	return box, disk
}

// savedBox boots the box that others go on from, once.
func savedBox(t *testing.T, image machine.Image) *smoke.Saved {
	t.Helper()
	saved.Lock()
	defer saved.Unlock()
	name := image.Board.Name
	if saved.boxes[name] != nil {
		return saved.boxes[name]
	}
	dir := filepath.Join(scratch, name)
	setup := smoke.Setup{Image: image, Disk: filepath.Join(dir, "disk.img"), USB: true}
	if err := errors.Join(os.MkdirAll(dir, 0o700), machine.CreateDisk(setup.Disk, diskSize)); err != nil {
		t.Fatal(err)
	}
	box, err := smoke.Save(within(t, 2*bootLimit), setup, dir)
	if err != nil {
		t.Fatal(err)
	}
	if saved.boxes == nil {
		saved.boxes = map[string]*smoke.Saved{}
	}
	saved.boxes[name] = box
	return box
}

// configure types lines into the candidate.
func configure(t *testing.T, box *smoke.Box, lines ...string) {
	t.Helper()
	if err := box.Machine.Console.Configure(within(t, time.Minute), lines...); err != nil {
		t.Fatal(err)
	}
}

// saidRevision is in what a commit prints.
var saidRevision = regexp.MustCompile(`Revision (\d+) is (?:in force|confirmed)`)

// enter types a line that commits, in the configuration, and gives the number of
// the revision.
func enter(t *testing.T, box *smoke.Box, line string) (revision int) {
	t.Helper()
	answer, err := box.Machine.Console.Type(within(t, 2*time.Minute), line)
	if err != nil {
		t.Fatal(err)
	}
	said := saidRevision.FindStringSubmatch(answer.Text)
	if said == nil {
		t.Fatalf("%s = %q; want a revision", line, answer.Text)
	}
	if revision, err = strconv.Atoi(said[1]); err != nil {
		t.Fatal(err)
	}
	return revision
}

// commit types lines into the candidate and commits them.
func commit(t *testing.T, box *smoke.Box, lines ...string) (revision int) {
	t.Helper()
	configure(t, box, lines...)
	return enter(t, box, "commit")
}

// awaitAnswer waits until the box answers OPTIONS that a host of the LAN sends to
// that address.
func awaitAnswer(t *testing.T, from *lab.Namespace, host netip.Addr, to string) {
	t.Helper()
	prober := probe(t, from, netip.AddrPortFrom(host, 0))
	if _, err := prober.AwaitOptions(within(t, 2*time.Minute), netip.MustParseAddrPort(to)); err != nil {
		t.Fatal(err)
	}
}

// contains wants all of these texts in an answer.
func contains(t *testing.T, what, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%s =\n%s\nwant %q in it", what, text, want)
		}
	}
}

// keys types keys that are no line, and gives what is printed up to the pattern.
func keys(t *testing.T, box *smoke.Box, keys, pattern string) machine.Match {
	t.Helper()
	if err := box.Machine.Console.Keys(keys); err != nil {
		t.Fatal(err)
	}
	match, err := box.Machine.Console.Expect(within(t, 2*time.Minute), pattern)
	if err != nil {
		t.Fatalf("after the keys %q: %v", keys, err)
	}
	return match
}

// TestConsoleSerial is the first hour of an engineer at the serial port: looking
// around, an address, a route and a name, and back.
func TestConsoleSerial(t *testing.T) {
	t.Parallel()
	onBoards(t, func(t *testing.T, image machine.Image) {
		box, _ := goOn(t, image)
		console := box.Machine.Console
		const (
			newAddress = "192.168.43.9:5060"
			oldAddress = "192.168.43.1:5060"
		)
		t.Run("help and completion", func(t *testing.T) {
			command(t, box, "terminal length 0")
			keys(t, box, "show ?", `show \?`)
			contains(t, "show ?", expect(t, box, `^\S+#show $`).Before, "running-config", "version", "The configuration in force")
			keys(t, box, "runn\t", `running-config $`)
			keys(t, box, "\x03", `#`)
			configure(t, box)
			keys(t, box, "ip route ?", `ip route \?`)
			contains(t, "ip route ?", expect(t, box, `^\S+#ip route $`).Before, "A.B.C.D")
			keys(t, box, "\x03", `#`)
			command(t, box, "show version")
		})
		t.Run("the place of an error", func(t *testing.T) {
			answer, err := console.Type(within(t, time.Minute), "ip route 192.0.2.0 255.0.255.0 192.168.42.2 LAN1")
			if err != nil {
				t.Fatal(err)
			}
			// Below the mask.
			want := "\n" + strings.Repeat(" ", len("causeway(config)#")+len("ip route 192.0.2.0 ")) + "^\n% "
			contains(t, "the answer", "\n"+answer.Text, want)
		})
		t.Run("a screen at a time", func(t *testing.T) {
			command(t, box, "terminal length 10")
			first := keys(t, box, "show running-config | exclude password\r", `--More--`) // whose line is longer than a row
			if rows := strings.Count(first.Before, "\n"); rows != 10 {
				t.Errorf("the first screen has %d rows with the line typed; want 10:\n%s", rows, first.Before)
			}
			if second := keys(t, box, " ", `--More--`); strings.Count(second.Before, "\n") != 9 {
				t.Errorf("the second screen is\n%s\nwant 9 rows", second.Before)
			}
			keys(t, box, "q", `#`)
			command(t, box, "terminal length 0")
		})
		var first, second int
		t.Run("change and commit", func(t *testing.T) {
			first = commit(t, box, "hostname before")
			configure(t, box,
				"hostname after",
				"lan LAN2", "ip address 192.168.43.9 255.255.255.0", "exit",
				"ip route 198.51.100.0 255.255.255.0 192.168.42.2 LAN1",
				"no sip listen lan2 udp 192.168.43.1 5060", "sip listen lan2 udp 192.168.43.9 5060")
			contains(t, "show configuration diff", command(t, box, "show configuration diff"),
				"- hostname before", "+ hostname after", "lan LAN2", "+ ip route 198.51.100.0 255.255.255.0 192.168.42.2 LAN1")
			expectHostName(t, box, "before")
			second = enter(t, box, "commit comment the address of LAN2")
			expectHostName(t, box, "after")
			awaitAnswer(t, box.Lab.LAN2, lab.PeerLAN2, newAddress)
			contains(t, "show configuration history", command(t, box, "show configuration history"), "the address of LAN2")
		})
		t.Run("still there after a reload", func(t *testing.T) {
			reload(t, box)
			expectHostName(t, box, "after")
			awaitAnswer(t, box.Lab.LAN2, lab.PeerLAN2, newAddress)
			awaitCommand(t, box, "show interfaces", "192.168.43.9/24")
		})
		t.Run("rollback", func(t *testing.T) {
			command(t, box, "rollback "+strconv.Itoa(first))
			expectHostName(t, box, "before")
			awaitAnswer(t, box.Lab.LAN2, lab.PeerLAN2, oldAddress)
			contains(t, "the text of an earlier revision", command(t, box, "show configuration revision "+strconv.Itoa(second)), "hostname after")
		})
		t.Run("a pasted text", func(t *testing.T) {
			var text strings.Builder
			for n := range 300 {
				text.WriteString("ip route 203.0.113." + strconv.Itoa(n%256) + " 255.255.255.255 192.168.42." + strconv.Itoa(2+n/256) + " LAN1\n")
			}
			configure(t, box)
			answer, err := console.Paste(within(t, 2*time.Minute), text.String())
			if err != nil {
				t.Fatal(err)
			}
			if err := answer.Fault(); err != nil {
				t.Errorf("of 300 pasted lines: %v", err)
			}
			if got := command(t, box, "show configuration diff | count ip route"); !strings.HasSuffix(got, " 300") {
				t.Errorf("after 300 routes were pasted the diff has: %q; want 300", got)
			}
			if answer, err := console.Type(within(t, time.Minute), "abort"); err != nil || answer.Mode != "" {
				t.Errorf("abort = %+v, %v; want the prompt of EXEC", answer, err)
			}
		})
		powerOff(t, box)
	})
}

// awaitCommand types a command until its answer holds the text.
func awaitCommand(t *testing.T, box *smoke.Box, line, want string) string {
	t.Helper()
	return await(t, box, line, want, func(answer string) bool { return strings.Contains(answer, want) })
}

// await types a command until its answer is as wanted.
func await(t *testing.T, box *smoke.Box, line, what string, wanted func(answer string) bool) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) { // each look costs an emulated box a tenth of a second
		answer, err := box.Machine.Console.Command(ctx, line)
		if err != nil {
			t.Fatal(err)
		}
		if wanted(answer) {
			return answer
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s =\n%s\nfor 3 minutes; want %s", line, answer, what)
		case <-time.After(pause):
		}
	}
}
