package message

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

const register = "REGISTER sip:example.com SIP/2.0\r\nv:SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n" +
	"f:<sip:a@example.com>;tag=1\r\nt:<sip:a@example.com>\r\ni:1\r\nCSeq:1 REGISTER\r\nL : \r\n 2 \r\n\r\nab"

func TestFrame(t *testing.T) {
	sized := func(n int) string { return strings.Repeat("x", n) }
	rows := []struct {
		name   string
		stream string
		n      int
		err    error
	}{
		{"nothing", "", 0, nil},
		{"half a line end", "\r", 0, nil},
		{"a line end: a pong, or more to come", "\r\n", 0, nil},
		{"three quarters of a ping", "\r\n\r", 0, nil},
		{"ping", "\r\n\r\n", 4, nil},
		{"ping before a message", "\r\n\r\n" + register, 4, nil},
		{"message", register, len(register), nil},
		{"line end before a message", "\r\n" + register, len(register) + 2, nil},
		{"message and what follows", register + "\r\n\r\n" + register, len(register), nil},
		{"no end of the start line", "REGISTER sip:ex", 0, nil},
		{"no end of the header", "REGISTER sip:example.com SIP/2.0\r\nl:0\r\n", 0, nil},
		{"no end of the body", register[:len(register)-1], 0, nil},
		{"length given twice alike", strings.Replace(register, "CSeq", "content-LENGTH: 02\r\nCSeq", 1), len(register) + 20, nil},
		{"response", "SIP/2.0 200 OK\r\nl:0\r\n\r\n", 23, nil},
		{"overlarge status", "SIP/2.0 4294967301 x\r\nl:0\r\n\r\n", 29, nil},
		{"unknown version, blank at the end", "X sip:a SIP/7.0 \r\nl:0\r\n\r\n", 25, nil},
		{"a length in a folded line is none", "X sip:a SIP/2.0\r\nX:\r\n l:9\r\nl:0\r\n\r\n", 34, nil},
		{"a length without colon is none", "X sip:a SIP/2.0\r\nl 9\r\nl:0\r\n\r\n", 29, nil},
		{"longest header", "X sip:a SIP/2.0\r\nl:0\r\nX:" + sized(MaxHeader-28) + "\r\n\r\n", MaxHeader, nil},
		{"longest message", "X sip:a SIP/2.0\r\nl:65507\r\n\r\n" + sized(65508), 65535, nil},

		{"length folded beyond what spans reach", "X sip:a SIP/2.0\r\nl:\r\n " + sized(65536) + "\r\n\r\n", 0, ErrTooLong},
		{"other protocol", "GET / HTTP/1.1\r\n", 0, ErrNotSIP},
		{"rest of a body", "v=0\r\n", 0, ErrNotSIP},
		{"bare LF", "\n", 0, errLineEnd},
		{"no SIP version", "REGISTER sip:example.com\r\n", 0, ErrNotSIP},
		{"line with LF alone", "X sip:a SIP/2.0\r\nl:0\n\r\n\r\n", 0, errLineEnd},
		{"bare CR", "X sip:a SIP/2.0\r\nA:\rl:9\r\nl:0\r\n\r\n", 0, errLineEnd},
		{"no length", "X sip:a SIP/2.0\r\nCall-ID: 1\r\n\r\n", 0, errNoLength},
		{"empty length", "X sip:a SIP/2.0\r\nl:\r\n\r\n", 23, errNumber},
		{"negative length", "X sip:a SIP/2.0\r\nl:-1\r\n\r\n", 25, errNumber},
		{"overlarge length", "X sip:a SIP/2.0\r\nl:99999999999999999999\r\n\r\n", 43, errNumber},
		{"two lengths", "X sip:a SIP/2.0\r\nl:0\r\nContent-Length: 1\r\n\r\n", 43, errRepeated},
		{"two lengths, the first of them bad", "X sip:a SIP/2.0\r\nl:x\r\nl: 1\r\n\r\n", 30, errNumber},
		{"message too long", "X sip:a SIP/2.0\r\nl:65507\r\nA:\r\n\r\n", 32, ErrTooLong},
		{"header too long", "X sip:a SIP/2.0\r\nl:0\r\nX:" + sized(MaxHeader-27) + "\r\n\r\n", 0, ErrTooLong},
		{"header without end", "X sip:a SIP/2.0\r\nX:" + sized(MaxHeader), 0, ErrTooLong},
	}
	for _, row := range rows {
		if n, err := Frame([]byte(row.stream)); n != row.n || !errors.Is(err, row.err) {
			t.Errorf("%s: Frame = %d, %v; want %d, %v", row.name, n, err, row.n, row.err)
		}
	}
}

