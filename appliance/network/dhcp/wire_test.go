package dhcp

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// hub is a Kernel with one link, lan1, for tests in a synctest bubble. What a
// client sends goes to network, which says what comes back.
type hub struct {
	mu        sync.Mutex
	network   func(sent) []*dhcpv4.DHCPv4
	probed    map[netip.Addr]MAC // who has an address
	link      Link
	changed   func(string, Link)
	wires     []*fakeWire
	log       []sent
	declared  []netip.Addr // by Announce
	sendFails error
}

// sent is a message that a client sent, and when.
type sent struct {
	*dhcpv4.DHCPv4
	at     time.Duration
	source netip.Addr
	to     Station
}

var (
	ownMAC     = MAC{2, 0, 0, 0, 0, 1}
	serverMAC  = MAC{2, 0, 0, 0, 0, 0xfe}
	strangeMAC = MAC{2, 0, 0, 0, 0, 0x66}
)

func newHub() *hub {
	return &hub{link: Link{Index: 7, MAC: ownMAC, Carrier: true}, probed: map[netip.Addr]MAC{}}
}

func (h *hub) Watch(ctx context.Context, changed func(string, Link)) error {
	h.mu.Lock()
	h.changed = changed
	link := h.link
	h.mu.Unlock()
	changed("lan1", link)
	changed("lo", Link{Index: 1, Carrier: true})
	<-ctx.Done()
	return nil
}

// answer says what comes back from now on.
func (h *hub) answer(network func(sent) []*dhcpv4.DHCPv4) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.network = network
}

// fail has each Send give the error, until it is nil.
func (h *hub) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sendFails = err
}

// occupy has a strange host take the address.
func (h *hub) occupy(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.probed[netip.MustParseAddr(address)] = strangeMAC
}

// plug changes the link.
func (h *hub) plug(links ...Link) {
	h.mu.Lock()
	h.link = links[len(links)-1]
	changed := h.changed
	h.mu.Unlock()
	for _, link := range links {
		changed("lan1", link)
	}
}

func (h *hub) Wire(Link) (Wire, error) {
	w := &fakeWire{hub: h, received: make(chan Received, queued)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wires = append(h.wires, w)
	return w, nil
}

func (h *hub) Listen(string, Link) (Listener, error) {
	return nil, errors.New("a hub has no listener")
}

func (h *hub) Probe(ctx context.Context, _ Link, address netip.Addr) (MAC, error) {
	if !pause(ctx, probes*probeEvery) {
		return MAC{}, ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.probed[address], nil
}

func (h *hub) Announce(_ Link, address netip.Addr) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.declared = append(h.declared, address)
	return nil
}

// messages gives what was sent since the last time.
func (h *hub) messages() []sent {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.log
	h.log = nil
	return all
}

// open counts the wires that were not closed.
func (h *hub) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(h.wires), func(w *fakeWire) bool { return w.closed }))
}

type fakeWire struct {
	hub      *hub
	received chan Received
	closed   bool
}

func (w *fakeWire) Send(m *dhcpv4.DHCPv4, source netip.Addr, to Station) error {
	h := w.hub
	copied, err := dhcpv4.FromBytes(m.ToBytes())
	if err != nil {
		return err
	}
	s := sent{copied, boot(), source, to}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sendFails != nil {
		return h.sendFails
	}
	h.log = append(h.log, s)
	if h.network == nil {
		return nil
	}
	for _, answer := range h.network(s) {
		select {
		case w.received <- Received{answer, serverMAC}:
		default: // as a packet socket does
		}
	}
	return nil
}

func (w *fakeWire) Received() <-chan Received { return w.received }

func (w *fakeWire) Close() error {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	w.closed = true
	return nil
}

// bootBase is CLOCK_BOOTTIME when a bubble's clock begins.
const bootBase = 100 * time.Second

// bubbleStart is when the clock of each synctest bubble begins.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// boot is CLOCK_BOOTTIME in a bubble.
func boot() time.Duration { return bootBase + time.Since(bubbleStart) }
