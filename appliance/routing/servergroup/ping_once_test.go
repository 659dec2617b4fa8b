package servergroup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// book is a locator that knows all there is.
type book map[hop.Query]hop.Place

func (b book) Locate(q hop.Query, to []hop.Place) ([]hop.Place, bool) {
	if place, found := b[q]; found {
		to = append(to, place)
	}
	return to, true
}

func (book) Await(hop.Query, func()) { panic("all is known") }

// TestPingOnce: what an operator is told of a server, over the real network.
func TestPingOnce(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go serveUDP(server, 486, "Busy Here")
	certificate, _ := selfSigned(t)
	secure, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	go serveStream(secure, "TLS", 1)
	busy, strange := placeOf(model.UDP, server.LocalAddr()), placeOf(model.TLS, secure.Addr())
	closed := hop.Place{Transport: model.TCP, Address: netip.MustParseAddrPort(freeAddress(t))}
	trust := func(string) *tls.Config { return &tls.Config{RootCAs: x509.NewCertPool()} }
	r := New(Options{hostToo: true, patience: time.Minute, Dial: Dialer{TLS: trust}.Dial, Locator: book{
		{Host: "busy.example.com"}: busy,
		{Host: "strange.example.com", Port: 5071, Transport: model.TLS, Fixed: true}: strange,
		{Host: "closed.example.com", Transport: model.TCP, Fixed: true}:              closed,
	}})
	var s exectest.Session
	s.Serve(t, "proxy", r.Methods())
	for _, test := range []struct {
		ping model.SIPPing
		want model.SIPPingAnswer // Problem: how it begins
		err  string
	}{
		{ping: model.SIPPing{Host: "busy.example.com"}, want: model.SIPPingAnswer{Place: "udp " + busy.Address.String(), Status: 486, Reason: "Busy Here"}},
		{ping: model.SIPPing{Host: "strange.example.com", Port: 5071, Transport: "tls"},
			want: model.SIPPingAnswer{Place: "tls " + strange.Address.String(), Problem: "its certificate is not trusted: x509: "}},
		{ping: model.SIPPing{Host: "closed.example.com", Transport: "tcp"},
			want: model.SIPPingAnswer{Place: "tcp " + closed.Address.String(), Problem: "connection refused"}},
		{ping: model.SIPPing{Host: "nowhere.example.com"}, want: model.SIPPingAnswer{Problem: "nowhere.example.com was not found"}},
		{ping: model.SIPPing{Host: "busy.example.com", Transport: "ws"}, err: "ws is no transport that pings go over"},
		{ping: model.SIPPing{Host: "busy.example.com", Port: 65536}, err: "65536 is no port"},
		{ping: model.SIPPing{Host: "busy.example.com>\r\nX: y"}, err: "is neither an IP address nor a host name"},
	} {
		var got model.SIPPingAnswer
		err := s.Call(t.Context(), "proxy", "proxy.ping-sip", test.ping, &got)
		if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%+v: error %v; want %q", test.ping, err, test.err)
		}
		if (got.Trip > 0) != (got.Status > 0) || (got.Problem == "") != (test.want.Problem == "") || !strings.HasPrefix(got.Problem, test.want.Problem) {
			t.Errorf("%+v = %+v; want %+v", test.ping, got, test.want)
		}
		got.Trip, got.Problem = 0, test.want.Problem
		if got != test.want {
			t.Errorf("%+v = %+v; want %+v", test.ping, got, test.want)
		}
	}
}

// TestPingOnceOfTheBox: nobody asks the services of the box itself.
func TestPingOnceOfTheBox(t *testing.T) {
	for _, address := range []string{"127.0.0.1:22", "[::1]:443", "[::ffff:127.0.0.1]:53", "0.0.0.0:5060", "224.0.1.75:5060"} {
		r := New(Options{
			Dial: func(context.Context, netip.AddrPort, hop.Place, string, string) (net.Conn, error) {
				t.Errorf("%s is dialled", address)
				return nil, errors.New("not here")
			},
			Locator: book{{Host: "gw.example.com"}: {Transport: model.TCP, Address: netip.MustParseAddrPort(address)}},
		})
		if got, err := r.pingOnce(t.Context(), model.SIPPing{Host: "gw.example.com"}); err != nil || got.Problem != "no SIP server can be there" {
			t.Errorf("%s: %+v, %v; want that no server can be there", address, got, err)
		}
	}
}

// TestPingOnceWaits for the DNS, and for a server that does not answer as long
// as operators are told.
func TestPingOnceWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab()
		l.hang, l.places = "192.0.2.1", []hop.Place{{Transport: model.TCP, Address: netip.MustParseAddrPort("192.0.2.1:5060")}}
		r := New(Options{Dial: l.dial, Locator: l})
		want := model.SIPPingAnswer{Place: "tcp 192.0.2.1:5060", Problem: "no answer"}
		got, err := r.pingOnce(t.Context(), model.SIPPing{Host: "gw.example.com"})
		if err != nil || got != want {
			t.Errorf("pingOnce = %+v, %v; want %+v", got, err, want)
		}
		if took := r.now(); took != 500e6+model.SIPPingPatience {
			t.Errorf("it took %v; want the DNS's half second and %v", took, model.SIPPingPatience)
		}
	})
}
