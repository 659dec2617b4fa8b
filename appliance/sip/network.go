package sip

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
	"causeway/appliance/sip/stream"
)

// listenPoint is one address the proxy listens on, with what it writes into
// messages that leave from there.
type listenPoint struct {
	hop.Place
	network  *network
	sockets  []*socket        // of UDP: one for every reader
	listener *stream.Listener // of the others
	dscp     int              // of what leaves from here: 0–63

	via         []byte // "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK"
	recordRoute []byte // "Record-Route: <sip:192.0.2.1:5060;lr;cw="
	sentBy      []byte // "192.0.2.1:5060"
}

// network is one sip network: listen points treated alike.
type network struct {
	name       string
	kind       model.SIPNetworkKind
	hide       bool // Via header fields of other networks do not leave by it
	refuse     bool // connections that we have not opened
	verify     bool // who connects must show a certificate
	asks       bool // neighbours how much they want (RFC 7339)
	congestion int  // requests longer than that want TCP (RFC 3261 §18.1.1), octets
	timers     timers
	listens    []*listenPoint

	connectTimeout time.Duration // 0: the transport's own
}

// pathMTU is what a path is taken to carry, in octets, and headroom what a
// response may be longer than its request (RFC 3261 §18.1.1).
const (
	pathMTU  = 1500
	headroom = 200
)

// reaches gives the listen point that sends by t to address, or nil: one of
// the same address family.
func (n *network) reaches(t model.Transport, address netip.Addr) *listenPoint {
	for _, l := range n.listens {
		if l.Transport == t && l.Address.Addr().Is4() == address.Is4() {
			return l
		}
	}
	return nil
}

// snapshot is one configuration, never changed once it is in use.
type snapshot struct {
	plan        Plan
	networks    map[string]*network
	own         map[hop.Place]*listenPoint
	hosts       map[netip.Addr]bool       // addresses of the box
	names       map[string][]*listenPoint // by host name in lower case: those that it may mean
	recursion   bool
	bills       bool   // calls are recorded
	billsMedia  bool   // and what becomes of their media
	maxForwards []byte // "Max-Forwards: 70\r\n"
	limits      stream.Limits
	// leaving are those that a commit took away and transactions still use.
	leaving map[hop.Place]*listenPoint
}

// noPlan is the routing of a proxy that has no configuration.
type noPlan struct{ Plan }

// Rewrites implements Plan.
func (noPlan) Rewrites(model.TriggerKind) bool { return false }

// at gives the listen point of a place, be it leaving, or nil.
func (s *snapshot) at(place hop.Place) *listenPoint {
	if l := s.own[place]; l != nil {
		return l
	}
	return s.leaving[place]
}

// defaultMaxForwards is what RFC 3261 §16.6 step 3 recommends.
const defaultMaxForwards = 70

