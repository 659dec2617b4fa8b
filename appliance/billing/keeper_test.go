package billing

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"layeh.com/radius"

	"causeway/appliance/billing/packetcable"
)

// keeper is a record keeper: it acknowledges what comes, and remembers it.
type keeper struct {
	address netip.AddrPort
	silent  atomic.Bool

	mu       sync.Mutex
	messages map[uint32][][]byte // by Sequence_Number: all copies
	order    map[packetcable.BCID][]packetcable.Header
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	k := &keeper{address: conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		messages: map[uint32][][]byte{}, order: map[packetcable.BCID][]packetcable.Header{}}
	ended := make(chan struct{})
	go func() { defer close(ended); k.serve(t, conn) }()
	t.Cleanup(func() { conn.Close(); <-ended })
	return k
}

func (k *keeper) serve(t *testing.T, conn *net.UDPConn) {
	buffer := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		packet, err := radius.Parse(buffer[:n], []byte("0000000000000000"))
		if err != nil {
			t.Errorf("a request that is none: %v", err)
			return
		}
		if k.silent.Load() || packet.Code != radius.CodeAccountingRequest {
			continue
		}
		k.take(t, packet)
		answer, err := packet.Response(radius.CodeAccountingResponse).Encode()
		if err != nil {
			t.Errorf("answer: %v", err)
		}
		conn.WriteToUDPAddrPort(answer, from) // lost answers are tried again
	}
}

// take remembers the messages of a request.
func (k *keeper) take(t *testing.T, packet *radius.Packet) {
	var octets []byte
	for _, a := range packet.Attributes {
		if a.Type == 26 {
			octets = append(append(octets, 26, byte(2+len(a.Attribute))), a.Attribute...)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(octets) > 0 {
		m, rest, err := packetcable.Decode(octets)
		if err != nil {
			t.Errorf("a message that is none: %v", err)
			return
		}
		copies := k.messages[m.Header.Sequence]
		if len(copies) == 0 {
			k.order[m.Header.BCID] = append(k.order[m.Header.BCID], m.Header)
		}
		k.messages[m.Header.Sequence] = append(copies, bytes.Clone(octets[:len(octets)-len(rest)]))
		octets = rest
	}
}

// count is how many messages there are, each counted once.
func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.messages)
}

// first is the second of the first half-call.
func (k *keeper) first() (seconds uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.order {
		if seconds == 0 || id.Seconds < seconds {
			seconds = id.Seconds
		}
	}
	return seconds
}

// await waits for that many messages.
func (k *keeper) await(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); k.count() < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d messages came within a minute; want %d", k.count(), n)
		}
	}
}

// check finds the messages of the calls first to last: for both half-calls all
// of them, in order, once each, copies the same.
func (k *keeper) check(t *testing.T, first, last int) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for number, copies := range k.messages {
		for _, other := range copies[1:] {
			if !bytes.Equal(copies[0], other) {
				t.Errorf("message %d came as %x and as %x", number, copies[0], other)
			}
		}
	}
	whole := []packetcable.MessageType{packetcable.SignalingStart, packetcable.CallAnswer, packetcable.CallDisconnect, packetcable.SignalingStop}
	for n := first; n <= last; n++ {
		halves := 0
		for id, headers := range k.order {
			if id.Seconds != packetcable.NewBCID(callTime(n), id.Element, 0).Seconds {
				continue
			}
			halves++
			var types []packetcable.MessageType
			for _, h := range headers {
				types = append(types, h.Type)
			}
			if want := whole[:2]; n%10 == 0 && !slices.Equal(types, want) && !slices.Equal(types, whole) || n%10 != 0 && !slices.Equal(types, whole) {
				t.Errorf("call %d, half-call %d: messages %v", n, id.Counter&1, types)
			}
		}
		if halves != 2 {
			t.Errorf("call %d has %d half-calls; want 2", n, halves)
		}
	}
}
