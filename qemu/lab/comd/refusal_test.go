package comd

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/comd/gateway"
	"causeway/qemu/lab/comd/store"
)

// closed waits for the end of a connection on which nothing is said, and gives
// the code of WebSocket that COM ends it with.
func closed(t *testing.T, conn *websocket.Conn) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			conn.CloseNow()
			return websocket.CloseStatus(err)
		}
	}
}

// licenceAuthority is that of a licence server.
func licenceAuthority(t *testing.T) (parent tls.Certificate, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Lab Licensing"}, NotBefore: time.Now().AddDate(-5, 0, 0), NotAfter: time.Now().AddDate(5, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parent = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if parent.Leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parent.Leaf)
	return parent, pool
}

// TestWhoIsLetIn dials with all kinds of certificates.
func TestWhoIsLetIn(t *testing.T) {
	parent, licences := licenceAuthority(t)
	w := newWorld(t, Options{Licence: licences})
	if err := w.Preregister("FHK1234ABcd", FirstCustomer); err != nil {
		t.Fatal(err)
	}
	nextYear, lastYear := time.Now().AddDate(1, 0, 0), time.Now().AddDate(-1, 0, 0)
	enrolled := func(b *box) {
		s := b.mustConnect(nil)
		s.enroll()
		s.end()
	}
	for i, row := range []struct {
		name   string
		change func(b *box)
		want   string // empty: it is let in; "alert", "closed" without a word, or what hello is answered
	}{
		{"its own", func(*box) {}, ""},
		{"none", func(b *box) { b.certificate = tls.Certificate{} }, "alert"},
		{"its own, expired", func(b *box) { b.certificate = b.issue(pkix.Name{SerialNumber: b.serial}, nil, lastYear) }, "alert"},
		{"its own, without a name", func(b *box) { b.certificate = b.issue(pkix.Name{}, nil, nextYear) }, "alert"},
		{"its own, of another box", func(b *box) { b.certificate = b.issue(pkix.Name{SerialNumber: "FHK9999ABcd"}, nil, nextYear) }, "closed"},
		{"another authority's", func(b *box) {
			other, _ := licenceAuthority(t)
			b.certificate = b.issue(pkix.Name{CommonName: b.serial}, &other, nextYear)
		}, "alert"},
		{"the licence server's", func(b *box) {
			b.certificate = b.issue(pkix.Name{CommonName: "id", SerialNumber: "PID:CAUSEWAY,SN:" + b.serial}, &parent, nextYear)
		}, ""},
		{"the licence server's, expired", func(b *box) {
			b.certificate = b.issue(pkix.Name{CommonName: "id", SerialNumber: "PID:CAUSEWAY,SN:" + b.serial}, &parent, lastYear)
		}, "alert"},
		{"the licence server's, of another box", func(b *box) {
			b.certificate = b.issue(pkix.Name{CommonName: "id", SerialNumber: "PID:CAUSEWAY,SN:FHK9999ABcd"}, &parent, nextYear)
		}, "closed"},
		{"the licence server's, with COM's name", func(b *box) { b.certificate = b.issue(pkix.Name{CommonName: b.serial}, &parent, nextYear) }, "alert"},
		{"COM's", func(b *box) {
			if err := w.Preregister(b.serial, b.customer); err != nil {
				t.Fatal(err)
			}
			enrolled(b)
		}, ""},
		{"COM's, revoked", func(b *box) {
			if err := w.Preregister(b.serial, b.customer); err != nil {
				t.Fatal(err)
			}
			enrolled(b)
			if err := w.Revoke(t.Context(), b.serial); err != nil {
				t.Fatal(err)
			}
		}, "revoked"},
		{"another key", func(b *box) {
			b.mustConnect(nil).end()
			b.newKey()
			b.certificate = b.issue(pkix.Name{SerialNumber: b.serial}, nil, nextYear)
		}, "another key"},
		{"an unknown customer", func(b *box) { b.customer = "NONE" }, "no such customer"},
		{"a box of another customer", func(b *box) {
			b.mustConnect(nil).end()
			if err := w.Store.PutCustomer(store.Customer{ID: "OTHER", Partner: FirstPartner}); err != nil {
				t.Fatal(err)
			}
			b.customer = "OTHER"
		}, "another one"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBox(w, "FHK"+string(rune('A'+i))+"234ABcd")
			b.t = t
			row.change(b)
			conn, err := b.dial()
			if alert := err != nil; alert != (row.want == "alert") {
				t.Fatalf("dial = %v; want %q", err, row.want)
			} else if alert {
				return
			}
			if row.want == "closed" {
				if got := closed(t, conn); got != wire.ClosePolicy {
					t.Errorf("closed with %d; want %d", got, wire.ClosePolicy)
				}
				return
			}
			conn.CloseNow()
			switch _, err := b.connect(nil); {
			case row.want == "" && err != nil:
				t.Errorf("hello = %v; want a welcome", err)
			case row.want != "" && err == nil:
				t.Errorf("hello has a welcome; want %q", row.want)
			}
		})
	}
}

