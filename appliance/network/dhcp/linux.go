package dhcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/server4"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Linux is the Kernel of this machine. It needs CAP_NET_RAW, and
// CAP_NET_BIND_SERVICE to listen.
type Linux struct{}

// Watch tells of every link (rtnetlink(7)).
func (Linux) Watch(ctx context.Context, changed func(name string, link Link)) error {
	updates, done := make(chan netlink.LinkUpdate), make(chan struct{})
	var failure error
	options := netlink.LinkSubscribeOptions{
		ListExisting:  true,
		ErrorCallback: func(err error) { failure = err }, // called before updates is closed
	}
	if err := netlink.LinkSubscribeWithOptions(updates, done, options); err != nil {
		return fmt.Errorf("subscribe to links: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { close(done) })
	for update := range updates {
		changed(update.Attrs().Name, linkOf(update))
	}
	if !stop() { // ctx has ended
		return nil
	}
	close(done)
	return fmt.Errorf("watch links: %w", failure)
}

func linkOf(update netlink.LinkUpdate) Link {
	attrs := update.Attrs()
	if update.Header.Type == unix.RTM_DELLINK || len(attrs.HardwareAddr) != len(MAC{}) {
		return Link{}
	}
	return Link{Index: attrs.Index, MAC: MAC(attrs.HardwareAddr), Carrier: attrs.RawFlags&unix.IFF_RUNNING != 0}
}

// dhcpFilter lets pass what comes for DHCP clients. Without it each packet of
// the port would be copied to this process.
var dhcpFilter = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoUDP, SkipTrue: 5},
	bpf.LoadAbsolute{Off: 6, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 3}, // a later fragment
	bpf.LoadMemShift{Off: 0},                                    // the length of the IP header
	bpf.LoadIndirect{Off: 2, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: clientPort, SkipTrue: 1},
	bpf.RetConstant{Val: 0},
	bpf.RetConstant{Val: 1 << 16},
}

// nothing is the filter of a socket that only sends.
var nothing = []bpf.Instruction{bpf.RetConstant{Val: 0}}

// packetSocket is an AF_PACKET socket of one link, of one protocol, without
// the Ethernet headers (packet(7)).
type packetSocket struct {
	file     *os.File
	link     Link
	protocol uint16 // in network byte order
}

// openSocket opens one; filter may be nil.
func openSocket(link Link, protocol uint16, filter []bpf.Instruction) (*packetSocket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	s := &packetSocket{os.NewFile(uintptr(fd), "packet socket"), link, protocol<<8 | protocol>>8}
	// It hears nothing before it is bound, so nothing slips past the filter.
	if err := errors.Join(attach(fd, filter), unix.Bind(fd, s.address(MAC{}))); err != nil {
		s.file.Close()
		return nil, fmt.Errorf("bind a packet socket to interface %d: %w", link.Index, err)
	}
	return s, nil
}

func attach(fd int, filter []bpf.Instruction) error {
	if filter == nil {
		return nil
	}
	assembled, err := bpf.Assemble(filter)
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(assembled))
	for i, a := range assembled {
		program[i] = unix.SockFilter{Code: a.Op, Jt: a.Jt, Jf: a.Jf, K: a.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

func (s *packetSocket) address(mac MAC) *unix.SockaddrLinklayer {
	to := &unix.SockaddrLinklayer{Protocol: s.protocol, Ifindex: s.link.Index, Halen: uint8(len(mac))}
	copy(to.Addr[:], mac[:])
	return to
}

// write sends a packet to a station.
func (s *packetSocket) write(packet []byte, to MAC) error {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), packet, 0, s.address(to))
		return !errors.Is(sent, unix.EAGAIN)
	})
	return errors.Join(err, sent)
}

// read waits for a packet from another station on this very link to this one.
// The kernel shows the packets of its VLANs as well: those of a VLAN with an
// interface have its index, those of others count as another host's.
func (s *packetSocket) read(buffer []byte) (packet []byte, from MAC, err error) {
	raw, err := s.file.SyscallConn()
	if err != nil {
		return nil, from, err
	}
	for {
		var n int
		var address unix.Sockaddr
		var received error
		err := raw.Read(func(fd uintptr) bool {
			n, address, received = unix.Recvfrom(int(fd), buffer, 0)
			return !errors.Is(received, unix.EAGAIN)
		})
		if err := errors.Join(err, received); err != nil && !errors.Is(err, unix.ENETDOWN) { // it comes up again
			return nil, from, err
		}
		source, ok := address.(*unix.SockaddrLinklayer)
		if !ok || source.Ifindex != s.link.Index || source.Pkttype == unix.PACKET_OUTGOING || source.Pkttype == unix.PACKET_OTHERHOST {
			continue
		}
		return buffer[:n], MAC(source.Addr[:6]), nil
	}
}

// messageMax is the longest message that is read, in octets: an Ethernet frame.
const messageMax = 1500

// linuxWire is the Wire of a link.
type linuxWire struct {
	*packetSocket
	received chan Received
}

// queued is how many messages wait for the client; more come in a storm only.
const queued = 16

// Wire opens a packet socket.
func (Linux) Wire(link Link) (Wire, error) {
	socket, err := openSocket(link, unix.ETH_P_IP, dhcpFilter)
	if err != nil {
		return nil, err
	}
	w := &linuxWire{socket, make(chan Received, queued)}
	go w.receive() // until Close
	return w, nil
}

