package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"causeway/qemu/lab"
)

// transit watches INVITEs on the loopback of a namespace: how long each is in
// the proxy, by the kernel's clock, from the moment it is handed to the proxy's
// socket to the moment the proxy has sent it. SIPp's own clock only ticks every
// 4 ms.
type transit struct {
	socket  int // AF_PACKET
	proxy   uint16
	arrived map[string]time.Duration // by Call-ID; passed: it has left, too
	times   []time.Duration
	ending  atomic.Bool
	ended   chan struct{}
}

const passed = time.Duration(math.MinInt64)

// Where things are in a datagram without IP options that carries an INVITE.
const (
	atProtocol = 9
	atSource   = 20
	atTarget   = 22
	atPayload  = 28
	invite     = 0x494e5649 // "INVI"
)

// inviteFilter takes INVITEs as they come in: on loopback each packet is seen
// going out, too. Nothing else costs more than the filter.
var inviteFilter = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 5},
	bpf.LoadAbsolute{Off: atProtocol, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 3},
	bpf.LoadAbsolute{Off: atPayload, Size: 4},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: invite, SkipTrue: 1},
	bpf.RetConstant{Val: 1500},
	bpf.RetConstant{Val: 0},
}

// watchTransit begins to watch a proxy on that port.
func watchTransit(where *lab.Namespace, proxy uint16) (*transit, error) {
	t := &transit{proxy: proxy, arrived: map[string]time.Duration{}, ended: make(chan struct{})}
	filter, err := bpf.Assemble(inviteFilter)
	if err == nil {
		err = where.Do(func() (err error) {
			t.socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("watch loopback: %w", err)
	}
	if err := t.open(filter); err != nil {
		unix.Close(t.socket)
		return nil, fmt.Errorf("watch loopback: %w", err)
	}
	go t.watch()
	return t, nil
}

func (t *transit) open(filter []bpf.RawInstruction) error {
	program := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		program[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	const networkOrderIP = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8
	return errors.Join(
		unix.SetsockoptSockFprog(t.socket, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}),
		unix.SetsockoptInt(t.socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.SetsockoptInt(t.socket, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(t.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000}),
		unix.Bind(t.socket, &unix.SockaddrLinklayer{Protocol: networkOrderIP}))
}

// watch reads until stop is called and all that came before is read.
func (t *transit) watch() {
	defer close(t.ended)
	packet, ancillary := make([]byte, 2048), make([]byte, 256)
	for {
		length, ancillaryLength, _, _, err := unix.Recvmsg(t.socket, packet, ancillary, 0)
		switch {
		case err == unix.EAGAIN:
			if t.ending.Load() {
				return
			}
		case err == nil:
			if at, ok := stampOf(ancillary[:ancillaryLength]); ok {
				t.note(packet[:length], at)
			}
		}
	}
}

// note takes an INVITE that passed at that time. Only the first one of a call
// counts on each side.
func (t *transit) note(packet []byte, at time.Duration) {
	_, rest, found := strings.Cut(string(packet[atPayload:]), "\r\nCall-ID:")
	if !found {
		return
	}
	callID, _, _ := strings.Cut(rest, "\r\n")
	arrived, known := t.arrived[callID]
	port := func(offset int) uint16 { return uint16(packet[offset])<<8 | uint16(packet[offset+1]) }
	switch {
	case port(atTarget) == t.proxy && !known:
		t.arrived[callID] = at
	case port(atSource) == t.proxy && known && arrived != passed:
		t.times = append(t.times, at-arrived)
		t.arrived[callID] = passed
	}
}

// stampOf is when the kernel saw a packet.
func stampOf(ancillary []byte) (time.Duration, bool) {
	messages, err := unix.ParseSocketControlMessage(ancillary)
	if err != nil {
		return 0, false
	}
	for _, message := range messages {
		if message.Header.Type == unix.SCM_TIMESTAMPNS && len(message.Data) >= 16 { // a struct timespec
			seconds := binary.NativeEndian.Uint64(message.Data)
			return time.Duration(seconds)*time.Second + time.Duration(binary.NativeEndian.Uint64(message.Data[8:])), true
		}
	}
	return 0, false
}

// stop ends the watch and gives the time of each INVITE.
func (t *transit) stop() []time.Duration {
	t.ending.Store(true)
	<-t.ended
	unix.Close(t.socket)
	return t.times
}

// percentile gives the value that p of 100 do not exceed; 0 of none.
func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[(len(sorted)*p+99)/100-1]
}