// TestRevoked has a box that was reset be let in again after its operator says so.
func TestRevoked(t *testing.T) {
	w := newWorld(t, Options{})
	newBox(w, "FHK1234ABcd").mustConnect(nil).end()
	reset := newBox(w, "FHK1234ABcd")
	if _, err := reset.connect(nil); err == nil {
		t.Fatal("a box with another key is let in")
	}
	if b, err := w.Store.Box("FHK1234ABcd"); err != nil || b.Rival == "" {
		t.Errorf("box = %+v, %v; want the other key as its rival", b, err)
	}
	if err := w.Revoke(t.Context(), "FHK1234ABcd"); err != nil {
		t.Fatal(err)
	}
	if s := reset.mustConnect(nil); !s.welcome.Pending {
		t.Errorf("welcome = %+v; want a pending one", s.welcome)
	}
}

// TestBadMessages sends what is no JSON-RPC, or too much.
func TestBadMessages(t *testing.T) {
	w := newWorld(t, Options{})
	for _, row := range []struct {
		name, subprotocol string
		kind              websocket.MessageType
		message           []byte
		want              websocket.StatusCode
	}{
		{"no JSON", wire.RPC, websocket.MessageText, []byte("{"), wire.CloseUndecodable},
		{"binary", wire.RPC, websocket.MessageBinary, []byte("{}"), wire.CloseUndecodable},
		{"too long", wire.RPC, websocket.MessageText, []byte(strings.Repeat(" ", wire.LongestMessage+1)), wire.CloseTooLong},
		{"text in " + wire.Mux, wire.Mux, websocket.MessageText, []byte("{}"), wire.CloseUndecodable},
		{"no subprotocol", "other", websocket.MessageText, []byte("{}"), wire.ClosePolicy},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBox(w, "FHK1234ABcd")
			b.t, b.subprotocol = t, row.subprotocol
			conn, err := b.dial()
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.Write(t.Context(), row.kind, row.message); err != nil {
				t.Fatal(err)
			}
			if got := closed(t, conn); got != row.want {
				t.Errorf("closed with %d; want %d", got, row.want)
			}
		})
	}
	b := newBox(w, "FHK1234ABcd")
	s := b.mustConnect(nil)
	if err := s.call("none", nil, nil); err == nil || !strings.Contains(err.Error(), "-32601") {
		t.Errorf("an unknown method = %v; want -32601", err)
	}
	if err := s.call(wire.MethodHello, wire.Hello{Versions: []int{1}, Nonce: make([]byte, 16), Serial: b.serial, Customer: b.customer}, nil); err == nil {
		t.Error("hello can be said twice")
	}
}

// TestFaultsOfTheLink has the faults befall a box that dials.
func TestFaultsOfTheLink(t *testing.T) {
	w := newWorld(t, Options{})
	for i, row := range []struct {
		fault gateway.Fault
		want  string // in the error
	}{
		{gateway.Fault{Kind: gateway.WrongAuthority}, "unknown authority"},
		{gateway.Fault{Kind: gateway.WrongName}, "wrong.example"},
		{gateway.Fault{Kind: gateway.Outdated}, "expired"},
		{gateway.Fault{Kind: gateway.Refuse, On: gateway.OnLink, RetryAfter: 7}, "503"},
		{gateway.Fault{Kind: gateway.Refuse, On: gateway.OnLink, Status: 429}, "429"},
		{gateway.Fault{Kind: gateway.Refuse, On: wire.MethodHello}, "4029"},
	} {
		row.fault.Times = 1
		if err := w.Gateway.SetFaults(row.fault); err != nil {
			t.Fatal(err)
		}
		b := newBox(w, "FHK1234FLT"+string(rune('0'+i)))
		if _, err := b.connect(nil); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("with %+v: %v; want %q", row.fault, err, row.want)
		}
		if left := w.Gateway.Faults(); len(left) > 0 {
			t.Errorf("faults that are left: %+v", left)
		}
		b.mustConnect(nil).end()
	}
	for _, bad := range []gateway.Fault{{Kind: "none"}, {Kind: gateway.Refuse, Status: 200}, {Kind: gateway.Twice, Times: -1}} {
		if err := w.Gateway.SetFaults(bad); err == nil {
			t.Errorf("SetFaults(%+v) = nil; want an error", bad)
		}
	}
}
