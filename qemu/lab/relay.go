package lab

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Relay is a bad line between the box and a UDP server: replies get lost on
// it, and come twice.
type Relay struct {
	Lose  atomic.Int32 // replies of a hundred that are lost
	Twice atomic.Int32 // replies of a hundred that come twice
	Lost  atomic.Int64 // replies that were lost

	where  *Namespace
	listen *net.UDPConn
	server netip.AddrPort
	trace  *Trace // nil: nobody wants it
	ended  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	lines  map[netip.AddrPort]*net.UDPConn
	random *rand.Rand
}

// Relay starts one that takes what comes for at to server, and notes all
// datagrams of the side of the box in trace, if that is not nil.
func (n *Namespace) Relay(at, server netip.AddrPort, trace io.Writer) (*Relay, error) {
	r := &Relay{where: n, server: server, lines: map[netip.AddrPort]*net.UDPConn{}, random: rand.New(rand.NewPCG(1, 2))}
	var err error
	if trace != nil {
		if r.trace, err = NewTrace(trace); err != nil {
			return nil, err
		}
	}
	if r.listen, err = n.ListenUDP(at); err != nil {
		return nil, fmt.Errorf("start a relay: %w", err)
	}
	r.listen.SetReadBuffer(relayBuffer)
	r.ended.Go(func() { r.forward(at) })
	return r, nil
}

// relayBuffer is how many octets may wait while the relay has no processor.
const relayBuffer = 2 << 20

// forward takes requests to the server until the relay is closed.
func (r *Relay) forward(at netip.AddrPort) {
	buffer := make([]byte, 65536)
	for {
		n, from, err := r.listen.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP of somebody who is gone
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		r.trace.Note(from, at, buffer[:n])
		if line, err := r.line(from, at); err == nil {
			line.Write(buffer[:n]) // a server that is down refuses: the line is silent then
		}
	}
}

// line gives the socket that stands for a sender at the server.
func (r *Relay) line(from, at netip.AddrPort) (*net.UDPConn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if line := r.lines[from]; line != nil {
		return line, nil
	}
	var line *net.UDPConn
	err := r.where.Do(func() (err error) {
		line, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.server))
		return err
	})
	if err != nil {
		return nil, err
	}
	r.lines[from] = line
	r.ended.Go(func() { r.back(line, at, from) })
	return line, nil
}

// back takes the replies of the server to a sender.
func (r *Relay) back(line *net.UDPConn, at, to netip.AddrPort) {
	buffer := make([]byte, 65536)
	for {
		n, err := line.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		r.mu.Lock()
		lost, twice := r.random.Int32N(100) < r.Lose.Load(), r.random.Int32N(100) < r.Twice.Load()
		r.mu.Unlock()
		if lost {
			r.Lost.Add(1)
			continue
		}
		r.trace.Note(at, to, buffer[:n])
		r.listen.WriteToUDPAddrPort(buffer[:n], to)
		if twice {
			r.listen.WriteToUDPAddrPort(buffer[:n], to)
		}
	}
}

// Close ends the relay.
func (r *Relay) Close() error {
	errs := []error{r.listen.Close()}
	r.mu.Lock()
	for _, line := range r.lines {
		errs = append(errs, line.Close())
	}
	r.mu.Unlock()
	r.ended.Wait()
	return errors.Join(errs...)
}

// Trace writes datagrams as a capture file (pcap) of IPv4 packets.
type Trace struct {
	mu sync.Mutex
	to io.Writer
}

// NewTrace begins one.
func NewTrace(to io.Writer) (*Trace, error) {
	const magic, version, snap, rawIPv4 = 0xa1b2c3d4, 4<<16 | 2, 1 << 18, 228
	var head []byte
	for _, word := range []uint32{magic, version, 0, 0, snap, rawIPv4} {
		head = littleEndian(head, word)
	}
	if _, err := to.Write(head); err != nil {
		return nil, fmt.Errorf("begin a capture file: %w", err)
	}
	return &Trace{to: to}, nil
}

func littleEndian(b []byte, word uint32) []byte {
	return append(b, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
}

// Note adds a datagram. A nil trace takes nothing.
func (t *Trace) Note(from, to netip.AddrPort, payload []byte) {
	if t == nil {
		return
	}
	const ip, udp = 20, 8
	size := ip + udp + len(payload)
	now := time.Now()
	var record []byte
	for _, word := range []uint32{uint32(now.Unix()), uint32(now.Nanosecond() / 1000), uint32(size), uint32(size)} {
		record = littleEndian(record, word)
	}
	source, destination := from.Addr().As4(), to.Addr().As4()
	// Checksums of zero: none was computed.
	record = append(record, 4<<4|ip/4, 0, byte(size>>8), byte(size), 0, 0, 0, 0, 64, 17, 0, 0)
	record = append(append(record, source[:]...), destination[:]...)
	for _, word := range []int{int(from.Port()), int(to.Port()), udp + len(payload), 0} {
		record = append(record, byte(word>>8), byte(word))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to.Write(append(record, payload...))
}
