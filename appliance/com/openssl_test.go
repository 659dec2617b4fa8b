package com

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/model"
)

// writePEM writes a certificate with its key where OpenSSL finds it.
func writePEM(t *testing.T, certificate *tls.Certificate) string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "server.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Leaf.Raw})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// output is what a program prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startOpenSSL starts openssl s_server, which answers HTTP (-www) and wants a
// certificate. It gives its address and what it prints.
func startOpenSSL(t *testing.T, certificate *tls.Certificate, args ...string) (address string, said *output) {
	t.Helper()
	args = append([]string{"s_server", "-accept", "127.0.0.1:0", "-naccept", "100", "-cert", writePEM(t, certificate), "-Verify", "3", "-www"}, args...)
	command := exec.Command("openssl", args...)
	said = &output{}
	command.Stderr = said
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if at, found := strings.CutPrefix(lines.Text(), "ACCEPT "); found {
			go io.Copy(said, stdout)
			return at, said
		}
	}
	t.Fatalf("openssl %v does not listen: %s", args, said)
	return "", nil
}

// TestOpenSSL has OpenSSL stand in for COM. Where it is not what it must be the
// box says nothing but a ClientHello, at every try the same, on both ports.
func TestOpenSSL(t *testing.T) {
	ours, strangers := newAuthority(t), newAuthority(t)
	server := func(a *authority, change func(*x509.Certificate)) *tls.Certificate {
		template := &x509.Certificate{Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		if change != nil {
			change(template)
		}
		return a.issue(template)
	}
	right := server(ours, nil)
	tls13 := func(c *model.COM) { c.TLS13 = true }
	none := func(*model.COM) {}
	for name, row := range map[string]struct {
		certificate *tls.Certificate
		args        []string
		config      func(*model.COM)
		suspect     bool
		failure     string // part of it
	}{
		"as it should be":      {right, []string{"-tls1_2"}, none, false, "COM answers 200"},
		"TLS 1.3, allowed":     {right, []string{"-tls1_3"}, tls13, false, "COM answers 200"},
		"up to TLS 1.3":        {right, nil, none, false, "COM answers 200"},
		"another authority":    {server(strangers, nil), nil, none, true, "unknown authority"},
		"another name":         {server(ours, func(c *x509.Certificate) { c.DNSNames = []string{"com.example.net"} }), nil, none, true, "not com.example.com"},
		"a name in CN only":    {server(ours, func(c *x509.Certificate) { c.DNSNames = nil }), nil, none, true, "Common Name"},
		"a client certificate": {ours.client(), nil, none, true, ""},
		"expired": {server(ours, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}), nil, none, true, "expired"},
		"not valid yet": {server(ours, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}), nil, none, true, "not yet valid"},
		"TLS 1.0":              {right, []string{"-tls1", "-cipher", "DEFAULT@SECLEVEL=0"}, none, false, "protocol version"},
		"TLS 1.1":              {right, []string{"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}, none, false, "protocol version"},
		"TLS 1.1, 1.3 allowed": {right, []string{"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}, tls13, false, "protocol version"},
		"TLS 1.3":              {right, []string{"-tls1_3"}, none, false, "protocol version"},
		"CBC":                  {right, []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"}, none, false, "handshake failure"},
		"no forward secrecy":   {right, []string{"-tls1_2", "-cipher", "AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA384"}, none, false, "handshake failure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, said := startOpenSSL(t, row.certificate, row.args...)
			peer := &com{t: t, authority: ours}
			o := peer.options()
			var mu sync.Mutex
			var spoken []*tap
			o.Dial = func(ctx context.Context, network, asked string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				made := &tap{Conn: conn, asked: asked}
				mu.Lock()
				defer mu.Unlock()
				spoken = append(spoken, made)
				return made, err
			}
			l := run(t, o, configured(row.config))
			for tries := int64(1); tries <= 4; tries++ {
				until(t, "a try that fails", func() bool {
					s := l.Status()
					return s.Counters["tries"] == tries && s.State == Waiting
				})
				s := l.Status()
				if !strings.Contains(s.Failure, row.failure) || (s.Suspect != "") != row.suspect {
					t.Fatalf("try %d ends with %q, suspect %q; want %q (OpenSSL: %s)", tries, s.Failure, s.Suspect, row.failure, said)
				}
				if tries < 4 {
					l.Redial("a test")
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for i, heard := range spoken {
				if !strings.HasSuffix(heard.asked, []string{":443", ":8443"}[i%2]) {
					t.Errorf("try %d dials %s", i, heard.asked)
				}
				heard.check(t, row.failure == "COM answers 200")
			}
		})
	}
}

// tap keeps what the box says.
type tap struct {
	net.Conn
	asked string
	mu    sync.Mutex
	said  []byte
}

func (t *tap) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.said = append(t.said, p...)
	t.mu.Unlock()
	return t.Conn.Write(p)
}

// The types of records of TLS (RFC 5246 §6.2.1).
const (
	recordHandshake   = 22
	recordApplication = 23
)

// check holds what the box said against TLS: a ClientHello, then, unless it goes
// on, alerts and what a handshake needs, and nothing of the application.
func (h *tap) check(t *testing.T, goesOn bool) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	application := false
	for i, rest := 0, h.said; len(rest) > 0; i++ {
		if len(rest) < 5 || rest[1] != 3 || i == 0 && (rest[0] != recordHandshake || rest[5] != 1) {
			t.Errorf("the box begins record %d with % x: that is no TLS", i, rest[:min(len(rest), 8)])
			return
		}
		application = application || rest[0] == recordApplication
		rest = rest[min(5+int(rest[3])<<8+int(rest[4]), len(rest)):]
	}
	if len(h.said) == 0 || application != goesOn {
		t.Errorf("the box says %d octets, of the application: %v; want %v", len(h.said), application, goesOn)
	}
}
