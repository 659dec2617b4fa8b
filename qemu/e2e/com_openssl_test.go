//go:build e2e

package e2e

import (
	"bytes"
	"encoding/pem"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
)

// TestCOMOpenSSL has OpenSSL's client at COM: with a certificate that COM has
// issued it gets through TLS, with anything less it does not.
func TestCOMOpenSSL(t *testing.T) {
	t.Parallel()
	lan, err := lab.NewNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lan.Close() })
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	server, err := lan.COM(netip.MustParseAddr("127.0.0.1"), comd.Options{Names: []string{lab.COMName}})
	check(err)
	t.Cleanup(func() { server.Stop(0) })
	ctx, dir := within(t, comLimit), t.TempDir()
	writeText(t, filepath.Join(dir, "com.pem"), string(server.Root()))
	const serial = "LAB00000007"
	check(server.Preregister(serial, comd.FirstCustomer))
	openssl(t, ctx, dir, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "good.key", "-out", "good.csr", "-subj", "/CN="+serial)
	request, err := os.ReadFile(filepath.Join(dir, "good.csr"))
	check(err)
	block, _ := pem.Decode(request)
	issued, err := server.Certify(serial, block.Bytes)
	check(err)
	writeText(t, filepath.Join(dir, "good.pem"), issued)
	newRoot(t, ctx, dir) // an authority that COM does not know
	openssl(t, ctx, dir, "x509", "-req", "-in", "good.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-out", "stranger.pem")
	openssl(t, ctx, dir, "x509", "-req", "-in", "good.csr", "-CA", "good.pem", "-CAkey", "good.key", "-CAcreateserial", "-out", "box.pem")

	good := []string{"-cert", "good.pem", "-key", "good.key"}
	type attempt struct {
		what string
		args []string
		want string // empty: it is let in
	}
	try := func(a attempt) {
		t.Helper()
		output := tryLink(t, lan, dir, append([]string{"s_client", "-connect", "127.0.0.1:443", "-servername", lab.COMName,
			"-CAfile", "com.pem", "-verify_return_error", "-verify_hostname", lab.COMName}, a.args...))
		if in := strings.Contains(output, "HTTP/1.1 "); in != (a.want == "") || !strings.Contains(output, a.want) {
			t.Errorf("%s: openssl printed\n%s\nwant %q", a.what, output, a.want)
		}
	}
	for _, a := range []attempt{
		{"COM's certificate, TLS 1.2", append([]string{"-tls1_2"}, good...), ""},
		{"COM's certificate, TLS 1.3", append([]string{"-tls1_3"}, good...), ""},
		{"TLS 1.1", append([]string{"-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"}, good...), "alert protocol version"},
		{"TLS 1.0", append([]string{"-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"}, good...), "alert protocol version"},
		{"no forward secrecy", append([]string{"-tls1_2", "-cipher", "AES128-GCM-SHA256"}, good...), "alert handshake failure"},
		{"CBC", append([]string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"}, good...), "alert handshake failure"},
		{"no certificate", []string{"-tls1_2"}, "alert"},
		{"one of another authority", []string{"-tls1_2", "-cert", "stranger.pem", "-key", "good.key"}, "alert"},
		{"one issued by a box", []string{"-tls1_2", "-cert", "box.pem", "-key", "good.key", "-cert_chain", "good.pem"}, "alert"},
	} {
		try(a)
	}
	check(server.AdvanceClock(ctx, 400*24*time.Hour)) // it lasts 360 days
	try(attempt{"one that has expired", append([]string{"-tls1_2"}, good...), "alert"})
}

// tryLink has OpenSSL connect and ask for a page that COM does not have.
func tryLink(t *testing.T, from *lab.Namespace, dir string, args []string) string {
	t.Helper()
	var output bytes.Buffer
	command := exec.CommandContext(within(t, comLimit), "openssl", append(args, "-ign_eof")...)
	command.Dir, command.Stdout, command.Stderr = dir, &output, &output
	command.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: " + lab.COMName + "\r\nConnection: close\r\n\r\n")
	if err := from.Start(command); err != nil {
		t.Fatal(err)
	}
	command.Wait() // what it prints says what happened
	return output.String()
}