// newSnapshot lays out the networks of c. Listen points that old has too are
// taken over, the others are bound; on an error those bound are closed.
func (p *Proxy) newSnapshot(c *model.Config, old *snapshot) (*snapshot, error) {
	plan, err := p.options.Routing.Plan(c)
	if err != nil {
		return nil, err
	}
	s := &snapshot{
		plan:        plan,
		networks:    make(map[string]*network),
		own:         make(map[hop.Place]*listenPoint),
		hosts:       make(map[netip.Addr]bool),
		names:       make(map[string][]*listenPoint),
		recursion:   c.SIP.Recursion,
		bills:       c.SBC.Billing.Bills(),
		billsMedia:  c.SBC.Billing.Bills() && c.SBC.Billing.MediaInfo,
		maxForwards: fmt.Appendf(nil, "Max-Forwards: %d\r\n", cmp.Or(c.SIP.MaxForwards, defaultMaxForwards)),
		limits:      stream.Limits{Idle: time.Duration(c.SIP.TCP.ConnectionTimeout) * time.Second, Connections: c.SIP.TCP.MaxConnections},
	}
	for _, lan := range c.LANs {
		s.hosts[lan.Address.Addr()], s.hosts[lan.Address6.Addr()] = true, true
	}
	for i := range c.SIP.Networks {
		n := &c.SIP.Networks[i]
		s.networks[n.Name] = &network{
			name: n.Name, kind: n.Kind, hide: n.HeaderHide, asks: n.OverloadControl, refuse: n.RefuseConnections, verify: n.TLSVerify,
			connectTimeout: time.Duration(n.ConnectTimeout) * time.Millisecond,
			congestion:     cmp.Or(n.MaxDatagram, pathMTU) - headroom,
			timers:         newTimers(&n.Timers),
		}
		for _, listen := range n.Listens {
			if err := p.listen(s, c, n, hop.Place(listen), old); err != nil {
				s.closeNew(old)
				return nil, fmt.Errorf("sip network %s: %w", n.Name, err)
			}
		}
	}
	return s, nil
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

// listen adds a listen point of network n to s.
func (p *Proxy) listen(s *snapshot, c *model.Config, n *model.SIPNetwork, place hop.Place, old *snapshot) error {
	address := place.Address
	if !address.IsValid() || address.Addr().IsUnspecified() {
		return fmt.Errorf("listen %v %v: an address of the box itself is needed, it stands in Via and Record-Route", place.Transport, address)
	}
	if s.own[place] != nil {
		return fmt.Errorf("listen %v %v: already listened on", place.Transport, address)
	}
	l := &listenPoint{Place: place, network: s.networks[n.Name], dscp: dscp(c, address.Addr())}
	l.write(c, n)
	if before := old.at(place); before != nil {
		l.sockets, l.listener = before.sockets, before.listener
	} else if err := p.bind(l); err != nil {
		return err
	}
	s.own[place], s.hosts[address.Addr()] = l, true
	s.name(l, c, n)
	l.network.listens = append(l.network.listens, l)
	return nil
}

// options are how the listener of a stream accepts and connects.
func (l *listenPoint) options(identity func() (stream.Identity, error)) stream.ListenOptions {
	n := l.network
	return stream.ListenOptions{Network: n.name, Refuse: n.refuse, DSCP: l.dscp, ConnectTimeout: n.connectTimeout,
		Identity: identity, VerifyClients: n.verify}
}

// name notes the host names that may mean l.
func (s *snapshot) name(l *listenPoint, c *model.Config, n *model.SIPNetwork) {
	add := func(name string) {
		name = strings.ToLower(name)
		s.names[name] = append(s.names[name], l)
	}
	for _, alias := range c.SIP.Aliases {
		add(alias)
	}
	for _, r := range n.RecordRoute {
		if r.Transport == l.Transport {
			add(r.Host)
		}
	}
}

// write makes the texts that stand in what leaves from l.
func (l *listenPoint) write(c *model.Config, n *model.SIPNetwork) {
	l.sentBy = []byte(l.Address.String())
	via := "Via"
	if c.SIP.Compaction {
		via = "v"
	}
	asks := ""
	if n.OverloadControl { // RFC 7339 §5.1
		asks = `;oc;oc-algo="loss"`
	}
	l.via = fmt.Appendf(nil, "%s: SIP/2.0/%s %s%s;branch=%s", via, l.Transport.Via(), l.sentBy, asks, branchCookie)
	host := string(l.sentBy)
	for _, r := range n.RecordRoute {
		if r.Transport == l.Transport {
			if host = r.Host; r.Port != 0 {
				host += ":" + strconv.Itoa(r.Port)
			}
		}
	}
	transport := ""
	if l.Transport != model.UDP {
		transport = ";transport=" + l.Transport.String()
	}
	l.recordRoute = fmt.Appendf(nil, "Record-Route: <sip:%s%s;lr;cw=", host, transport)
}

// bind opens what l listens with.
func (p *Proxy) bind(l *listenPoint) (err error) {
	if l.Transport.Stream() {
		l.listener, err = p.streams.Listen(l.Transport, l.Address)
		return err
	}
	for range p.options.Readers {
		socket, err := bindSocket(l.Address)
		if err != nil {
			l.close()
			return err
		}
		l.sockets = append(l.sockets, socket)
	}
	return nil
}

// closeNew closes the listen points that old does not share.
func (s *snapshot) closeNew(old *snapshot) {
	for place, l := range s.own {
		if old.at(place) == nil {
			l.close()
		}
	}
}

// mark has the kernel send with the listen point's DSCP, and tell of ICMP
// errors or not. Its sockets may be older than that.
func (l *listenPoint) mark() error {
	for _, socket := range l.sockets {
		if err := socket.setDSCP(l.dscp, l.Address.Addr().Is6()); err != nil {
			return fmt.Errorf("set DSCP %d of udp %s: %w", l.dscp, l.Address, err)
		}
		if err := socket.setICMP(l.network.kind != model.NetworkNoICMP, l.Address.Addr().Is6()); err != nil {
			return fmt.Errorf("ask for ICMP errors of udp %s: %w", l.Address, err)
		}
	}
	return nil
}

func (l *listenPoint) close() {
	for _, socket := range l.sockets {
		socket.close()
	}
	if l.listener != nil {
		l.listener.Close()
	}
}

// ownURI gives the listen point that a URI names, or nil.
func (s *snapshot) ownURI(raw []byte, uri *message.URI) *listenPoint {
	transport, ok := transportOf(raw, uri)
	if !ok {
		return nil
	}
	if address, ok := uri.Addr(raw); ok {
		port := cmp.Or(uri.Port, transport.DefaultPort())
		return s.at(hop.Place{Transport: transport, Address: netip.AddrPortFrom(address, port)})
	}
	if len(s.names) == 0 {
		return nil
	}
	for _, l := range s.names[strings.ToLower(string(uri.Host.In(raw)))] {
		if l.Transport == transport && (uri.Port == 0 || uri.Port == l.Address.Port()) {
			return l
		}
	}
	return nil
}

// meansUs says whether a URI names the box: a listen point, or without any
// transport the very address that the message in hand came to.
func (w *worker) meansUs(raw []byte, uri *message.URI) bool {
	if w.config.ownURI(raw, uri) != nil {
		return true
	}
	if _, named := uri.Param(raw, "transport"); named {
		return false
	}
	address, ok := uri.Addr(raw)
	return ok && netip.AddrPortFrom(address, cmp.Or(uri.Port, w.at.Transport.DefaultPort())) == w.at.Address
}

// transportOf is the transport that a URI names, UDP where it names none, TLS
// for sips. ok is false for one that we do not speak.
func transportOf(raw []byte, uri *message.URI) (t model.Transport, ok bool) {
	name, found := uri.Param(raw, "transport")
	if !found {
		if uri.Secure {
			return model.TLS, true
		}
		return model.UDP, true
	}
	for _, t := range model.Transports {
		if equalFold(name, t.String()) {
			if uri.Secure && t == model.TCP { // sips over TCP is TLS (RFC 5630 §3.1.4)
				t = model.TLS
			}
			return t, true
		}
	}
	return 0, false
}
