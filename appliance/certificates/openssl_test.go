package certificates

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// authority is one of a test, kept by OpenSSL.
type authority struct {
	t    *testing.T
	dir  string
	name string
	up   *authority // that has signed it; nil: a root
}

// openssl runs it in the directory.
func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	command := exec.Command("openssl", args...)
	command.Dir = dir
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// newAuthority makes a root.
func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), name: name}
	openssl(t, a.dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name+".key",
		"-out", name+".pem", "-days", "3650", "-subj", "/CN="+name, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
	return a
}

// below makes an authority that this one has signed.
func (a *authority) below(name string) *authority {
	a.t.Helper()
	b := &authority{t: a.t, dir: a.dir, name: name, up: a}
	openssl(a.t, a.dir, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name+".key",
		"-out", name+".csr", "-subj", "/CN="+name)
	a.write(name+".pem", a.sign(a.read(name+".csr"), "-days", "1825", "basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign"))
	return b
}

// sign issues a certificate for a request. Options with "=" and without "-" are
// extensions, besides those that the request asks for.
func (a *authority) sign(request string, options ...string) string {
	a.t.Helper()
	a.write("request.csr", request)
	args := []string{"x509", "-req", "-in", "request.csr", "-CA", a.name + ".pem", "-CAkey", a.name + ".key", "-CAcreateserial", "-copy_extensions", "copy"}
	var extensions []string
	for _, option := range options {
		if strings.Contains(option, "=") && !strings.HasPrefix(option, "-") {
			extensions = append(extensions, option)
		} else {
			args = append(args, option)
		}
	}
	if extensions != nil {
		a.write("extensions", strings.Join(extensions, "\n")+"\n")
		args = append(args, "-extfile", "extensions")
	}
	if !strings.Contains(strings.Join(args, " "), "-days") {
		args = append(args, "-days", "365")
	}
	openssl(a.t, a.dir, append(args, "-out", "issued.pem")...)
	return a.read("issued.pem")
}

// pem is the authority's own certificate.
func (a *authority) pem() string { return a.read(a.name + ".pem") }

func (a *authority) read(name string) string {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, name))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

func (a *authority) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// brought makes a key outside of the box, and a certificate for it.
func (a *authority) brought(kind []string, options ...string) (key, certificate string) {
	a.t.Helper()
	openssl(a.t, a.dir, append([]string{"req", "-new", "-newkey"}, append(kind, "-nodes", "-keyout", "brought.key", "-out", "brought.csr", "-subj", "/CN=brought")...)...)
	return a.read("brought.key"), a.sign(a.read("brought.csr"), options...)
}

// The kinds of keys that OpenSSL makes.
var (
	p256    = []string{"ec", "-pkeyopt", "ec_paramgen_curve:P-256"}
	p224    = []string{"ec", "-pkeyopt", "ec_paramgen_curve:P-224"}
	edwards = []string{"ed25519"}
)

func rsaKey(bits int) []string { return []string{fmt.Sprintf("rsa:%d", bits)} }
