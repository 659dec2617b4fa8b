package ssh

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// TestChannels opens one too many.
func TestChannels(t *testing.T) {
	b := start(t)
	client := b.client()
	var open []*ssh.Session
	for range channelsMost {
		open = append(open, b.session(client))
	}
	var refused *ssh.OpenChannelError
	if _, err := client.NewSession(); !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage {
		t.Errorf("channel %d = %v; want a shortage", channelsMost+1, err)
	}
	open[0].Close()
	for wait := time.Now().Add(time.Minute); ; { // until the other end is closed, too
		if _, err := client.NewSession(); err == nil {
			return
		} else if time.Now().After(wait) {
			t.Fatalf("a channel after another was closed = %v; want none", err)
		}
	}
}

// TestChannelsOfAll opens one too many on several connections, none of which has
// too many.
func TestChannelsOfAll(t *testing.T) {
	b := start(t)
	last := b.client()
	var first *ssh.Client
	for range openMost / channelsMost {
		first = b.client()
		for range channelsMost {
			b.session(first)
		}
	}
	var refused *ssh.OpenChannelError
	if _, err := last.NewSession(); !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage {
		t.Errorf("channel %d of all = %v; want a shortage", openMost+1, err)
	}
	first.Close()
	b.noted("logout 4: exit")
	b.session(last)
}

// TestSeats logs in once too often, and waits for logins once too often.
func TestSeats(t *testing.T) {
	b := start(t)
	var clients []*ssh.Client
	for range loggedInMost {
		clients = append(clients, b.client())
	}
	if _, err := b.dial(user, ssh.Password(password)); err == nil {
		t.Errorf("connection %d is logged in; want it refused", loggedInMost+1)
	}
	b.noted(fmt.Sprintf("logout %d: too many connections", loggedInMost+1))
	clients[0].Close()
	b.noted("logout 1: exit")
	b.client()
	for wait, waits := time.Now().Add(time.Minute), 1; waits > 0; time.Sleep(time.Millisecond) {
		b.seats.mu.Lock()
		waits = b.seats.all
		b.seats.mu.Unlock()
		if time.Now().After(wait) {
			t.Fatalf("%d seats are those of connections that have ended", waits)
		}
	}

	var waiting []net.Conn
	for range sourceMost {
		wire, err := net.Dial("tcp", b.address)
		if err != nil {
			t.Fatal(err)
		}
		defer wire.Close()
		if _, err := bufio.NewReader(wire).ReadString('\n'); err != nil {
			t.Fatalf("the server greets with %v; want its version", err)
		}
		waiting = append(waiting, wire)
	}
	if _, err := b.dial(user, ssh.Password(password)); err == nil {
		t.Errorf("beside %d that wait, another connection of the source is served", sourceMost)
	}
	waiting[0].Close()
}

func TestSeatsBySource(t *testing.T) {
	var s seats
	peer := func(address string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(address), 1) }
	for range sourceMost {
		if s.take(peer("2001:db8::1")) == nil {
			t.Fatal("there is no seat for a source that has few")
		}
	}
	if s.take(peer("2001:db8::ffff")) != nil {
		t.Error("another address of the same network of IPv6 has a seat; want none")
	}
	for i := range waitingMost - sourceMost {
		if s.take(peer(fmt.Sprintf("192.0.2.%d", i+1))) == nil {
			t.Errorf("take(192.0.2.%d) = nil; want a seat", i+1)
		}
	}
	if s.take(peer("192.0.2.100")) != nil {
		t.Errorf("there are more than %d seats", waitingMost)
	}
}
