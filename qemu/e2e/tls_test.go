//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// authority issues the certificates of a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	certificate, key := issue(t, template, nil, nil)
	return authority{certificate, key}
}

// issue signs a certificate; one without an issuer signs itself.
func issue(t *testing.T, template, issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// write issues a certificate for an address, as RFC 5922 has it, and writes it
// with its key into dir.
func (a authority) write(t *testing.T, dir string, address netip.Addr) (file string) {
	t.Helper()
	certificate, key := issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "SIP"}, IPAddresses: []net.IP{address.AsSlice()},
		URIs:        []*url.URL{{Scheme: "sip", Opaque: address.String()}},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.certificate, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...)
	return writeFile(t, filepath.Join(dir, "certificate.pem"), text)
}

func (a authority) writeRoot(t *testing.T, dir string) string {
	t.Helper()
	return writeFile(t, filepath.Join(dir, "authorities.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}))
}

func writeFile(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSIPMutualTLS has peers of others over TLS: OpenSSL's client and sipsak, and
// calls by hand. Whoever shows no certificate that the box trusts, or does not
// trust the box's, gets nowhere.
func TestSIPMutualTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "lab"), newAuthority(t, "another")
	boxDir, peerDir, strangerDir := t.TempDir(), t.TempDir(), t.TempDir()
	ours.write(t, boxDir, lab.BoxLAN1.Addr())
	roots := ours.writeRoot(t, boxDir)
	peerFile := ours.write(t, peerDir, lab.PeerLAN1)
	strangerFile := theirs.write(t, strangerDir, lab.PeerLAN1)
	l, _ := hostBox(t, twoLANs+nextHop+"sip network lan1\n tls verify\n exit\nsip listen lan1 tls 192.168.42.1 5061\n", "-tls", boxDir)
	box := netip.AddrPortFrom(lab.BoxLAN1.Addr(), 5061)
	ctx := within(t, time.Minute)

	t.Run("a call", func(t *testing.T) {
		pair, err := tls.LoadX509KeyPair(peerFile, peerFile)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(ours.certificate)
		stream, err := l.LAN1.DialTLS(ctx, netip.AddrPortFrom(lab.PeerLAN1, 0), box, &tls.Config{
			RootCAs: pool, Certificates: []tls.Certificate{pair}, ServerName: box.Addr().String(),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stream.Close() })
		callBothWays(t, ctx, overStream(stream), overUDP(probe(t, l.LAN2, callee5060), lab.BoxLAN2), calledURI)
	})
	for _, test := range []struct {
		name, certificate string
		want              bool
	}{
		{"OpenSSL with a certificate", peerFile, true},
		{"OpenSSL without", "", false},
		{"OpenSSL with another authority's", strangerFile, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The handshake of TLS 1.3 is over for a client before the server has
			// looked at its certificate; that of TLS 1.2 fails at once.
			args := []string{"s_client", "-connect", box.String(), "-CAfile", roots, "-verify_return_error", "-tls1_2"}
			if test.certificate != "" {
				args = append(args, "-cert", test.certificate, "-key", test.certificate)
			}
			if err := runInside(l.LAN1, exec.CommandContext(ctx, "openssl", args...)); (err == nil) != test.want {
				t.Errorf("openssl s_client = %v; want success %v", err, test.want)
			}
		})
	}
	t.Run("sipsak", func(t *testing.T) {
		err := runInside(l.LAN1, exec.CommandContext(ctx, "sipsak", "--transport=tls", "--tls-ca-cert="+roots, "--tls-client-cert="+peerFile,
			"-s", "sip:"+box.String()))
		if err != nil {
			t.Error(err)
		}
	})
}

// runInside runs a command in the namespace to its end.
func runInside(where *lab.Namespace, command *exec.Cmd) error {
	process, err := where.Run(command.Path, command)
	if err != nil {
		return err
	}
	return process.Wait()
}
