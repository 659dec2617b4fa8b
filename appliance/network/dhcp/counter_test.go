package dhcp

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// town is a Kernel with one link and hosts that send to its listener, in a
// synctest bubble.
type town struct {
	*hub
	listener *fakeListener
}

func (k town) Listen(string, Link) (Listener, error) { return k.listener, nil }

type fakeListener struct {
	in   chan *dhcpv4.DHCPv4
	done chan struct{}

	mu   sync.Mutex
	sent []answer
}

func (l *fakeListener) Receive() (*dhcpv4.DHCPv4, error) {
	select {
	case m := <-l.in:
		return m, nil
	case <-l.done:
		return nil, errors.New("closed")
	}
}

func (l *fakeListener) Send(m *dhcpv4.DHCPv4, _ netip.Addr, to netip.AddrPort, mac MAC) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, answer{reply: m, to: to, mac: mac})
	return nil
}

func (l *fakeListener) Close() error {
	close(l.done)
	return nil
}

// TestProbesRunBeside: while addresses are probed for new hosts, one that is
// known is answered at once; of a storm no more are probed than there is room.
func TestProbesRunBeside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "dhcp.db")
	synctest.Test(t, func(t *testing.T) {
		kernel := town{newHub(), &fakeListener{in: make(chan *dhcpv4.DHCPv4), done: make(chan struct{})}}
		kernel.occupy("192.168.42.11")
		s := NewServer(ServerOptions{File: file, Kernel: kernel, Boot: boot, Log: quiet(), NameServers: just("192.0.2.53"), TimeServers: just("192.0.2.123")})
		s.Apply(lanServer("192.168.42.1/24", pool("192.168.42.10/24", 200)))
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		send := func(m *dhcpv4.DHCPv4) []answer {
			kernel.listener.in <- m
			synctest.Wait()
			kernel.listener.mu.Lock()
			defer kernel.listener.mu.Unlock()
			sent := kernel.listener.sent
			kernel.listener.sent = nil
			return sent
		}
		later := func(d time.Duration) []answer {
			time.Sleep(d)
			return send(from(host(0), dhcpv4.MessageTypeInform)) // without an address: silence
		}
		send(from(host(1), dhcpv4.MessageTypeDiscover))
		if got := later(time.Second); len(got) != 1 || says(got[0]) != "OFFER 192.168.42.10" {
			t.Errorf("a second after DISCOVER: %v; want the OFFER", got)
		}
		send(from(host(1), dhcpv4.MessageTypeRequest, asking("192.168.42.10"), ofServer("192.168.42.1")))

		for n := range 2 * probesMax {
			send(from(host(100+n), dhcpv4.MessageTypeDiscover))
		}
		if got := send(from(host(1), dhcpv4.MessageTypeDiscover)); len(got) != 1 || says(got[0]) != "OFFER 192.168.42.10" {
			t.Errorf("a host that is known, in a storm: %v; want its address at once", got)
		}
		if got := later(time.Second); len(got) != probesMax-1 {
			t.Errorf("%d offers a second later; want %d: one address is in use", len(got), probesMax-1)
		}
		if got := later(time.Second); len(got) != 1 {
			t.Errorf("%d offers another second later; want 1, of the host whose first address was in use", len(got))
		}
		if got := s.table.byAddress[netip.MustParseAddr("192.168.42.11")]; got == nil || got.standing != aside || got.mac != strangeMAC {
			t.Errorf("the address in use is %+v; want it set aside", got)
		}
		send(from(host(200), dhcpv4.MessageTypeDiscover)) // is being probed at the end
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
		if _, err := s.list(); err == nil {
			t.Error("bindings of a server that does not run = nil; want an error")
		}
	})
}

func TestBucket(t *testing.T) {
	now := time.Duration(0)
	b := bucket{now: func() time.Duration { return now }}
	count := func() (n int) {
		for b.take() {
			n++
		}
		return n
	}
	if got := count(); got != burst {
		t.Errorf("at first %d; want the burst of %d", got, burst)
	}
	now += time.Second
	if got := count(); got != perSecond {
		t.Errorf("a second later %d; want %d", got, perSecond)
	}
	now += time.Hour
	if got := count(); got != burst {
		t.Errorf("an hour later %d; want no more than the burst of %d", got, burst)
	}
}
