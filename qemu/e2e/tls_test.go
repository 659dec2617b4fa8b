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
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
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

// write issues a certificate for some addresses, as RFC 5922 has it, and writes
// it with its key and the authority's own into a folder, for the box and for
// peers.
func (a authority) write(t *testing.T, addresses ...netip.Addr) (dir string) {
	t.Helper()
	dir = t.TempDir()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "SIP"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, address := range addresses {
		template.IPAddresses = append(template.IPAddresses, address.AsSlice())
		template.URIs = append(template.URIs, &url.URL{Scheme: "sip", Opaque: address.String()})
	}
	certificate, key := issue(t, template, a.certificate, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ownKey, own := &pem.Block{Type: "PRIVATE KEY", Bytes: der}, &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}
	writeFile(t, filepath.Join(dir, "key.pem"), ownKey)
	writeFile(t, filepath.Join(dir, "certificate.pem"), own)
	writeFile(t, filepath.Join(dir, model.IdentityFile), ownKey, own)
	writeFile(t, filepath.Join(dir, model.TrustFile), &pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
	return dir
}

func writeFile(t *testing.T, path string, blocks ...*pem.Block) {
	t.Helper()
	var text []byte
	for _, block := range blocks {
		text = append(text, pem.EncodeToMemory(block)...)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSIPMutualTLS has a call by hand and OpenSSL's client over TLS. Whoever
// shows no certificate that the box trusts gets nowhere.
func TestSIPMutualTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "lab"), newAuthority(t, "another")
	boxDir, peerDir, strangerDir := ours.write(t, lab.BoxLAN1.Addr()), ours.write(t, lab.PeerLAN1), theirs.write(t, lab.PeerLAN1)
	trust := filepath.Join(peerDir, "trust.pem")
	l, _ := hostBox(t, twoLANs+nextHop+"sip network lan1\n tls verify\n exit\nsip listen lan1 tls 192.168.42.1 5061\n", "-tls", boxDir)
	box := netip.AddrPortFrom(lab.BoxLAN1.Addr(), 5061)
	ctx := within(t, time.Minute)

	t.Run("a call", func(t *testing.T) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(peerDir, "certificate.pem"), filepath.Join(peerDir, "key.pem"))
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
		name, from string
		want       bool
	}{
		{"OpenSSL with a certificate", peerDir, true},
		{"OpenSSL without", "", false},
		{"OpenSSL with another authority's", strangerDir, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The handshake of TLS 1.3 is over for a client before the server has
			// looked at its certificate; that of TLS 1.2 fails at once.
			args := []string{"s_client", "-quiet", "-connect", box.String(), "-CAfile", trust, "-verify_return_error", "-tls1_2"}
			if test.from != "" {
				args = append(args, "-cert", filepath.Join(test.from, "certificate.pem"), "-key", filepath.Join(test.from, "key.pem"))
			}
			command := exec.CommandContext(ctx, "openssl", args...)
			command.Stdin = strings.NewReader("OPTIONS sip:" + lab.BoxLAN1.String() + " SIP/2.0\r\nVia: SIP/2.0/TLS 192.168.42.2:5061;branch=z9hG4bK-openssl\r\n" +
				"From: <sip:openssl@192.168.42.2>;tag=1\r\nTo: <sip:" + lab.BoxLAN1.String() + ">\r\nCall-ID: openssl\r\nCSeq: 1 OPTIONS\r\n" +
				"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n")
			process, err := l.LAN1.Run("openssl", command)
			if err != nil {
				t.Fatal(err)
			}
			defer process.Kill()
			if _, err := process.Await(ctx, "^SIP/2.0 200 "); (err == nil) != test.want {
				t.Errorf("OPTIONS by openssl s_client = %v; want an answer %v", err, test.want)
			}
		})
	}
}

// TestSIPBaresip has two phones call each other over mutual TLS. Either hangs
// up.
func TestSIPBaresip(t *testing.T) {
	ca := newAuthority(t, "lab")
	boxLAN1, boxLAN2 := netip.AddrPortFrom(lab.BoxLAN1.Addr(), 5061), netip.AddrPortFrom(lab.BoxLAN2.Addr(), 5061)
	l, proxy := hostBox(t, twoLANs+"sip network lan1\n tls verify\n exit\nsip network lan2\n tls verify\n exit\n"+
		"sip listen lan1 tls 192.168.42.1 5061\nsip listen lan2 tls 192.168.43.1 5061\n"+
		callsTo("target-destination 192.168.43.2:5061 lan2 tls"), "-tls", ca.write(t, boxLAN1.Addr(), boxLAN2.Addr()))
	start := func(t *testing.T, where *lab.Namespace, phone lab.Baresip) *lab.Process {
		t.Helper()
		phone.Identity = ca.write(t, phone.Local.Addr())
		process, err := where.Baresip(within(t, time.Minute), t.TempDir(), phone)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(process.Kill)
		return process
	}
	await := func(t *testing.T, phone *lab.Process, pattern string) {
		t.Helper()
		if _, err := phone.Await(within(t, time.Minute), pattern); err != nil {
			t.Fatal(err)
		}
	}
	for _, calleeEnds := range []bool{false, true} {
		t.Run(fmt.Sprintf("the callee hangs up %v", calleeEnds), func(t *testing.T) {
			ends := start(t, l.LAN2, lab.Baresip{User: "service", Local: netip.AddrPortFrom(lab.PeerLAN2, 5061), Via: boxLAN2})
			other := start(t, l.LAN1, lab.Baresip{User: "caller", Local: netip.AddrPortFrom(lab.PeerLAN1, 5061), Via: boxLAN1,
				Calls: "sip:service@" + boxLAN1.String()})
			await(t, ends, "Call established: ")
			await(t, other, "Call established: ")
			if !calleeEnds {
				ends, other = other, ends
			}
			if err := ends.Stop(); err != nil {
				t.Fatal(err)
			}
			await(t, other, "session closed: |Call with .* terminated")
			ctx := within(t, time.Minute)
			for open := 1; open != 0; time.Sleep(10 * time.Millisecond) {
				status, err := proxy.Status(ctx)
				if err != nil {
					t.Fatal(err)
				}
				open = status.OpenCalls
			}
		})
	}
}
