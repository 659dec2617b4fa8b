package sip

import (
	"fmt"
	"net/netip"

	"causeway/appliance/model"
)

// listenPoint is one address the proxy listens on, with what it writes into
// messages that leave from there.
type listenPoint struct {
	address netip.AddrPort
	network *network
	sockets []*socket // one for every reader
	dscp    int       // of what leaves from here: 0–63

	via         []byte // "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"
	recordRoute []byte // "Record-Route: <sip:192.0.2.1:5060;lr;cw="
	text        []byte // "192.0.2.1:5060"
}

// network is one sip network: listen points treated alike, and where its new
// requests go.
type network struct {
	name    string
	listens []*listenPoint
	nextHop netip.AddrPort
	out     *network
}

// listenFor gives the listen point that reaches address, or nil: one of the
// same address family.
func (n *network) listenFor(address netip.AddrPort) *listenPoint {
	for _, l := range n.listens {
		if l.address.Addr().Is4() == address.Addr().Is4() {
			return l
		}
	}
	return nil
}

// snapshot is one configuration, never changed once it is in use.
type snapshot struct {
	networks map[string]*network
	own      map[netip.AddrPort]*listenPoint
	// leaving are those that a commit took away and transactions still use.
	leaving map[netip.AddrPort]*listenPoint
}

// at gives the listen point that reads address, be it leaving, or nil.
func (s *snapshot) at(address netip.AddrPort) *listenPoint {
	if l := s.own[address]; l != nil {
		return l
	}
	return s.leaving[address]
}

// newSnapshot lays out the networks of c. Sockets are taken from old where it
// listens on the same address, else bound; on an error those bound are closed.
func newSnapshot(config *model.Config, old *snapshot, readers int) (*snapshot, error) {
	c := &config.SIP
	s := &snapshot{networks: make(map[string]*network), own: make(map[netip.AddrPort]*listenPoint)}
	for _, n := range c.Networks {
		s.networks[n.Name] = &network{name: n.Name, nextHop: n.NextHop.Address}
	}
	for _, n := range c.Networks {
		if !n.NextHop.Address.IsValid() {
			continue
		}
		out, found := s.networks[n.NextHop.Network]
		if !found {
			return nil, fmt.Errorf("sip network %s: next hop: there is no network %q", n.Name, n.NextHop.Network)
		}
		s.networks[n.Name].out = out
	}
	for _, n := range c.Networks {
		for _, listen := range n.Listens {
			if err := s.listen(s.networks[n.Name], listen.Address, dscp(config, listen.Address.Addr()), old, readers); err != nil {
				s.closeNew(old)
				return nil, fmt.Errorf("sip network %s: %w", n.Name, err)
			}
		}
	}
	for _, n := range s.networks {
		if err := s.checkNextHop(n); err != nil {
			s.closeNew(old)
			return nil, err
		}
	}
	return s, nil
}

// checkNextHop refuses a next hop that cannot be reached or is ourselves.
func (s *snapshot) checkNextHop(n *network) error {
	switch {
	case n.out == nil:
		return nil
	case n.out.listenFor(n.nextHop) == nil:
		return fmt.Errorf("sip network %s: next hop %s: network %s has no listen point of its address family", n.name, n.nextHop, n.out.name)
	case s.own[n.nextHop] != nil:
		return fmt.Errorf("sip network %s: next hop %s is a listen point of this box", n.name, n.nextHop)
	}
	return nil
}

// dscp gives the DSCP of the port that has the address, or whose network the
// address is on; the default where there is none.
func dscp(c *model.Config, address netip.Addr) int {
	for _, lan := range c.LANs {
		for _, own := range []netip.Prefix{lan.Address, lan.Address6} {
			if own.IsValid() && own.Contains(address) { // the ports' networks do not overlap
				return lan.DSCP
			}
		}
	}
	return model.DefaultDSCP
}

func (s *snapshot) listen(n *network, address netip.AddrPort, dscp int, old *snapshot, readers int) error {
	if !address.IsValid() || address.Addr().IsUnspecified() {
		return fmt.Errorf("listen udp %s: an address of the box itself is needed, it stands in Via and Record-Route", address)
	}
	if s.own[address] != nil {
		return fmt.Errorf("listen udp %s: already listened on", address)
	}
	l := &listenPoint{
		address:     address,
		network:     n,
		dscp:        dscp,
		text:        []byte(address.String()),
		via:         []byte("Via: SIP/2.0/UDP " + address.String() + ";branch=" + branchCookie),
		recordRoute: []byte("Record-Route: <sip:" + address.String() + ";lr;cw="),
	}
	s.own[address] = l
	n.listens = append(n.listens, l)
	if before := old.at(address); before != nil {
		l.sockets = before.sockets
		return nil
	}
	for range readers {
		socket, err := bindSocket(address)
		if err != nil {
			return err
		}
		l.sockets = append(l.sockets, socket)
	}
	return nil
}

// closeNew closes the sockets that old does not share.
func (s *snapshot) closeNew(old *snapshot) {
	for address, l := range s.own {
		if old.at(address) == nil {
			l.close()
		}
	}
}

// mark has the kernel send with the listen point's DSCP. Its sockets may be
// older than the DSCP.
func (l *listenPoint) mark() error {
	for _, socket := range l.sockets {
		if err := socket.setDSCP(l.dscp, l.address.Addr().Is6()); err != nil {
			return fmt.Errorf("set DSCP %d of udp %s: %w", l.dscp, l.address, err)
		}
	}
	return nil
}

func (l *listenPoint) close() {
	for _, socket := range l.sockets {
		socket.close()
	}
}
