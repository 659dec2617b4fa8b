package clock

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/beevik/ntp"
)

func TestJudge(t *testing.T) {
	tests := []struct {
		name string
		edit func(*ntp.Response)
		want string // "" is acceptable
	}{
		{"good", func(*ntp.Response) {}, ""},
		{"stratum 15", func(r *ntp.Response) { r.Stratum = 15 }, ""},
		{"stratum 16", func(r *ntp.Response) { r.Stratum = 16 }, ntp.ErrInvalidStratum.Error()},
		{"kiss: rate", func(r *ntp.Response) { r.Stratum, r.KissCode = 0, "RATE" }, errRate.Error()},
		{"kiss: another", func(r *ntp.Response) { r.Stratum, r.KissCode = 0, "INIT" }, ntp.ErrKissOfDeath.Error()},
		{"kiss: deny", func(r *ntp.Response) { r.Stratum, r.KissCode = 0, "DENY" }, errDenied.Error()},
		{"kiss: restricted", func(r *ntp.Response) { r.Stratum, r.KissCode = 0, "RSTR" }, errDenied.Error()},
		{"itself unsynchronised", func(r *ntp.Response) { r.Leap = ntp.LeapNotInSync }, ntp.ErrInvalidLeapSecond.Error()},
		{"not set for two days", func(r *ntp.Response) { r.ReferenceTime = r.Time.Add(-48 * time.Hour) }, ntp.ErrServerClockFreshness.Error()},
		{"set in the future", func(r *ntp.Response) { r.ReferenceTime = r.Time.Add(time.Second) }, ntp.ErrInvalidTime.Error()},
		{"dispersion", func(r *ntp.Response) { r.RootDispersion = 17 * time.Second }, ntp.ErrInvalidDispersion.Error()},
		{"root distance at the limit", func(r *ntp.Response) { r.RootDistance = maxDistance }, ""},
		{"root distance over it", func(r *ntp.Response) { r.RootDistance = maxDistance + time.Millisecond }, "root distance 1.501s is over 1.5s"},
	}
	for _, test := range tests {
		r := off(0)
		test.edit(r)
		got := ""
		if err := judge(r); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("judge(%s) = %q; want %q", test.name, got, test.want)
		}
	}
}

// packet is a server's answer to query, with its clock ahead by offset
// (RFC 5905 §7.3).
func packet(query []byte, offset time.Duration) []byte {
	now := time.Now().Add(offset)
	seconds := uint64(now.Unix() + 2208988800) // from 1900
	stamp := seconds<<32 | uint64(now.Nanosecond())<<32/uint64(time.Second)
	reply := make([]byte, 48)
	reply[0] = 4<<3 | 4                                    // version 4, server
	reply[1], reply[2], reply[3] = 2, 6, 0xec              // stratum, poll, precision
	binary.BigEndian.PutUint64(reply[16:], stamp-(10<<32)) // reference
	copy(reply[24:32], query[40:48])                       // origin
	binary.BigEndian.PutUint64(reply[32:], stamp)          // receive
	binary.BigEndian.PutUint64(reply[40:], stamp)          // transmit
	return reply
}

// TestQuery asks a server on loopback, an old packet of a spoofer among the
// answers, and a server that is silent until the context ends.
func TestQuery(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answers := []func(query []byte) []byte{
		func(query []byte) []byte { return packet(query, time.Hour) },
		func([]byte) []byte { return packet(make([]byte, 48), time.Hour) },
		func(query []byte) []byte { return packet(query, 0)[:47] },
		func(query []byte) []byte { p := packet(query, 0); p[3] = 0x80; return p },
		func(query []byte) []byte { p := packet(query, 0); p[0] = 6<<3 | 4; return p },
		nil,
	}
	silent := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, 512)
		for _, answer := range answers {
			n, from, err := server.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer == nil {
				close(silent)
				return
			}
			if _, err := server.WriteTo(answer(buffer[:n]), from); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { server.Close(); <-ended })

	at := netip.MustParseAddrPort(server.LocalAddr().String())
	response, err := Query(t.Context(), at)
	if err != nil {
		t.Fatalf("Query = %v; want nil", err)
	}
	if err := judge(response); err != nil {
		t.Errorf("judge(response) = %v; want nil", err)
	}
	if wrong := (response.ClockOffset - time.Hour).Abs(); wrong > response.RTT+time.Millisecond {
		t.Errorf("ClockOffset = %s; want 1h within the round trip of %s", response.ClockOffset, response.RTT)
	}
	if _, err := Query(t.Context(), at); !errors.Is(err, ntp.ErrServerResponseMismatch) {
		t.Errorf("Query answered by a spoofer = %v; want %v", err, ntp.ErrServerResponseMismatch)
	}
	for _, name := range []string{"47 octets", "precision 2^-128 s", "version 6"} {
		if _, err := Query(t.Context(), at); !errors.Is(err, errMalformed) {
			t.Errorf("Query answered with %s = %v; want %v", name, err, errMalformed)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-silent; cancel() }()
	if _, err := Query(ctx, at); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Query of a silent server = %v; want it to end with its context", err)
	}
}

// wire is a connection to a server that answers one fixed packet, with the
// origin that the query asks for.
type wire struct {
	net.Conn
	reply []byte
}

func (w *wire) Write(query []byte) (int, error) {
	if len(w.reply) >= 32 {
		copy(w.reply[24:32], query[40:48])
	}
	return len(query), nil
}
func (w *wire) Read(b []byte) (int, error)  { return copy(b, w.reply), nil }
func (w *wire) Close() error                { return nil }
func (w *wire) SetDeadline(time.Time) error { return nil }

// FuzzResponse: whatever a server sends, what judge lets pass is of a
// synchronised server and near enough to follow.
func FuzzResponse(f *testing.F) {
	good := packet(make([]byte, 48), time.Second)
	f.Add(good)
	f.Add(good[:40])
	for i, value := range map[int]byte{0: 0xf4, 1: 0, 2: 0x80, 3: 0x80, 4: 0xff, 8: 0xff, 32: 0, 40: 0} {
		bad := append([]byte(nil), good...)
		bad[i] = value
		f.Add(bad)
	}
	coarse := append([]byte(nil), good...)
	coarse[3] = 0x3c // 2^60 s
	f.Add(coarse)
	f.Fuzz(func(t *testing.T, reply []byte) {
		response, err := queryOver(netip.AddrPortFrom(first, port), func(string, string) (net.Conn, error) {
			return &wire{reply: append([]byte(nil), reply...)}, nil
		})
		if err != nil || judge(response) != nil {
			return
		}
		if response.Stratum < 1 || response.Stratum > 15 || response.Leap == ntp.LeapNotInSync ||
			response.RootDistance > maxDistance || response.RootDistance < 0 {
			t.Errorf("judge accepts %+v", response)
		}
		step := setOffset(response.ClockOffset)
		if step.Usec < 0 || step.Usec >= int64(time.Second) ||
			time.Duration(step.Sec)*time.Second+time.Duration(step.Usec) != response.ClockOffset {
			t.Errorf("setOffset(%s) = %+v", response.ClockOffset, step)
		}
		a := association{reach: 1, last: response}
		for range filterSize {
			a.filter.add(measured(answer{asked: time.Now(), response: response}))
		}
		if r, _, ok := a.reading(time.Now()); ok && (r.distance <= 0 || r.distance >= maxDistance || r.low() >= r.high()) {
			t.Errorf("reading of %+v = %+v; want a distance up to %s", response, r, maxDistance)
		}
	})
}
