package licensed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"

	"causeway/appliance/license/ela"
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

// authority is the CA of the server: a root, and CA certificates below it that
// sign answers and ID certificates.
type authority struct {
	Root    *issuer   `json:"root"`
	Signing []*issuer `json:"signing"` // in the order of their serial numbers; the last is announced, not yet used
}

// issuer is a key with its certificate.
type issuer struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

// serial is the certificate's serial number in hex, as it stands in messages.
func (i *issuer) serial() string { return i.certificate.SerialNumber.Text(16) }

// thumbprint is x5t#S256 of a certificate (RFC 7515 §4.1.8).
func thumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// storedIssuer is how an issuer stands in the file of the state.
type storedIssuer struct {
	Key         []byte `json:"key"`         // PKCS #8
	Certificate []byte `json:"certificate"` // DER
}

// MarshalJSON implements json.Marshaler.
func (i *issuer) MarshalJSON() ([]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		return nil, err
	}
	return json.Marshal(storedIssuer{key, i.certificate.Raw})
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *issuer) UnmarshalJSON(text []byte) error {
	var stored storedIssuer
	if err := json.Unmarshal(text, &stored); err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(stored.Key)
	if err != nil {
		return err
	}
	own, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("key of type %T: want one of P-256", key)
	}
	i.key = own
	i.certificate, err = x509.ParseCertificate(stored.Certificate)
	return err
}

// newAuthority founds a CA with a signing certificate that is used and one that
// is announced.
func newAuthority(now time.Time) (*authority, error) {
	a := &authority{}
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
func (a *authority) newSigning(now time.Time) (*issuer, error) {
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
func (a *authority) current() *issuer { return a.Signing[len(a.Signing)-2] }

// announced are the signing certificates that an instance may meet from now on:
// the one that signs for it now, and those after it.
func (a *authority) announced(signer *issuer) (text string, serials []string) {
	for _, i := range a.Signing[slices.Index(a.Signing, signer):] {
		text += encodePEM(i.certificate)
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
	own := &issuer{key: key, certificate: &template}
	if parent == nil {
		parent = own
	}
	own.certificate, err = parent.certify(template, key.Public())
	return own, err
}

// certify issues a certificate for a public key.
func (i *issuer) certify(template x509.Certificate, public any) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, &template, i.certificate, public, i.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// issueTLS makes the certificate of the server for these hosts and addresses.
func (a *authority) issueTLS(now time.Time, names []string) (tls.Certificate, error) {
	template := x509.Certificate{ // of a serial number by chance
		Subject:     pkix.Name{Organization: []string{"Example"}, CommonName: "Lab Licence Server"},
		NotBefore:   now.Add(-longAgo),
		NotAfter:    now.Add(longAhead),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	own, err := issue(a.Root, template)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{own.certificate.Raw}, PrivateKey: own.key}, nil
}

// domainComponent is the attribute DC of a name (RFC 4519 §2.4).
var domainComponent = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}

// issueID makes an ID certificate (L-40). The logical account is the virtual one.
func (i *issuer) issueID(serial int64, now time.Time, instance, account string, udi ela.UDI, public any) (*x509.Certificate, error) {
	hash := sha256.Sum256([]byte(account))
	domain := asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(hex.EncodeToString(hash[:])[:32])}
	return i.certify(x509.Certificate{
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
