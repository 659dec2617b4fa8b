package sip

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/stream"
)

// loopbackIdentity is a certificate for 127.0.0.1 that signs and trusts itself.
func loopbackIdentity(t *testing.T) stream.Identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	return stream.Identity{Certificate: &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, Roots: roots}
}

// RFC 5923: requests to the address that a neighbour listens on come over the
// connection that it opened, if it asks for that.
func TestAlias(t *testing.T) {
	identity, secure, plain := loopbackIdentity(t), freeAddress(t), freeAddress(t)
	_, listens := listenUDP(t) // and over TLS nobody does
	p := runProxyWith(t, func(o *Options) {
		o.Routing = &byUser{targets: map[string]hop.Target{
			"bob": {Network: "secure", Query: hop.Query{Transport: model.TLS}, Address: listens},
		}}
		o.Identity = func() (stream.Identity, error) { return identity, nil }
	})
	commit(t, p, &model.SIP{Networks: []model.SIPNetwork{
		{Name: "secure", TLSVerify: true, Listens: []model.SIPListen{{Transport: model.TLS, Address: secure}}},
		{Name: "plain", Listens: []model.SIPListen{{Address: plain}}},
	}})

	conn, err := tls.Dial("tcp4", secure.String(), &tls.Config{Certificates: []tls.Certificate{*identity.Certificate}, RootCAs: identity.Roots, ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	neighbour := tcpPeer(conn)
	const via = "UDP 192.168.42.2:5060;"
	options := request("OPTIONS", "sip:"+secure.String()+";transport=tls", "o", 1)
	if err := neighbour.write(strings.Replace(options, via, "TLS "+listens.String()+";alias;", 1), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := neighbour.until("SIP/2.0 200", "call-1"); err != nil {
		t.Fatal(err)
	}
	alice, _ := listenUDP(t)
	if _, err := alice.WriteToUDPAddrPort([]byte(fromLoopback(request("INVITE", bob, "i", 1))), plain); err != nil {
		t.Fatal(err)
	}
	if _, err := neighbour.until("INVITE ", "call-1"); err != nil {
		t.Error(err)
	}
}
