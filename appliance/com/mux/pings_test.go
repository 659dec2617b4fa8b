package mux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/coder/websocket"

	"causeway/appliance/com/wire"
)

// frame is one of yamux, with what follows it.
func frame(typ byte, flags uint16, follows []byte) []byte {
	header := make([]byte, frameHeader)
	header[1] = typ
	binary.BigEndian.PutUint16(header[2:], flags)
	binary.BigEndian.PutUint32(header[8:], uint32(len(follows)))
	return append(header, follows...)
}

// TestPings: pings are counted in whatever pieces frames come, and what stands in
// data is none.
func TestPings(t *testing.T) {
	ping := frame(framePing, frameSYN, nil)
	one := bytes.Join([][]byte{
		frame(frameData, 0, bytes.Repeat(ping, 3)), frame(frameData, 0, nil), frame(1, frameSYN, nil), frame(framePing, 2, nil), ping,
	}, nil)
	for _, size := range []int{1, 5, 12, 64, 4096} {
		var p pings
		now := time.Unix(1e9, 0)
		for i := range 3 * pingBurst {
			late := i >= pingBurst // from then on they come at the pace that may be
			if late {
				now = now.Add(pingEvery)
			}
			for rest := one; len(rest) > 0; {
				n := min(size, len(rest))
				if err := p.pass(rest[:n], now); err != nil {
					t.Fatalf("ping %d in pieces of %d = %v; want nil", i+1, size, err)
				}
				rest = rest[n:]
			}
		}
		if err := p.pass(ping, now); !errors.Is(err, ErrPings) {
			t.Errorf("one more ping after pieces of %d = %v; want %v", size, err, ErrPings)
		}
	}
}

// TestPingFlood has COM ping and read nothing: the session ends, and what waits to
// answer with it.
func TestPingFlood(t *testing.T) {
	socket, com, _ := connect(t, sendBuffer)
	box, err := Server(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	before := runtime.NumGoroutine()
	flood := bytes.Repeat(frame(framePing, frameSYN, nil), wire.Chunk/frameHeader)
	for range 100 {
		if err := com.Write(t.Context(), websocket.MessageBinary, flood); err != nil {
			break // it is over
		}
	}
	<-box.Done()
	if err := box.Err(); !errors.Is(err, ErrPings) {
		t.Errorf("Err = %v; want %v", err, ErrPings)
	}
	if n := runtime.NumGoroutine() - before; n > 2*pingBurst {
		t.Errorf("%d goroutines are left", n)
	}
}

// FuzzPings: nothing that comes harms the counting, and the pieces that it comes
// in do not matter.
func FuzzPings(f *testing.F) {
	f.Add(bytes.Repeat(frame(framePing, frameSYN, nil), pingBurst+1), 7)
	f.Add(frame(frameData, 0, []byte("text")), 1)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 1}, 12)
	f.Fuzz(func(t *testing.T, octets []byte, size int) {
		if size < 1 {
			return
		}
		var whole, parts pings
		now := time.Unix(1e9, 0)
		want := whole.pass(octets, now)
		var got error
		for rest := octets; len(rest) > 0 && got == nil; {
			n := min(size, len(rest))
			got = parts.pass(rest[:n], now)
			rest = rest[n:]
		}
		if got != want {
			t.Errorf("pass(%x) in pieces of %d = %v; as a whole %v", octets, size, got, want)
		}
	})
}
