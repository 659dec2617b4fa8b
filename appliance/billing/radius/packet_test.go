package radius

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"
	"layeh.com/radius/rfc3162"

	"causeway/appliance/model"
)

// TestRequest reads our packets with another implementation.
func TestRequest(t *testing.T) {
	at := time.Unix(1795307596, 0)
	for _, tt := range []struct {
		nas  string
		want radius.AVP
	}{
		{"192.0.2.100", radius.AVP{Type: rfc2865.NASIPAddress_Type, Attribute: []byte{192, 0, 2, 100}}},
		{"::ffff:192.0.2.100", radius.AVP{Type: rfc2865.NASIPAddress_Type, Attribute: []byte{192, 0, 2, 100}}},
		{"2001:db8::1", radius.AVP{Type: rfc3162.NASIPv6Address_Type, Attribute: netip.MustParseAddr("2001:db8::1").AsSlice()}},
		{"", radius.AVP{Type: rfc2865.NASIdentifier_Type, Attribute: []byte("a-name-of-some-l")}},
	} {
		address, _ := netip.ParseAddr(tt.nas)
		nas := nasAttribute(address, "a-name-of-some-length")
		b := appendRequest(nil, 7, &record{session: "12345-eeacb6cc-7", attributes: vsa("header")}, nas, at, []byte(toyKey))
		if !radius.IsAuthenticRequest(b, []byte(toyKey)) {
			t.Errorf("NAS %q: the request's authenticator is wrong", tt.nas)
		}
		p, err := radius.Parse(b, []byte(toyKey))
		if err != nil {
			t.Fatalf("NAS %q: %v", tt.nas, err)
		}
		var types []radius.Type
		for _, a := range p.Attributes {
			types = append(types, a.Type)
		}
		if want := []radius.Type{40, 44, tt.want.Type, 55, 26}; p.Code != 4 || p.Identifier != 7 || !slices.Equal(types, want) {
			t.Errorf("NAS %q: code %d, identifier %d, attributes %v; want 4, 7, %v", tt.nas, p.Code, p.Identifier, types, want)
		}
		if got := rfc2866.AcctStatusType_Get(p); got != rfc2866.AcctStatusType_Value_InterimUpdate {
			t.Errorf("Acct-Status-Type = %v; want Interim-Update", got)
		}
		if got := rfc2866.AcctSessionID_GetString(p); got != "12345-eeacb6cc-7" {
			t.Errorf("Acct-Session-Id = %q", got)
		}
		if got := rfc2869.EventTimestamp_Get(p); !got.Equal(at) {
			t.Errorf("Event-Timestamp = %v; want %v", got, at)
		}
		if got := p.Get(tt.want.Type); !bytes.Equal(got, tt.want.Attribute) {
			t.Errorf("NAS %q: value %x; want %x", tt.nas, got, tt.want.Attribute)
		}
	}
}

// TestLongestRequest checks that MaxAttributes and MaxSession fit.
func TestLongestRequest(t *testing.T) {
	nas := nasAttribute(netip.MustParseAddr("2001:db8::1"), "")
	r := record{session: strings.Repeat("s", MaxSession), attributes: make([]byte, MaxAttributes)}
	if b := appendRequest(nil, 0, &r, nas, time.Now(), []byte(toyKey)); len(b) > maxPacket {
		t.Errorf("a request of %d octets; %d is the most", len(b), maxPacket)
	}
}

func TestStatusServer(t *testing.T) {
	nas := nasAttribute(netip.MustParseAddr("192.0.2.100"), "")
	a, b := appendStatusServer(nil, 1, nas, []byte(toyKey)), appendStatusServer(nil, 1, nas, []byte(toyKey))
	if bytes.Equal(a[4:20], b[4:20]) {
		t.Error("two Status-Server requests have the same authenticator")
	}
	p, err := radius.Parse(a, []byte(toyKey))
	if err != nil || p.Code != radius.CodeStatusServer {
		t.Fatalf("code %v, %v; want Status-Server", p.Code, err)
	}
	got := p.Get(rfc2869.MessageAuthenticator_Type)
	p.Set(rfc2869.MessageAuthenticator_Type, make([]byte, 16))
	zeroed, _ := p.MarshalBinary()
	if want := messageAuthenticator(zeroed, toyKey); !bytes.Equal(got, want) {
		t.Errorf("Message-Authenticator = %x; want %x", got, want)
	}
}

