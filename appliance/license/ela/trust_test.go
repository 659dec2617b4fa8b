package ela

import (
	"crypto/x509"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

// TestSigners has answers signed by certificates that may not.
func TestSigners(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	o := a.authorize.Outstanding
	between := authority(t, v.root, 20)
	late := func(from, to time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(from), now.Add(to) }
	}
	serverOnly := pair{key: v.tls.key, Certificate: v.tls.Certificate}
	for _, row := range []struct {
		name    string
		by      pair
		between []*x509.Certificate
		want    error
	}{
		{"below another authority", authority(t, between, 21), []*x509.Certificate{between.Certificate}, nil},
		{"that is not known", authority(t, between, 21), nil, ErrUntrusted},
		{"an ID certificate", a.id, []*x509.Certificate{v.ten.Certificate}, ErrSigner},
		{"a server of TLS", serverOnly, nil, ErrSigner},
		{"signs certificates only", authority(t, v.root, 22, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }), nil, ErrSigner},
		{"not begun", authority(t, v.root, 23, late(time.Second, year)), nil, ErrTime},
		{"ended", authority(t, v.root, 24, late(-year, -time.Second)), nil, ErrTime},
		{"its own root", authority(t, pair{}, 25), nil, ErrUntrusted},
	} {
		trust := Trust{Roots: v.roots(), Signing: append(row.between, row.by.Certificate), Now: now}
		answer := v.sign(row.by, v.header(row.by), marshal(t, v.authorized(o)))
		if _, _, err := trust.OpenAuthorized(answer, o, Last{}); !errors.Is(err, row.want) {
			t.Errorf("%s: %v; want %v", row.name, err, row.want)
		}
	}
	trust := v.trust()
	trust.Roots = nil
	if _, _, err := trust.OpenAuthorized(v.sign(v.two, v.header(v.two), marshal(t, v.authorized(o))), o, Last{}); !errors.Is(err, ErrNoRoots) {
		t.Errorf("without roots: %v; want %v", err, ErrNoRoots)
	}
	twin := authority(t, authority(t, pair{}, 1), 2) // of another root, same serial number
	trust = v.trust()
	trust.Signing = append([]*x509.Certificate{twin.Certificate}, trust.Signing...)
	if _, _, err := trust.OpenAuthorized(v.sign(v.two, with(v.header(v.two), members{"x5t#S256": nil}), marshal(t, v.authorized(o))), o, Last{}); err != nil {
		t.Errorf("one of two with the same serial number: %v", err)
	}
}

func TestParseCertificates(t *testing.T) {
	v := newVendor(t)
	two := v.two.pem()
	for _, row := range []struct {
		name, text string
		want       int // certificates; -1: an error
	}{
		{"none", " \n", 0},
		{"two", "\r\n" + two + "\n\n" + v.ten.pem(), 2},
		{"text before", "Subject: x\n" + two, -1},
		{"text behind", two + "x", -1},
		{"cut", two[:len(two)-30], -1},
		{"another block", strings.ReplaceAll(two, "CERTIFICATE", "PUBLIC KEY"), -1},
		{"no certificate in it", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", -1},
		{"twenty", strings.Repeat(two, maxCertificates), maxCertificates},
		{"more", strings.Repeat(two, maxCertificates+1), -1},
	} {
		list, err := ParseCertificates(row.text)
		if got := len(list); got != row.want && (err == nil || row.want >= 0) {
			t.Errorf("ParseCertificates(%s) = %d certificates, %v; want %d", row.name, got, err, row.want)
		}
	}
}

func TestSerial(t *testing.T) {
	for number, want := range map[int64]string{2: "2", 10: "a", 970857: "ed069"} {
		if got := Serial(&x509.Certificate{SerialNumber: big.NewInt(number)}); got != want {
			t.Errorf("Serial(%d) = %s; want %s", number, got, want)
		}
	}
}
