package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"causeway/appliance/license/ela"
)

// TestLicensed starts a licence server in a namespace, stops it and starts it
// again: the root is the same.
func TestLicensed(t *testing.T) {
	n, err := NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	at := netip.MustParseAddrPort("127.0.0.1:443")
	server, err := n.Licensed(at, "licensing.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://licensing.example.com:443"; server.URL != want {
		t.Errorf("URL = %s; want %s", server.URL, want)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(server.Root())
	ask := func() error {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots},
			DialContext: func(ctx context.Context, network, _ string) (conn net.Conn, err error) {
				err = n.Do(func() (err error) {
					conn, err = net.Dial(network, at.String())
					return err
				})
				return conn, err
			},
		}
		defer transport.CloseIdleConnections()
		answer, err := (&http.Client{Transport: transport}).Get(server.URL + ela.PathNonce)
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	if err := ask(); err == nil {
		t.Error("a server that was stopped answers")
	}
	if err := server.Stop(); err == nil {
		t.Error("it can be stopped twice")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Error(err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}