func (w *linuxWire) receive() {
	defer close(w.received)
	buffer := make([]byte, messageMax)
	for {
		packet, from, err := w.read(buffer)
		if err != nil {
			return
		}
		d, err := parseDatagram(packet)
		if err != nil || d.source.Port() != serverPort || d.destination.Port() != clientPort {
			continue
		}
		m, err := dhcpv4.FromBytes(d.payload)
		if err != nil || string(m.ClientHWAddr) != string(w.link.MAC[:]) {
			continue // another host's
		}
		select {
		case w.received <- Received{m, from}:
		default:
		}
	}
}

func (w *linuxWire) Received() <-chan Received { return w.received }

func (w *linuxWire) Send(m *dhcpv4.DHCPv4, source netip.Addr, to Station) error {
	d := datagram{netip.AddrPortFrom(source, clientPort), netip.AddrPortFrom(to.Address, serverPort), m.ToBytes()}
	if err := w.write(d.packet(), to.MAC); err != nil {
		return fmt.Errorf("send %v to %v: %w", m.MessageType(), to.Address, err)
	}
	return nil
}

func (w *linuxWire) Close() error {
	err := w.file.Close()
	for range w.received { // until receive has ended
	}
	return err
}

// linuxListener is the Listener of an interface: a UDP socket, and a packet
// socket for hosts that have no address yet.
type linuxListener struct {
	udp    *net.UDPConn
	packet *packetSocket
	buffer []byte
}

// Listen opens the port of servers on the interface.
func (Linux) Listen(name string, link Link) (Listener, error) {
	udp, err := server4.NewIPv4UDPConn(name, &net.UDPAddr{Port: serverPort})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", name, err)
	}
	socket, err := openSocket(link, unix.ETH_P_IP, nothing)
	if err != nil {
		udp.Close()
		return nil, err
	}
	return &linuxListener{udp, socket, make([]byte, messageMax)}, nil
}

func (l *linuxListener) Receive() (*dhcpv4.DHCPv4, error) {
	for {
		n, _, err := l.udp.ReadFromUDPAddrPort(l.buffer)
		if err != nil {
			return nil, err
		}
		if m, err := dhcpv4.FromBytes(l.buffer[:n]); err == nil {
			return m, nil
		}
	}
}

func (l *linuxListener) Send(m *dhcpv4.DHCPv4, source netip.Addr, to netip.AddrPort, mac MAC) error {
	var err error
	if mac == (MAC{}) {
		_, err = l.udp.WriteToUDPAddrPort(m.ToBytes(), to)
	} else {
		err = l.packet.write(datagram{netip.AddrPortFrom(source, serverPort), to, m.ToBytes()}.packet(), mac)
	}
	if err != nil {
		return fmt.Errorf("send %v to %v: %w", m.MessageType(), to, err)
	}
	return nil
}

func (l *linuxListener) Close() error { return errors.Join(l.udp.Close(), l.packet.file.Close()) }

// How an address is asked for. RFC 5227 §1.1 has three probes a second or two
// apart and two seconds more; a switched LAN answers within milliseconds, and
// a host that boots waits for us.
const (
	probes     = 3
	probeEvery = 300 * time.Millisecond
)

// Probe asks by ARP. The sender's address is 0, so that no host learns
// anything from it.
func (Linux) Probe(ctx context.Context, link Link, address netip.Addr) (holder MAC, err error) {
	socket, err := openSocket(link, unix.ETH_P_ARP, nil)
	if err != nil {
		return holder, err
	}
	defer socket.file.Close()
	stop := context.AfterFunc(ctx, func() { socket.file.Close() })
	defer stop()
	request := arp{arpRequest, Station{netip.IPv4Unspecified(), link.MAC}, Station{address, MAC{}}}
	buffer := make([]byte, arpLength)
	for range probes {
		if err := socket.write(request.packet(), broadcastMAC); err != nil {
			return holder, fmt.Errorf("probe %v: %w", address, err)
		}
		if err := socket.file.SetReadDeadline(time.Now().Add(probeEvery)); err != nil {
			return holder, fmt.Errorf("probe %v: %w", address, err)
		}
		for {
			packet, _, err := socket.read(buffer)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return holder, fmt.Errorf("probe %v: %w", address, errors.Join(ctx.Err(), err))
			}
			// A probe of another for the same address is a claim too (§2.1.1).
			a, err := parseARP(packet)
			probing := a.operation == arpRequest && a.sender.Address.IsUnspecified() && a.target.Address == address
			if err == nil && a.sender.MAC != link.MAC && (a.sender.Address == address || probing) {
				return a.sender.MAC, nil
			}
		}
	}
	return holder, nil
}

// Announce sends one ARP announcement (RFC 5227 §2.3).
func (Linux) Announce(link Link, address netip.Addr) error {
	socket, err := openSocket(link, unix.ETH_P_ARP, nothing)
	if err != nil {
		return err
	}
	defer socket.file.Close()
	self := Station{address, link.MAC}
	return socket.write(arp{arpRequest, self, Station{address, MAC{}}}.packet(), broadcastMAC)
}