func messageAuthenticator(zeroed []byte, key string) []byte {
	sum := hmac.New(md5.New, []byte(key))
	sum.Write(zeroed)
	return sum.Sum(nil)
}

// signed is an answer with a Message-Authenticator, made with key. Its
// response authenticator is made with toyKey.
func signed(request []byte, key string) []byte {
	p := radius.Packet{Code: radius.CodeAccountingResponse, Identifier: request[1], Secret: []byte(toyKey)}
	copy(p.Authenticator[:], request[4:20])
	p.Add(rfc2869.MessageAuthenticator_Type, make([]byte, 16))
	zeroed, _ := p.MarshalBinary()
	p.Set(rfc2869.MessageAuthenticator_Type, messageAuthenticator(zeroed, key))
	b, _ := p.Encode()
	return b
}

// answers are what a server may send on a request, and what we make of it.
var answers = []struct {
	name string
	make func(request []byte) []byte
	want error
}{
	{"right", func(q []byte) []byte { return response(q, radius.CodeAccountingResponse, toyKey) }, nil},
	{"right, with an attribute", func(q []byte) []byte {
		return response(q, radius.CodeAccountingResponse, toyKey, &radius.AVP{Type: 18, Attribute: []byte("ok")})
	}, nil},
	{"right, padded", func(q []byte) []byte {
		return append(response(q, radius.CodeAccountingResponse, toyKey), 0, 0, 0)
	}, nil},
	{"right, with a Message-Authenticator", func(q []byte) []byte { return signed(q, toyKey) }, nil},
	{"wrong Message-Authenticator", func(q []byte) []byte { return signed(q, "other") }, errBadAuthenticator},
	{"short Message-Authenticator", func(q []byte) []byte {
		return response(q, radius.CodeAccountingResponse, toyKey, &radius.AVP{Type: 80, Attribute: []byte("short")})
	}, errBadAuthenticator},
	{"wrong key", func(q []byte) []byte { return response(q, radius.CodeAccountingResponse, "other") }, errBadAuthenticator},
	{"of another request", func(q []byte) []byte {
		other := bytes.Clone(q)
		other[4] ^= 1
		return response(other, radius.CodeAccountingResponse, toyKey)
	}, errBadAuthenticator},
	{"other identifier", func(q []byte) []byte {
		other := bytes.Clone(q)
		other[1]++
		return response(other, radius.CodeAccountingResponse, toyKey)
	}, errUnmatched},
	{"Access-Accept", func(q []byte) []byte { return response(q, radius.CodeAccessAccept, toyKey) }, errUnknownType},
	{"our own request", func(q []byte) []byte { return q }, errUnknownType},
	{"nothing", func(q []byte) []byte { return nil }, errMalformed},
	{"cut", func(q []byte) []byte { return acknowledge(0, q)[0][:19] }, errMalformed},
	{"length too long", func(q []byte) []byte { return edit(acknowledge(0, q)[0], 3, 21) }, errMalformed},
	{"length too short", func(q []byte) []byte { return edit(acknowledge(0, q)[0], 3, 19) }, errMalformed},
	{"attribute of no length", func(q []byte) []byte {
		return edit(response(q, radius.CodeAccountingResponse, toyKey, &radius.AVP{Type: 18}), 21, 0)
	}, errMalformed},
	{"attribute beyond the end", func(q []byte) []byte {
		return edit(response(q, radius.CodeAccountingResponse, toyKey, &radius.AVP{Type: 18}), 21, 3)
	}, errMalformed},
}

func edit(b []byte, at int, value byte) []byte {
	b[at] = value
	return b
}