// frames gives the frames of a stream that comes in the given portions, and
// the error that ended it.
func frames(portions ...[]byte) (all [][]byte, err error) {
	var unread []byte
	for _, portion := range portions {
		unread = append(unread, portion...)
		for {
			n, err := Frame(unread)
			if err != nil {
				return all, err
			}
			if n == 0 {
				break
			}
			all = append(all, slices.Clone(unread[:n]))
			unread = unread[n:]
		}
	}
	return all, nil
}

// TestFrameAnswersBadLength: a message whose Content-Length ends the stream
// can still be answered.
func TestFrameAnswersBadLength(t *testing.T) {
	for _, length := range []string{"x", "-1", "2\r\nl: 3", "65535"} {
		stream := []byte(strings.Replace(register, "L : \r\n 2 ", "l: "+length, 1))
		n, err := Frame(stream)
		if err == nil || n == 0 {
			t.Errorf("Frame with Content-Length %q = %d, %v", length, n, err)
			continue
		}
		if fault := parsed(t, stream[:n]).Validate(); fault == nil || fault.Status != 400 {
			t.Errorf("Content-Length %q: Validate = %v; want 400", length, fault)
		}
	}
}

// FuzzFrame: however a stream is cut into portions, its frames are the same,
// and each good one parses as a datagram of its own, to the last octet.
func FuzzFrame(f *testing.F) {
	for _, octets := range tortureFiles(f) {
		f.Add(octets, uint16(1), uint16(9))
	}
	f.Add([]byte("\r\n\r\n\r\n"+register+"\r\n\r\n"+register+invite+ok), uint16(200), uint16(3))
	f.Add([]byte(strings.Replace(register, "CSeq", strings.Repeat("X:y\r\n", MaxFields)+"CSeq", 1)), uint16(40), uint16(500))
	f.Fuzz(func(t *testing.T, stream []byte, first, second uint16) {
		whole, wholeErr := frames(stream)
		cut := min(int(first), len(stream))
		again := min(cut+int(second), len(stream))
		parts, partsErr := frames(stream[:cut], stream[cut:again], stream[again:])
		if !slices.EqualFunc(whole, parts, bytes.Equal) || (wholeErr == nil) != (partsErr == nil) {
			t.Errorf("frames of %q: %q, %v; cut at %d and %d: %q, %v", stream, whole, wholeErr, cut, again, parts, partsErr)
		}
		for _, frame := range whole {
			var m Message
			switch err := m.Parse(frame); {
			case errors.Is(err, ErrKeepAlive):
				if string(frame) != ping {
					t.Errorf("frame %q is a keep-alive", frame)
				}
			case err != nil || m.Validate() != nil: // nobody gets to see it
			case len(m.Raw) != len(bytes.TrimPrefix(frame, []byte("\r\n"))) || m.ContentLength < 0:
				t.Errorf("frame %q parses to %q of length %d", frame, m.Raw, m.ContentLength)
			}
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	stream := []byte(invite + ok)
	b.ReportAllocs()
	for b.Loop() {
		if n, err := Frame(stream); n != len(invite) || err != nil {
			b.Fatal(n, err)
		}
	}
}
