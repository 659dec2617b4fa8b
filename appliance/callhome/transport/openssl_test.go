package transport

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startOpenSSL starts openssl s_server, which answers a message with a line. It
// gives its address and, when it has ended, what it printed.
func startOpenSSL(t *testing.T, own tls.Certificate, args ...string) (address net.Addr, printed func() string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "server.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(within(t, time.Minute), "openssl", append([]string{"s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cert", file, "-verify", "3"}, args...)...)
	stdin, errIn := command.StdinPipe()
	stdout, errOut := command.StdoutPipe()
	if err := errors.Join(errIn, errOut, command.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill(); command.Wait() })
	var said strings.Builder
	lines := bufio.NewReader(stdout)
	for address == nil {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("openssl %v does not listen: %s", args, said.String())
		}
		said.WriteString(line)
		if at, found := strings.CutPrefix(line, "ACCEPT "); found {
			if address, err = net.ResolveTCPAddr("tcp", strings.TrimSpace(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			line, err := lines.ReadString('\n')
			said.WriteString(line)
			if strings.HasPrefix(line, "</soap:Envelope>") {
				io.WriteString(stdin, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
			}
			if err != nil {
				return
			}
		}
	}()
	return address, func() string {
		select {
		case <-ended:
		case <-within(t, time.Minute).Done():
			t.Fatal("openssl s_server does not end")
		}
		return said.String()
	}
}

// TestOpenSSL has OpenSSL stand in for the vendor. Where it is not what it must
// be it is told nothing but that.
func TestOpenSSL(t *testing.T) {
	root := newAuthority(t)
	right, own := root.issue("callhome.example.com", time.Hour), root.issue("this box", time.Hour)
	old := []string{"-cipher", "DEFAULT@SECLEVEL=0"}
	for _, row := range []struct {
		name   string
		server tls.Certificate
		args   []string
		want   string // of the error; empty: it is sent
	}{
		{"TLS 1.3", right, []string{"-tls1_3"}, ""},
		{"TLS 1.2", right, []string{"-tls1_2"}, ""},
		{"TLS 1.1", right, append(old, "-tls1_1"), "protocol version"},
		{"TLS 1.0", right, append(old, "-tls1"), "protocol version"},
		{"another authority", newAuthority(t).issue("callhome.example.com", time.Hour), nil, "unknown authority"},
		{"another name", root.issue("callhome.example.net", time.Hour), nil, "not callhome.example.com"},
		{"expired", root.issue("callhome.example.com", -time.Minute), nil, "expired"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			address, printed := startOpenSSL(t, row.server, row.args...)
			err := box(t, identity{roots: root.pool(), own: &own}, map[string]net.Addr{webAddress: address}).Send(within(t, time.Minute), web(), news())
			said := printed()
			if row.want == "" {
				if err != nil || !strings.Contains(said, "POST /in?key=k3y HTTP/1.1") || !strings.Contains(said, "this box") {
					t.Errorf("Send: %v; want no error, a request and the certificate of the box. OpenSSL printed:\n%s", err, said)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.want) || errors.Is(err, ErrRefused) {
				t.Errorf("Send: %v; want %q, and that it is tried again", err, row.want)
			}
			if strings.Contains(said, "POST") || strings.Contains(said, "this box") {
				t.Errorf("the box speaks to a server that is not what it must be:\n%s", said)
			}
		})
	}
}