// waitingLine is a line without a socket on which one request waits.
func waitingLine() (*line, *exchange) {
	c := New(Options{Client: model.RADIUSClient{Concurrent: 1}})
	l := &line{server: &server{client: c, secret: []byte(toyKey)}}
	e := newExchange()
	e.id, _ = l.take(time.Now())
	e.packet = appendRequest(nil, e.id, &record{session: "s", attributes: vsa("v")}, nil, time.Now(), []byte(toyKey))
	l.expect(e)
	return l, e
}

func TestReceive(t *testing.T) {
	for _, tt := range answers {
		l, e := waitingLine()
		err := l.receive(tt.make(e.packet))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: receive() = %v; want %v", tt.name, err, tt.want)
		}
		if answered := len(e.result) == 1; answered != (tt.want == nil) {
			t.Errorf("%s: answered = %v", tt.name, answered)
		}
		s := l.server
		for _, c := range []struct {
			name string
			got  int64
			err  error
		}{
			{"malformed", s.malformed.Load(), errMalformed},
			{"unknown types", s.unknownTypes.Load(), errUnknownType},
			{"bad authenticators", s.badAuthenticators.Load(), errBadAuthenticator},
			{"dropped", s.dropped.Load(), errUnmatched},
		} {
			if want := c.err == tt.want; (c.got == 1) != want {
				t.Errorf("%s: %s = %d", tt.name, c.name, c.got)
			}
		}
		if got := s.responses.Load(); got != 1 {
			t.Errorf("%s: responses = %d; want 1", tt.name, got)
		}
	}
}

// FuzzReceive has datagrams settle a request only when another implementation
// finds them authentic.
func FuzzReceive(f *testing.F) {
	for _, tt := range answers {
		_, e := waitingLine()
		f.Add(tt.make(e.packet), false)
		f.Add(tt.make(e.packet), true)
	}
	// Most fuzzed octets are not authentic; with sign they are made so.
	f.Fuzz(func(t *testing.T, b []byte, sign bool) {
		l, e := waitingLine()
		if sign && len(b) >= 20 {
			length := min(int(b[2])<<8|int(b[3]), len(b))
			sum := md5.New()
			sum.Write(b[:4])
			sum.Write(e.packet[4:20])
			sum.Write(b[min(20, max(length, 20)):max(length, 20)])
			sum.Write([]byte(toyKey))
			copy(b[4:20], sum.Sum(nil))
		}
		err := l.receive(b)
		if answered := len(e.result) == 1; answered != (err == nil) {
			t.Fatalf("receive(%x) = %v, answered %v", b, err, answered)
		}
		if err != nil {
			return
		}
		p, err := radius.Parse(b, []byte(toyKey))
		if err != nil || p.Code != radius.CodeAccountingResponse || p.Identifier != e.id {
			t.Fatalf("receive(%x) took %v, %v", b, p, err)
		}
		if n := int(b[2])<<8 | int(b[3]); !radius.IsAuthenticResponse(b[:n], e.packet, []byte(toyKey)) {
			t.Fatalf("receive(%x) took what is not authentic", b)
		}
	})
}

// FuzzReadPacket reads a stream: each packet is whole, and together with what
// is left they are the stream.
func FuzzReadPacket(f *testing.F) {
	_, e := waitingLine()
	answer := acknowledge(0, e.packet)[0]
	f.Add(answer)
	f.Add(append(bytes.Clone(answer), answer[:7]...))
	f.Add(append(bytes.Clone(answer), 5, 0, 0, 19))
	f.Add([]byte{5, 0, 0x10, 0x01})
	f.Fuzz(func(t *testing.T, stream []byte) {
		in, b := bytes.NewReader(stream), make([]byte, maxPacket)
		var whole []byte
		for {
			p, err := readPacket(in, b)
			if err != nil {
				break
			}
			if len(p) < 20 || len(p) > maxPacket || len(p) != int(p[2])<<8|int(p[3]) {
				t.Fatalf("packet of %d octets: %x", len(p), p)
			}
			whole = append(whole, p...)
		}
		if !bytes.HasPrefix(stream, whole) {
			t.Fatalf("read %x of %x", whole, stream)
		}
	})
}
