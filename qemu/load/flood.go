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
	Calls              int // meanwhile
	Admitted           int // of these: that reached the callee; others got 503
	Completed          int // of these: to their end
	Retransmissions    int
	MemoryKB           int // resident before
	WorstKB            int // and at the worst
	Recovery           time.Duration
}

// String gives the result, one key=value a line.
func (f Flooded) String() string {
	return fmt.Sprintf("datagrams=%d\nsources=%d\nseconds=%.1f\ncalls=%d\ncalls_admitted=%d\ncalls_completed=%d\nretransmissions=%d\nrss_kb_before=%d\nrss_kb_worst=%d\nrecovery_ms=%d\n",
		f.Datagrams, f.Sources, f.Seconds, f.Calls, f.Admitted, f.Completed, f.Retransmissions, f.MemoryKB, f.WorstKB, f.Recovery.Milliseconds())
}

// Check fails unless the memory was bounded and calls went on: that many in a
// hundred were admitted, and of these that many completed. SIPp gives up a call in
// which a message comes twice, so a few may be missing.
func (f Flooded) Check(admitted, completed int) error {
	switch {
	case f.WorstKB > boardMemory>>10:
		return fmt.Errorf("memory rose from %d to %d kB: on the smallest board the kernel would end the proxy", f.MemoryKB, f.WorstKB)
	case f.Admitted == 0 || 100*f.Admitted < admitted*f.Calls:
		return fmt.Errorf("%d of %d calls were admitted", f.Admitted, f.Calls)
	case 100*f.Completed < completed*f.Admitted:
		return fmt.Errorf("%d of %d admitted calls completed", f.Completed, f.Admitted)
	}
	return nil
}

// forgedNetwork is where the sources seem to be (RFC 2544).
var forgedNetwork = netip.MustParsePrefix("198.18.0.0/15")

// floodCalls is the rate of the calls that go on, and insistent their caller: it
// takes a refusal for an end like another, and waits for a slow end.
const (
	floodCalls            = 20
	insistent  lab.Ladder = "send INVITE, recv 100?, recv 503? ends, recv 180?, recv 200, send ACK, hold, send BYE, recv 100?, recv 200"
)

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
	finish, err := result.place(ctx, w)
	if err != nil {
		return result, err
	}
	began := time.Now()
	silent, err := w.where.Probe(CalleeAt(1)) // whom the flood's calls are for
	if err == nil {
		err = errors.Join(f.send(ctx, w.where), silent.Close())
	}
	result.Seconds = time.Since(began).Seconds()
	if err == nil {
		result.Recovery, err = w.recovery(ctx, 1)
	}
	err = errors.Join(err, finish())
	result.WorstKB = watch.stop()
	return result, err
}

// place starts the calls. finish waits until they have ended, one way or the
// other, and counts them.
func (r *Flooded) place(ctx context.Context, w *world) (finish func() error, err error) {
	limit := time.Duration(r.Calls/floodCalls)*time.Second + afterwards
	callee, err := w.where.SIPp(ctx, lab.SIPp{Ladder: Callee, Local: CalleeAt(0), Limit: 2 * limit, Repeats: true})
	if err != nil {
		return nil, err
	}
	caller, err := w.where.SIPp(ctx, lab.SIPp{
		Ladder: insistent, Local: callerAt(0), Remote: ProxyAt, User: Number(0),
		Calls: r.Calls, Rate: floodCalls, Hold: talk, Limit: limit, Repeats: true,
	})
	if err != nil {
		callee.Stop()
		callee.Wait()
		return nil, err
	}
	return func() error {
		calling, _ := caller.Wait() // calls that were refused are no failure
		sleep(ctx, 2*time.Second)   // SIPp writes its account once a second
		called, err := callee.Statistics()
		callee.Stop()
		callee.Wait() // removes its files
		r.Admitted, r.Completed = called.Created, called.Succeeded
		r.Retransmissions = calling.Retransmissions + called.Retransmissions
		return err
	}, nil
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
