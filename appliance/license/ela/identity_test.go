package ela

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestIdentity has ID certificates that are not for the box.
func TestIdentity(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	other := newKey(t, a.id.key.Curve)
	for _, row := range []struct {
		name    string
		id      func(*x509.Certificate) // changes the ID certificate
		changes members                 // of the answer
		want    error
	}{
		{"as it should be", func(*x509.Certificate) {}, nil, nil},
		{"CN of another", func(c *x509.Certificate) { c.Subject.CommonName = strings.ReplaceAll(instance, "c", "d") }, nil, ErrIdentity},
		{"serialNumber of another", func(c *x509.Certificate) { c.Subject.SerialNumber = "PID:CAUSEWAY,SN:aB3dE6gH9jL" }, nil, ErrIdentity},
		{"no serialNumber", func(c *x509.Certificate) { c.Subject.SerialNumber = "" }, nil, ErrIdentity},
		{"DC of another account", func(c *x509.Certificate) { c.Subject.ExtraNames[0].Value = strings.Repeat("0", 32) }, nil, ErrIdentity},
		{"no DC", func(c *x509.Certificate) { c.Subject.ExtraNames = nil }, nil, ErrIdentity},
		{"two DC", func(c *x509.Certificate) {
			c.Subject.ExtraNames = append(c.Subject.ExtraNames, c.Subject.ExtraNames...)
		}, nil, ErrIdentity},
		{"for servers", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, nil, ErrIdentity},
		{"for anything", func(c *x509.Certificate) { c.ExtKeyUsage = nil }, nil, ErrIdentity},
		{"an authority", func(c *x509.Certificate) { c.IsCA = true }, nil, ErrIdentity},
		{"ended", func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }, nil, ErrTime},
		{"not begun", func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }, nil, ErrTime},
		{"other serial number", func(*x509.Certificate) {}, members{"id_cert_sn": "ed06a"}, ErrIdentity},
		{"other end", func(*x509.Certificate) {}, members{"not_after": now.Format(time.RFC3339)}, ErrIdentity},
		{"other account", func(*x509.Certificate) {}, members{"virtual_account": "Other"}, ErrIdentity},
		{"other instance", func(*x509.Certificate) {}, members{"product_instance_id": strings.ReplaceAll(instance, "c", "d")}, ErrIdentity},
		{"instance no GUID", func(c *x509.Certificate) { c.Subject.CommonName = "box" }, members{"product_instance_id": "box"}, ErrContent},
		{"two certificates", func(*x509.Certificate) {}, members{"id_cert_pem": v.ten.pem() + v.ten.pem()}, ErrContent},
		{"no certificate", func(*x509.Certificate) {}, members{"id_cert_pem": ""}, ErrContent},
		{"a text", func(*x509.Certificate) {}, members{"id_cert_pem": "certificate"}, ErrContent},
		{"the chain a text", func(*x509.Certificate) {}, members{"chain_pem": "certificate"}, ErrContent},
		{"signing certificates a text", func(*x509.Certificate) {}, members{"signing_cert_pem": "certificate"}, ErrMalformed},
		{"signing certificate missing", func(*x509.Certificate) {}, members{"signing_cert_sn": "ff"}, ErrUnknownSigner},
		{"account name with control characters", func(*x509.Certificate) {}, members{"smart_account": "a\x1b[2J"}, ErrContent},
		{"virtual account too", func(*x509.Certificate) {}, members{"virtual_account": "a\n"}, ErrContent},
		{"signature type", func(*x509.Certificate) {}, members{"signature_type": "SHA1"}, ErrContent},
		{"renew_interval of the source document", func(*x509.Certificate) {}, members{"renew_interval": 1555200000}, ErrContent},
	} {
		template := v.idTemplate()
		row.id(template)
		id := issue(t, v.ten, template, &a.id.key.PublicKey)
		answer := v.sign(v.two, v.header(v.two), marshal(t, with(v.registered(a.register.Outstanding, "reg-resp", id), row.changes)))
		if _, _, err := v.trust().OpenRegistered(answer, a.register.Outstanding); !errors.Is(err, row.want) {
			t.Errorf("%s: %v; want %v", row.name, err, row.want)
		}
	}
	check := func(what string, id *x509.Certificate, o Outstanding, want error) {
		t.Helper()
		answer := v.sign(v.two, v.header(v.two), marshal(t, v.registered(o, exchanges[o.Type].answer, id)))
		if _, _, err := v.trust().OpenRegistered(answer, o); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", what, err, want)
		}
	}
	check("key of another", issue(t, v.ten, v.idTemplate(), &other.PublicKey), a.register.Outstanding, ErrIdentity)
	check("issued by a stranger", issue(t, newVendor(t).ten, v.idTemplate(), &a.id.key.PublicKey), a.register.Outstanding, ErrUntrusted)
	renewal := a.renewID.Outstanding
	renewal.Instance = strings.ReplaceAll(instance, "c", "d")
	check("renewal for another instance", a.id.Certificate, renewal, ErrIdentity)
}

// TestIdentityCannotLicense has a registered box forge a registration: its ID
// certificate leads to the same root as the signing certificates.
func TestIdentityCannotLicense(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	o := a.register.Outstanding
	m := v.registered(o, "reg-resp", a.id.Certificate)
	m["signing_cert_pem"], m["signing_cert_sn"] = a.id.pem()+v.ten.pem(), Serial(a.id.Certificate)
	_, _, err := Trust{Roots: v.roots(), Now: now}.OpenRegistered(v.sign(a.id, v.header(a.id), marshal(t, m)), o)
	if !errors.Is(err, ErrSigner) {
		t.Errorf("a registration signed by an ID certificate: %v; want %v", err, ErrSigner)
	}
	below := authority(t, a.id, 99) // that it issues itself
	m["signing_cert_pem"], m["signing_cert_sn"] = below.pem()+a.id.pem()+v.ten.pem(), "63"
	_, _, err = Trust{Roots: v.roots(), Now: now}.OpenRegistered(v.sign(below, v.header(below), marshal(t, m)), o)
	if !errors.Is(err, ErrUntrusted) {
		t.Errorf("a registration signed below an ID certificate: %v; want %v", err, ErrUntrusted)
	}
}
