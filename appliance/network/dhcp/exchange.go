package dhcp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// message makes a message of this port. What is asked for is in DISCOVER and
// REQUEST only (RFC 2131 table 5).
func (p *lessee) message(kind dhcpv4.MessageType, more ...dhcpv4.Modifier) (*dhcpv4.DHCPv4, error) {
	p.client.mu.Lock()
	name := p.client.config.HostName
	p.client.mu.Unlock()
	modifiers := []dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind),
		dhcpv4.WithHwAddr(p.link.MAC[:]),
		dhcpv4.WithOption(dhcpv4.OptClientIdentifier(append([]byte{1}, p.link.MAC[:]...))), // RFC 2132 §9.14
	}
	if kind == dhcpv4.MessageTypeDiscover || kind == dhcpv4.MessageTypeRequest {
		modifiers = append(modifiers,
			dhcpv4.WithOption(dhcpv4.OptMaxMessageSize(messageMax-ipHeader-udpHeader)),
			dhcpv4.WithOption(dhcpv4.OptParameterRequestList(wantedOptions...)))
		if name != "" {
			modifiers = append(modifiers, dhcpv4.WithOption(dhcpv4.OptHostName(name)))
		}
	}
	m, err := dhcpv4.New(append(modifiers, more...)...)
	if err != nil {
		return nil, fmt.Errorf("make a %v: %w", kind, err)
	}
	return m, nil
}

// wantedOptions are what a server is asked to say.
var wantedOptions = []dhcpv4.OptionCode{
	dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionDomainNameServer, dhcpv4.OptionHostName,
	dhcpv4.OptionDomainName, dhcpv4.OptionInterfaceMTU, dhcpv4.OptionNTPServers, dhcpv4.OptionIPAddressLeaseTime,
	dhcpv4.OptionServerIdentifier, dhcpv4.OptionRenewTimeValue, dhcpv4.OptionRebindingTimeValue,
}

// verdict is what became of a REQUEST.
type verdict uint8

const (
	unanswered verdict = iota
	granted            // p.offer is the lease
	refused
)

// ask sends a REQUEST for the address of want and waits for ACK or NAK from
// its server, or from any if want names none.
func (p *lessee) ask(ctx context.Context, m *dhcpv4.DHCPv4, source netip.Addr, to Station,
	wait func(int) (time.Duration, bool), want lease) (verdict, error) {
	result := unanswered
	_, err := p.exchange(ctx, m, source, to, wait, func(r Received) bool {
		if want.Server.IsValid() && addr(r.Message.ServerIdentifier()) != want.Server {
			return false
		}
		switch r.Message.MessageType() {
		case dhcpv4.MessageTypeNak:
			result = refused
		case dhcpv4.MessageTypeAck:
			if addr(r.Message.YourIPAddr) == want.Address.Addr() && p.consider(r) {
				result = granted
			}
		}
		return result != unanswered
	})
	return result, err
}

// consider makes an answer the offer, or notes why it cannot be taken.
func (p *lessee) consider(r Received) bool {
	l, note, err := judge(r, p.sent)
	if err == nil {
		p.client.mu.Lock()
		err = p.client.collision(p.port, l.Address)
		p.client.mu.Unlock()
	}
	if err != nil {
		p.refusal = fmt.Sprintf("the answer of %v (%v) is refused: %v", l.Server, r.From, err)
		return false
	}
	l.Port, l.Owner = p.port, p.link.MAC
	p.offer, p.note, p.refusal = l, note, ""
	return true
}

var errWireClosed = errors.New("the packet socket failed")

// exchange sends a message, and sends it again when the wait for the n-th is
// over, until take takes an answer or wait says that it was enough.
func (p *lessee) exchange(ctx context.Context, m *dhcpv4.DHCPv4, source netip.Addr, to Station,
	wait func(n int) (time.Duration, bool), take func(Received) bool) (taken bool, err error) {
	p.sent, p.refusal = p.now(), ""
	for n := 0; ; n++ {
		limit, more := wait(n)
		if !more {
			return false, nil
		}
		if m.ServerIdentifier() == nil { // else it has those of its DISCOVER
			m.NumSeconds = uint16(min((p.now()-p.began)/time.Second, math.MaxUint16))
		}
		if err := p.wire.Send(m, source, to); err != nil {
			return false, err
		}
		timer := time.NewTimer(limit)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				timer.Stop()
				return false, nil
			case <-timer.C:
				waiting = false
			case r, open := <-p.wire.Received():
				if !open {
					timer.Stop()
					return false, errWireClosed
				}
				if p.answers(r.Message, m) && take(r) {
					timer.Stop()
					return true, nil
				}
			}
		}
	}
}

// answers reports whether r is an answer to m.
func (p *lessee) answers(r, m *dhcpv4.DHCPv4) bool {
	return r.OpCode == dhcpv4.OpcodeBootReply && r.TransactionID == m.TransactionID &&
		string(r.ClientHWAddr) == string(p.link.MAC[:])
}
