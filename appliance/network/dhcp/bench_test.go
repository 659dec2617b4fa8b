package dhcp

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"causeway/appliance/model"
)

// bench is a client on a hub, in a synctest bubble.
type bench struct {
	*testing.T
	hub    *hub
	dir    string
	client *Client
	stop   func()
	told   []string // the addresses of each call of Changed
}

// onBench runs f in a bubble. Nothing is left of the client afterwards.
func onBench(t *testing.T, f func(b *bench)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, hub: newHub(), dir: dir}
		b.hub.answer(b.serve)
		b.boot(lanClient())
		f(b)
		b.stop()
		if n := b.hub.open(); n > 0 {
			t.Errorf("%d wires are open at the end; want none", n)
		}
	})
}

// boot starts the process of the client.
func (b *bench) boot(config *model.Config) {
	b.client = NewClient(ClientOptions{
		Dir: b.dir, Kernel: b.hub, Boot: boot, Log: quiet(),
		Changed: func(all []model.Lease) {
			var words []string
			for _, l := range all {
				words = append(words, fmt.Sprint(l.Port, " ", l.Address))
			}
			b.hub.mu.Lock()
			defer b.hub.mu.Unlock()
			b.told = append(b.told, strings.Join(words, ", "))
		},
		jitter: func(d time.Duration) time.Duration { return d / 2 },
	})
	b.client.Apply(config)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.client.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			b.Errorf("Run = %v; want nil", err)
		}
	}
	synctest.Wait()
}

// serve answers as a server with leases of an hour does.
func (b *bench) serve(s sent) []*dhcpv4.DHCPv4 {
	switch s.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		return []*dhcpv4.DHCPv4{answering(s, dhcpv4.MessageTypeOffer)}
	case dhcpv4.MessageTypeRequest:
		return []*dhcpv4.DHCPv4{answering(s, dhcpv4.MessageTypeAck)}
	}
	return nil
}

// answering is a good answer to a message, but for what the modifiers do.
func answering(s sent, kind dhcpv4.MessageType, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	return good(append([]dhcpv4.Modifier{dhcpv4.WithMessageType(kind), dhcpv4.WithTransactionID(s.TransactionID)}, more...)...)
}

// silent is a network where nobody answers.
func silent(sent) []*dhcpv4.DHCPv4 { return nil }

// only answers one kind of message, and that in one way.
func only(kind dhcpv4.MessageType, with ...func(sent) *dhcpv4.DHCPv4) func(sent) []*dhcpv4.DHCPv4 {
	return func(s sent) (answers []*dhcpv4.DHCPv4) {
		for _, answer := range with {
			if s.MessageType() == kind {
				answers = append(answers, answer(s))
			}
		}
		return answers
	}
}

func nak(s sent) *dhcpv4.DHCPv4 { return answering(s, dhcpv4.MessageTypeNak) }

// after lets time pass.
func (b *bench) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// wire says what was sent since the last time: when (in seconds since that
// time), the message, what it names and whereto.
func (b *bench) wire(since time.Duration) []string {
	var lines []string
	for _, s := range b.hub.messages() {
		line := fmt.Sprint(int((s.at - since).Seconds()), " ", s.MessageType())
		for name, ip := range map[string]netip.Addr{"asks": addr(s.RequestedIPAddress())} {
			if ip.IsValid() {
				line += " " + name + " " + ip.String()
			}
		}
		if ip := addr(s.ServerIdentifier()); ip.IsValid() {
			line += " of " + ip.String()
		}
		if ip := addr(s.ClientIPAddr); !ip.IsUnspecified() {
			line += " is " + ip.String()
		}
		if s.to != everyone {
			line += fmt.Sprint(" to ", s.to.Address, " ", s.to.MAC)
		}
		lines = append(lines, line)
	}
	return lines
}

// expect holds what was sent against lines.
func (b *bench) expect(what string, since time.Duration, want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.wire(since)); diff != "" {
		b.Errorf("%s: on the wire (-want +got):\n%s", what, diff)
	}
}

// expectState holds state and problem of LAN1 against a beginning of "STATE: PROBLEM".
func (b *bench) expectState(what, want string) {
	b.Helper()
	s := b.client.Status()
	if len(s) != 1 || !strings.HasPrefix(s[0].State+": "+s[0].Problem, want) {
		b.Errorf("%s: %+v; want %q", what, s, want)
	}
}

// expectTold holds what Changed was told since the last time.
func (b *bench) expectTold(what string, want ...string) {
	b.Helper()
	b.hub.mu.Lock()
	told := b.told
	b.told = nil
	b.hub.mu.Unlock()
	if !slices.Equal(told, want) {
		b.Errorf("%s: Changed was told %q; want %q", what, told, want)
	}
}

const theLease = "LAN1 192.168.42.100/24"

// bind lets the client get its lease, and gives when it asked for it.
func (b *bench) bind() time.Duration {
	b.Helper()
	b.after(2 * time.Second)
	b.expectState("after two seconds", "bound: ")
	b.expectTold("bound", theLease)
	b.hub.messages()
	return b.obtained()
}

// obtained is when the lease was asked for.
func (b *bench) obtained() time.Duration {
	b.client.mu.Lock()
	defer b.client.mu.Unlock()
	return b.client.lessees[model.Port{}].lease.Obtained
}

func (b *bench) ask(what request) {
	b.Helper()
	if _, err := b.client.asking(what)(b.Context(), PortQuery{}); err != nil {
		b.Error(err)
	}
	synctest.Wait()
}
