package ela

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
)

// SerialNumber is how the subject of an ID certificate names the box (L-40).
func (u UDI) SerialNumber() string { return "PID:" + u.PID + ",SN:" + u.SN }

// AccountDC is the domain component (DC, RFC 4519 §2.4) in the subject of an ID
// certificate: the hash of the name of the logical account, that is the virtual
// one (L-40).
func AccountDC(virtual string) string {
	sum := sha256.Sum256([]byte(virtual))
	return hex.EncodeToString(sum[:])[:32]
}

// domainComponent is the type of a DC.
var domainComponent = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}

// instanceForm is that of a product instance: a GUID.
var instanceForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// checkRegistered holds an ID certificate against the request and the answer that
// it came with. between are certificates between it and a root, beside Chain.
func (t Trust) checkRegistered(r Registered, o Outstanding, between []*x509.Certificate) error {
	switch {
	case r.SignatureType != "SHA256":
		return fmt.Errorf("%w: signature_type is %q", ErrContent, r.SignatureType)
	case !slices.ContainsFunc(between, func(c *x509.Certificate) bool { return Serial(c) == r.SigningSerial }):
		return fmt.Errorf("%w: serial number %q", ErrUnknownSigner, r.SigningSerial)
	case !instanceForm.MatchString(r.Instance):
		return fmt.Errorf("%w: product_instance_id %q is no GUID", ErrContent, r.Instance)
	case printable(r.SmartAccount) != r.SmartAccount || printable(r.VirtualAccount) != r.VirtualAccount:
		return fmt.Errorf("%w: the name of an account is no text for a terminal", ErrContent)
	case o.Instance != "" && r.Instance != o.Instance:
		return fmt.Errorf("%w: it is for product instance %s", ErrIdentity, r.Instance)
	}
	if err := checkIntervals(r.RenewInterval); err != nil {
		return err
	}
	own, err := ParseCertificates(r.IDCertificate)
	if err != nil || len(own) != 1 {
		return fmt.Errorf("%w: id_cert_pem has %d certificates (%v)", ErrContent, len(own), err)
	}
	chain, err := ParseCertificates(r.Chain)
	if err != nil {
		return fmt.Errorf("%w: chain_pem: %w", ErrContent, err)
	}
	if err := checkSubject(own[0], r, o); err != nil {
		return err
	}
	if err := t.chain(own[0], slices.Concat(chain, between)); err != nil {
		return fmt.Errorf("ID certificate %s: %w", r.IDSerial, err)
	}
	return nil
}

// checkSubject holds what stands in an ID certificate against what should.
func checkSubject(c *x509.Certificate, r Registered, o Outstanding) error {
	var account string
	for _, attribute := range c.Subject.Names {
		if attribute.Type.Equal(domainComponent) {
			account += fmt.Sprint(attribute.Value)
		}
	}
	for _, row := range []struct{ what, got, want string }{
		{"serial number", Serial(c), r.IDSerial},
		{"CN", c.Subject.CommonName, r.Instance},
		{"serialNumber", c.Subject.SerialNumber, o.UDI.SerialNumber()},
		{"DC", account, AccountDC(r.VirtualAccount)},
		{"public key", hexSHA256(c.RawSubjectPublicKeyInfo), o.KeySHA256},
		{"end", c.NotAfter.UTC().String(), r.NotAfter.UTC().String()},
	} {
		if row.got != row.want {
			return fmt.Errorf("%w: its %s is %q in place of %q", ErrIdentity, row.what, row.got, row.want)
		}
	}
	if c.IsCA || !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return fmt.Errorf("%w: it is not that of a client (extended key usage clientAuth)", ErrIdentity)
	}
	return nil
}
