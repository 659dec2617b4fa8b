package control

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// TestSyslogTLS: a syslog server over TLS must be who it says it is, by an
// authority that is trusted for syslog.
func TestSyslogTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "syslog"}, DNSNames: []string{"syslog.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c := build(newBox(t).options, defaultPace)
	t.Cleanup(func() {
		if err := errors.Join(c.alarms.Close(), c.reports.Close()); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.syslogTLS("syslog.example.com"); err == nil || !strings.Contains(err.Error(), "crypto pki authenticate") {
		t.Errorf("without an authority: %v; want what to type", err)
	}
	if _, err := c.certificates.Trust(model.ForSyslog, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		t.Fatal(err)
	}
	if _, err := c.filesTLS(); err == nil || !strings.Contains(err.Error(), "crypto pki authenticate files") {
		t.Errorf("an authority for syslog is one for files: %v", err)
	}
	for host, want := range map[string]bool{"syslog.example.com": true, "192.0.2.6": false} {
		config, err := c.syslogTLS(host)
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() {
			served <- tls.Server(far, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}).Handshake()
		}()
		if err := tls.Client(near, config).Handshake(); (err == nil) != want {
			t.Errorf("the handshake with %s = %v; want it to succeed: %v", host, err, want)
		}
		near.Close()
		<-served
		far.Close()
	}
}
