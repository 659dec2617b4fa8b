package transport

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// authority issues the certificates of a test.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate of a host, which ends some time from now.
func (a *authority) issue(name string, ends time.Duration) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(ends),
	}, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// identity is who the box of a test is.
type identity struct {
	roots *x509.CertPool
	own   *tls.Certificate
	err   error
}

func (i identity) Roots() (*x509.CertPool, error)         { return i.roots, i.err }
func (i identity) Certificate() (*tls.Certificate, error) { return i.own, i.err }

// box is a Transport of a test. hosts are the addresses that its DNS knows.
func box(t testing.TB, who identity, hosts map[string]net.Addr) *Transport {
	return New(Options{
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if to := hosts[address]; to != nil {
				address = to.String()
			} else if host, _, err := net.SplitHostPort(address); err != nil || !isAddress(host) {
				return nil, errors.New("look up " + address + ": no such host")
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		Identity: who,
		Open: func(sealed string) (string, error) {
			password, ok := strings.CutPrefix(sealed, "sealed:")
			if !ok {
				return "", errors.New("the box key does not open it")
			}
			return password, nil
		},
		Trace:    func(string) (io.ReadCloser, error) { return nil, fs.ErrNotExist },
		HostName: func() string { return "secret-host.example.com" },
		Version:  "1.2.3", Now: time.Now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// told is a message to send.
func news() *message.Message {
	return &message.Message{
		ID: "CH:CWY12345678:1f", Kind: message.Alert, Mode: model.CallHomeSmart, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Device: "box@C@CWY12345678",
		Event:  &message.Event{Name: "CodeYellow", Group: model.GroupPerformance, Severity: model.Major, Description: "overload", Impact: "calls are refused", Remedy: "look"},
	}
}

// within gives a context that ends with the test, and before the test hangs.
func within(t testing.TB, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// TestLimit: a message with the longest trace goes over a line of 256 kbit/s, in
// each of its forms.
func TestLimit(t *testing.T) {
	const octets = 256_000 / 8 // a second
	for _, length := range []int{0, 10_000, message.InlineMost * 4 / 3, message.InlineMost * 16 / 9} {
		if got, takes := limit(make([]byte, length)), time.Duration(length/octets)*time.Second; got < takes+time.Minute {
			t.Errorf("%d octets may take %s; they do take %s", length, got, takes)
		}
	}
	if got := limit(make([]byte, 10_000)); got != sendLimit {
		t.Errorf("a short message may take %s; want %s", got, sendLimit)
	}
}
