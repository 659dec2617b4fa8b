package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// How traceroute looks for the way, as everybody does.
const (
	firstPort   = 33434 // of the destination; one more for each probe
	probesAHop  = 3
	longestWay  = 30
	probeLength = 32 // octets of data
	hopPatience = 3 * time.Second
)

// probeRequest is one datagram that a router on the way is to send back.
type probeRequest struct {
	way
	port    uint16
	ttl     int
	timeout time.Duration
}

// hop is who answered a probe.
type hop struct {
	address netip.Addr
	took    time.Duration
	arrived bool   // at the destination
	mark    string // why it goes no further, as traceroute prints it: " !N"
}

// errNoHop means that nobody answered in time.
var errNoHop = errors.New("no answer")

func (o observer) traceroute(ctx context.Context, s exec.Session, a config.Args) error {
	way, err := findWay(ctx, s, a)
	if err != nil {
		return err
	}
	fmt.Fprintf(s, "Tracing the route to %v, at most %d hops\n", way.target, longestWay)
	for ttl := 1; ttl <= longestWay; ttl++ {
		if _, err := fmt.Fprintf(s, "%3d", ttl); err != nil {
			return err // the operator has seen enough
		}
		ended, err := o.traceHop(ctx, s, way, ttl)
		fmt.Fprintln(s)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("trace the route to %v: %w", way.target, plainly(err))
		}
		if ended {
			return nil
		}
	}
	return nil
}

// traceHop sends the probes of one hop and prints who answered and when. It
// reports whether the way ends here.
func (o observer) traceHop(ctx context.Context, s exec.Session, w way, ttl int) (ended bool, err error) {
	var last netip.Addr
	for n := range probesAHop {
		port := firstPort + probesAHop*(ttl-1) + n
		found, err := o.probe(ctx, probeRequest{w, uint16(port), ttl, hopPatience})
		switch {
		case ctx.Err() != nil:
			return true, nil
		case errors.Is(err, errNoHop):
			fmt.Fprint(s, " *")
			continue
		case err != nil:
			return true, err
		}
		if found.address != last {
			fmt.Fprintf(s, " %v", found.address)
			last = found.address
		}
		fmt.Fprintf(s, " %.1f ms%s", milliseconds(found.took), found.mark)
		ended = ended || found.arrived || found.mark != ""
	}
	return ended, nil
}

// probe sends a datagram that lives for so many hops, and waits for the ICMP
// message that it is answered with. The kernel hands that to the socket it is
// about (IP_RECVERR of ip(7)), which needs no privilege.
func probe(ctx context.Context, r probeRequest) (hop, error) {
	dialer := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error { return prepareProbe(c, r) }}
	if r.source.IsValid() {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.source, 0))
	}
	conn, err := dialer.DialContext(ctx, "udp", netip.AddrPortFrom(r.target, r.port).String())
	if err != nil {
		return hop{}, err
	}
	defer conn.Close()
	began := time.Now()
	if err := conn.SetReadDeadline(began.Add(r.timeout)); err != nil {
		return hop{}, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(began) })
	defer stop()
	if _, err := conn.Write(make([]byte, probeLength)); err != nil {
		return hop{}, err
	}
	found, err := awaitHop(conn.(syscall.Conn), r.target)
	found.took = time.Since(began)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return hop{}, errNoHop
	}
	return found, err
}

func prepareProbe(c syscall.RawConn, r probeRequest) (err error) {
	options := [...]struct{ level, name, value int }{
		{unix.IPPROTO_IP, unix.IP_TTL, r.ttl}, {unix.IPPROTO_IP, unix.IP_RECVERR, 1},
	}
	if r.target.Is6() {
		options = [...]struct{ level, name, value int }{
			{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, r.ttl}, {unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1},
		}
	}
	controlErr := c.Control(func(fd uintptr) {
		for _, option := range options {
			if err == nil {
				err = unix.SetsockoptInt(int(fd), option.level, option.name, option.value)
			}
		}
	})
	return errors.Join(err, controlErr)
}

// awaitHop waits for an ICMP message about the socket, or for a datagram: then
// the destination has something at this port.
func awaitHop(conn syscall.Conn, target netip.Addr) (found hop, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return hop{}, err
	}
	data, control := make([]byte, 1), make([]byte, 512)
	waitErr := raw.Read(func(fd uintptr) bool {
		for {
			_, n, _, _, err := unix.Recvmsg(int(fd), data, control, unix.MSG_ERRQUEUE)
			if err != nil {
				break
			}
			answered := false
			if found, answered = readHop(control[:n]); answered {
				return true
			}
		}
		// An error here is that of a message which the queue has by now.
		_, _, err := unix.Recvfrom(int(fd), data, unix.MSG_DONTWAIT)
		found = hop{address: target, arrived: true}
		return err == nil
	})
	return found, waitErr
}

// icmpKind is what is told of a datagram by one version of ICMP, and how it
// comes in a control message (ip(7), ipv6(7)).
type icmpKind struct {
	level, message int32
	origin         uint8
	exceeded       uint8 // type: time exceeded
	unreachable    uint8 // type: destination unreachable
	port           uint8 // code: of its port, which is where a route ends well
	marks          map[uint8]string
	address        int // where the sender's is, in octets
	length         int
}

// icmpKinds have the types and codes of RFC 792, RFC 1812 §5.2.7.1 and RFC
// 4443 §3, with the marks by which traceroute is read everywhere.
var icmpKinds = []icmpKind{
	{
		level: unix.IPPROTO_IP, message: unix.IP_RECVERR, origin: unix.SO_EE_ORIGIN_ICMP,
		exceeded: 11, unreachable: 3, port: 3,
		marks:   map[uint8]string{0: " !N", 1: " !H", 2: " !P", 4: " !F", 9: " !A", 10: " !A", 13: " !A"},
		address: extendedError + 4, length: 4, // in sockaddr_in
	},
	{
		level: unix.IPPROTO_IPV6, message: unix.IPV6_RECVERR, origin: unix.SO_EE_ORIGIN_ICMP6,
		exceeded: 3, unreachable: 1, port: 4,
		marks:   map[uint8]string{0: " !N", 1: " !A", 3: " !H", 5: " !A", 6: " !A"},
		address: extendedError + 8, length: 16, // in sockaddr_in6
	},
}

// extendedError is the length of struct sock_extended_err, which the sender's
// address follows.
const extendedError = 16

// readHop reads the control messages of an entry in a socket's error queue. It
// reports whether they tell of an ICMP message that answers a probe.
func readHop(control []byte) (hop, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return hop{}, false
	}
	for _, m := range messages {
		for _, kind := range icmpKinds {
			if m.Header.Level == kind.level && m.Header.Type == kind.message && len(m.Data) >= kind.address+kind.length {
				return kind.read(m.Data)
			}
		}
	}
	return hop{}, false
}

// read reads a sock_extended_err and the address after it.
func (k *icmpKind) read(data []byte) (hop, bool) {
	origin, icmpType, code := data[4], data[5], data[6]
	address, _ := netip.AddrFromSlice(data[k.address : k.address+k.length])
	found := hop{address: address}
	switch {
	case origin != k.origin:
		return hop{}, false
	case icmpType == k.exceeded:
	case icmpType == k.unreachable && code == k.port:
		found.arrived = true
	case icmpType == k.unreachable:
		if found.mark = k.marks[code]; found.mark == "" {
			found.mark = fmt.Sprintf(" !%d", code)
		}
	default:
		return hop{}, false
	}
	return found, true
}
