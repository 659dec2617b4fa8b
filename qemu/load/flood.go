package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"causeway/qemu/lab"
)

// Flood is datagrams from sources that are not there, while calls go on.
type Flood struct {
	Program   string // the appliance
	Datagrams int
	Sources   int
	Rate      int // datagrams per second
	Progress  io.Writer
}

// Flooded is how the proxy fared.
type Flooded struct {
	Datagrams, Sources int
	Seconds            float64
	Calls              int // that all went well meanwhile
	Retransmissions    int // of those
	MemoryKB           int // resident before
	WorstKB            int // and at the worst
	Recovery           time.Duration
}

// String gives the result, one key=value a line.
func (f Flooded) String() string {
	return fmt.Sprintf("datagrams=%d\nsources=%d\nseconds=%.1f\ncalls=%d\nretransmissions=%d\nrss_kb_before=%d\nrss_kb_worst=%d\nrecovery_ms=%d\n",
		f.Datagrams, f.Sources, f.Seconds, f.Calls, f.Retransmissions, f.MemoryKB, f.WorstKB, f.Recovery.Milliseconds())
}

// Check fails unless the memory was bounded.
func (f Flooded) Check() error {
	if f.WorstKB > boardMemory>>10 {
		return fmt.Errorf("memory rose from %d to %d kB: on the smallest board the kernel would end the proxy", f.MemoryKB, f.WorstKB)
	}
	return nil
}

// forgedNetwork is where the sources seem to be (RFC 2544).
var forgedNetwork = netip.MustParsePrefix("198.18.0.0/15")

// floodCalls is the rate of the calls that go on.
const floodCalls = 20

// Run does it.
func (f Flood) Run(ctx context.Context) (result Flooded, err error) {
	w, err := open(ctx, f.Program, 2, "")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if result.MemoryKB, err = w.proxy.MemoryKB(); err != nil {
		return result, err
	}
	fmt.Fprintf(f.Progress, "%d datagrams from %d sources, %d a second\n", f.Datagrams, f.Sources, f.Rate)
	length := time.Duration(f.Datagrams) * time.Second / time.Duration(f.Rate)
	result.Datagrams, result.Sources = f.Datagrams, f.Sources
	result.Calls = max(1, int(length.Seconds())) * floodCalls
	watch := watchMemory(w.proxy)
	calls := make(chan error, 1)
	go func() {
		repeated, err := Place(ctx, w.where, []Flow{{Caller: Caller, Callee: Callee, Hold: talk, Calls: result.Calls, Rate: floodCalls}})
		result.Retransmissions = repeated
		calls <- err
	}()
	began := time.Now()
	silent, err := w.where.Probe(CalleeAt(1)) // whom the flood's calls are for
	if err == nil {
		err = errors.Join(f.send(ctx, w.where), silent.Close())
	}
	result.Seconds = time.Since(began).Seconds()
	if err == nil {
		result.Recovery, err = w.recovery(ctx, 1)
	}
	err = errors.Join(err, <-calls)
	result.WorstKB = watch.stop()
	return result, err
}

// What is sent, in turn: a call, a request for the box, one of a dialog that
// is not there, an answer to nothing, and no SIP at all. %[1]s is the source,
// %[2]d the number of the datagram, %[3]s the number called.
var floodMessages = []string{
	floodRequest("INVITE", "%[3]s@127.0.0.1", ""),
	floodRequest("OPTIONS", "127.0.0.1:5060", ""),
	floodRequest("BYE", "%[3]s@127.0.0.1", ";tag=forged"),
	"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK%[2]d\r\nVia: SIP/2.0/UDP %[1]s;branch=z9hG4bK%[2]d\r\n" +
		"From: <sip:a@%[1]s>;tag=%[2]d\r\nTo: <sip:b@%[1]s>;tag=b\r\nCall-ID: flood-%[2]d@%[3]s\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
	"\x16\x03\x01 %[1]s %[2]d %[3]s no SIP at all",
}

func floodRequest(method, uri, toTag string) string {
	return method + " sip:" + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP %[1]s;branch=z9hG4bK%[2]d\r\nFrom: <sip:a@%[1]s>;tag=%[2]d\r\n" +
		"To: <sip:%[3]s@127.0.0.1>" + toTag + "\r\nCall-ID: flood-%[2]d@%[1]s\r\nCSeq: 1 " + method + "\r\nContact: <sip:a@%[1]s>\r\n" +
		"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
}

// send sends them all.
func (f Flood) send(ctx context.Context, where *lab.Namespace) error {
	// Answers go back to where they seem to come from: nowhere.
	if err := where.Address("lo", forgedNetwork); err != nil {
		return err
	}
	socket := -1
	err := where.Do(func() (err error) {
		socket, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	})
	if err != nil {
		return fmt.Errorf("open a raw socket: %w", err)
	}
	defer unix.Close(socket)
	to := &unix.SockaddrInet4{Addr: ProxyAt.Addr().As4()}
	began := time.Now()
	base := binary.BigEndian.Uint32(forgedNetwork.Addr().AsSlice())
	for n := range f.Datagrams {
		var source [4]byte
		binary.BigEndian.PutUint32(source[:], base+1+uint32(n%f.Sources))
		from := netip.AddrFrom4(source)
		text := fmt.Sprintf(floodMessages[n%len(floodMessages)], from, n, Number(1))
		if err := unix.Sendto(socket, forged(netip.AddrPortFrom(from, 5060), ProxyAt, text), 0, to); err != nil && err != unix.ENOBUFS {
			return fmt.Errorf("send datagram %d: %w", n, err)
		}
		if n%100 == 0 {
			sleep(ctx, time.Duration(n)*time.Second/time.Duration(f.Rate)-time.Since(began))
		}
	}
	return ctx.Err()
}

// forged is an IPv4 packet with a UDP datagram, without a checksum in UDP; the
// kernel adds that of IP.
func forged(from, to netip.AddrPort, payload string) []byte {
	const ip, udp = 20, 8
	packet := make([]byte, ip+udp, ip+udp+len(payload))
	packet[0], packet[8], packet[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(packet[2:], uint16(ip+udp+len(payload)))
	copy(packet[12:], from.Addr().AsSlice())
	copy(packet[16:], to.Addr().AsSlice())
	binary.BigEndian.PutUint16(packet[20:], from.Port())
	binary.BigEndian.PutUint16(packet[22:], to.Port())
	binary.BigEndian.PutUint16(packet[24:], uint16(udp+len(payload)))
	return append(packet, payload...)
}
