package licensed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"time"

	"causeway/appliance/license/ela"
	"causeway/qemu/lab/authority"
)

// How long certificates are valid. Those of the server itself are from long ago,
// for long: a box whose clock is wrong is to fail at what is tried, not here.
const (
	longAgo    = 10 * 365 * day
	longAhead  = 20 * 365 * day
	idValidity = 360 * day // L-40
	idBackdate = time.Hour
	day        = 24 * time.Hour
)

// Serial numbers. Signing certificates are numbered like those of L-48, ID
// certificates start where those of L-44 were.
const (
	rootSerial   = 1
	firstSigning = 2
	firstID      = 970857
)

// hierarchy is the CA of the server: a root, and CA certificates below it that
// sign answers and ID certificates.
type hierarchy struct {
	Root    *issuer   `json:"root"`
	Signing []*issuer `json:"signing"` // in the order of their serial numbers; the last is announced, not yet used
}

// issuer is a key with its certificate.
type issuer struct{ authority.Authority }

// serial is the certificate's serial number in hex, as it stands in messages.
func (i *issuer) serial() string { return i.Certificate.SerialNumber.Text(16) }

// thumbprint is x5t#S256 of a certificate (RFC 7515 §4.1.8).
func thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// newAuthority founds a CA with a signing certificate that is used and one that
// is announced.
func newAuthority(now time.Time) (*hierarchy, error) {
	a := &hierarchy{}
	var err error
	a.Root, err = issue(nil, x509.Certificate{
		SerialNumber:          big.NewInt(rootSerial),
		Subject:               pkix.Name{Organization: []string{"Example"}, CommonName: "Lab Licensing Root CA"},
		NotBefore:             now.Add(-longAgo),
		NotAfter:              now.Add(longAhead),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	})
	for len(a.Signing) < 2 && err == nil {
		var next *issuer
		if next, err = a.newSigning(now); err == nil {
			a.Signing = append(a.Signing, next)
		}
	}
	return a, err
}

// newSigning makes the signing certificate that follows the last one.
func (a *hierarchy) newSigning(now time.Time) (*issuer, error) {
	serial := int64(firstSigning + len(a.Signing))
	return issue(a.Root, x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{Organization: []string{"Example"}, CommonName: fmt.Sprintf("Lab Licensing Sub CA %d", serial)},
		NotBefore:             now.Add(-longAgo),
		NotAfter:              now.Add(longAhead),
		IsCA:                  true,
		MaxPathLenZero:        true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
}

// current is the signing certificate in use.
func (a *hierarchy) current() *issuer { return a.Signing[len(a.Signing)-2] }

// announced are the signing certificates that an instance may meet from now on:
// the one that signs for it now, and those after it.
func (a *hierarchy) announced(signer *issuer) (text string, serials []string) {
	for _, i := range a.Signing[slices.Index(a.Signing, signer):] {
		text += encodePEM(i.Certificate)
		serials = append(serials, i.serial())
	}
	return text, serials
}

// issue makes a key and has the parent certify it; without one it certifies itself.
func issue(parent *issuer, template x509.Certificate) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	own := &issuer{authority.Authority{Key: key, Certificate: &template}}
	if parent == nil {
		parent = own
	}
	own.Certificate, err = parent.Certify(&template, key.Public())
	return own, err
}

// domainComponent is the attribute DC of a name (RFC 4519 §2.4).
var domainComponent = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}

// issueID makes an ID certificate (L-40). The logical account is the virtual one.
func (i *issuer) issueID(serial int64, now time.Time, instance, account string, udi ela.UDI, public any) (*x509.Certificate, error) {
	hash := sha256.Sum256([]byte(account))
	domain := asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(hex.EncodeToString(hash[:])[:32])}
	return i.Certify(&x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject: pkix.Name{
			CommonName:   instance,
			SerialNumber: "PID:" + udi.PID + ",SN:" + udi.SN,
			ExtraNames:   []pkix.AttributeTypeAndValue{{Type: domainComponent, Value: domain}},
		},
		NotBefore:   now.Add(-idBackdate),
		NotAfter:    now.Add(-idBackdate + idValidity),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, public)
}
