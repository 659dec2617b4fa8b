package lab

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func newLab(t *testing.T) *Lab {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestBoxIsCabled sends a datagram over each cable of a box on this host.
func TestBoxIsCabled(t *testing.T) {
	l := newLab(t)
	box, err := l.Box()
	if err != nil {
		t.Fatal(err)
	}
	for _, lan := range []struct {
		name string
		from *Namespace
		peer netip.Addr
		box  netip.AddrPort
	}{
		{"LAN1", l.LAN1, PeerLAN1, BoxLAN1},
		{"LAN2", l.LAN2, PeerLAN2, BoxLAN2},
	} {
		t.Run(lan.name, func(t *testing.T) {
			receiver, err := box.ListenUDP(lan.box)
			if err != nil {
				t.Fatal(err)
			}
			defer receiver.Close()
			sender, err := lan.from.ListenUDP(netip.AddrPortFrom(lan.peer, 0))
			if err != nil {
				t.Fatal(err)
			}
			defer sender.Close()
			if _, err := sender.WriteToUDPAddrPort([]byte("hello"), lan.box); err != nil {
				t.Fatal(err)
			}
			receiver.SetReadDeadline(time.Now().Add(time.Minute))
			buffer := make([]byte, 16)
			n, from, err := receiver.ReadFromUDPAddrPort(buffer)
			if err != nil || string(buffer[:n]) != "hello" || from.Addr().Unmap() != lan.peer {
				t.Errorf("received %q from %v, %v; want \"hello\" from %v", buffer[:n], from, err, lan.peer)
			}
		})
	}
}

// TestNamespaceHoldsItsProcesses checks that a command sees only the devices
// of its namespace, and that the caller's thread is back outside.
func TestNamespaceHoldsItsProcesses(t *testing.T) {
	outside, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	if _, _, err := l.Taps(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "cat", "/proc/net/dev")
	var output strings.Builder
	command.Stdout = &output
	if err := l.LAN1.Start(command); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
	for device, want := range map[string]bool{"lan1:": true, "lo:": true, "lan2:": false, "eth0:": false} {
		if got := strings.Contains(output.String(), device); got != want {
			t.Errorf("device %s seen in LAN1: %v; want %v", device, got, want)
		}
	}
	for range 50 {
		if now, err := os.Readlink("/proc/thread-self/ns/net"); err != nil || now != outside {
			t.Fatalf("the caller is in %s, %v; want %s", now, err, outside)
		}
	}
}
