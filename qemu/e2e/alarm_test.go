//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// awaitAlarm waits until show alarms has an alarm of that name and object.
func awaitAlarm(t *testing.T, box *smoke.Box, alarm string) {
	t.Helper()
	await(t, box, "show alarms", alarm, func(answer string) bool { return hasAlarm(answer, alarm) })
}

// awaitNoAlarm waits until show alarms does not have it.
func awaitNoAlarm(t *testing.T, box *smoke.Box, alarm string) {
	t.Helper()
	await(t, box, "show alarms", "no "+alarm, func(answer string) bool { return !hasAlarm(answer, alarm) })
}

func hasAlarm(answer, alarm string) bool {
	return regexp.MustCompile(`(?m)^\d+ .*  ` + regexp.QuoteMeta(alarm) + `$`).MatchString(answer)
}

// cable lays the cable of the i-th LAN, or takes it out.
func cable(t *testing.T, box *smoke.Box, i int, in bool) {
	t.Helper()
	if err := box.Machine.SetLink(within(t, time.Minute), i, in); err != nil {
		t.Fatal(err)
	}
}

// TestConsoleAlarms takes out a cable and kills a service.
func TestConsoleAlarms(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		box, disk := goOn(t, image)
		cable(t, box, 2, false)
		command(t, box, "service restart billing force")
		awaitAlarm(t, box, "service-restarted billing")
		awaitAlarm(t, box, "link-down LAN2")
		contains(t, "show alarms detail", command(t, box, "show alarms detail"), "link-down LAN2", "Severity: major", "Remedy: ")
		cable(t, box, 2, true)
		contains(t, "clear alarm", command(t, box, "clear alarm service-restarted billing"), "Cleared: ")
		awaitNoAlarm(t, box, "service-restarted billing")
		awaitNoAlarm(t, box, "link-down LAN2")

		// The numbers go on after a power cut, and the history is there.
		before := lastAlarmNumber(t, box)
		box.Machine.Kill()
		box = boot(t, smoke.Setup{Image: image, Disk: disk})
		contains(t, "show alarms history", command(t, box, "show alarms history"), "link-down LAN2", "clear")
		command(t, box, "service restart proxy force")
		awaitAlarm(t, box, "service-restarted proxy")
		if after := lastAlarmNumber(t, box); after <= before {
			t.Errorf("after a power cut the last event has number %d; want above %d", after, before)
		}
		powerOff(t, box)
	})
}

// lastAlarmNumber gives the number of the newest event in the history.
func lastAlarmNumber(t *testing.T, box *smoke.Box) (number int) {
	t.Helper()
	history := command(t, box, "show alarms history")
	for line := range strings.Lines(history) {
		var event int
		if _, err := fmt.Sscanf(line, "%d ", &event); err == nil {
			number = max(number, event)
		}
	}
	if number == 0 {
		t.Fatalf("no numbers in the history\n%s", history)
	}
	return number
}

// syslogPort is where the collector of the lab listens.
const syslogPort = 514

// collector is a syslog server in the lab.
type collector struct{ lines chan string }

// collectUDP starts a server that takes a datagram as a message (RFC 5426).
func collectUDP(t *testing.T, where *lab.Namespace, at netip.Addr) *collector {
	t.Helper()
	conn, err := where.ListenUDP(netip.AddrPortFrom(at, syslogPort))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &collector{make(chan string, 10000)}
	go func() {
		buffer := make([]byte, 65536)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			c.lines <- string(buffer[:n])
		}
	}()
	return c
}

// collectTCP starts a server that takes messages with their length before them
// (RFC 6587 §3.4.1).
func collectTCP(t *testing.T, where *lab.Namespace, at netip.Addr) *collector {
	t.Helper()
	var listener net.Listener
	err := where.Do(func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(at, syslogPort).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	c := &collector{make(chan string, 10000)}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go c.read(conn)
		}
	}()
	return c
}

func (c *collector) read(conn net.Conn) {
	defer conn.Close()
	stream := bufio.NewReader(conn)
	for {
		var length int
		if _, err := fmt.Fscanf(stream, "%d ", &length); err != nil || length > 65536 {
			return
		}
		message := make([]byte, length)
		if _, err := io.ReadFull(stream, message); err != nil {
			return
		}
		c.lines <- string(message)
	}
}

// await waits for a message that the pattern matches; each must be one of
// RFC 5424 by its first fields.
func (c *collector) await(t *testing.T, ctx context.Context, pattern string) {
	t.Helper()
	var (
		form   = regexp.MustCompile(`^<\d{1,3}>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) \S+ \S+ \S+ \S+ (-|\[)`)
		wanted = regexp.MustCompile(pattern)
		seen   []string
	)
	for {
		select {
		case line := <-c.lines:
			if seen = append(seen, line); !form.MatchString(line) {
				t.Fatalf("message %q; want the header of RFC 5424", line)
			}
			if wanted.MatchString(line) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("%d messages, none with %q; the last: %.10q", len(seen), pattern, seen[max(0, len(seen)-10):])
		}
	}
}

// TestConsoleSyslog has the box send its log to two servers: what happened before
// they were configured is sent, too, and what happens while a cable is out.
func TestConsoleSyslog(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		box, _ := goOn(t, image)
		datagrams := collectUDP(t, box.Lab.LAN1, lab.PeerLAN1)
		stream := collectTCP(t, box.Lab.LAN2, lab.PeerLAN2)
		commit(t, box, "hostname logging",
			"logging host 192.168.42.2 level debugging", "logging host 192.168.43.2 tcp port 514 level debugging")
		ctx := within(t, 3*time.Minute)
		datagrams.await(t, ctx, ` init - - \S.* ready$`) // of the boot
		stream.await(t, ctx, ` init - - \S.* ready$`)

		cable(t, box, 1, false)
		cable(t, box, 2, false)
		awaitAlarm(t, box, "link-down LAN1")
		command(t, box, "service restart billing force")
		awaitSystem(t, box, "billing to be killed", func(s smoke.System) bool { return s.Killed("billing", 1) })
		cable(t, box, 1, true)
		cable(t, box, 2, true)
		datagrams.await(t, ctx, `billing .*killed`)
		stream.await(t, ctx, `billing .*killed`)
		powerOff(t, box)
	})
}
