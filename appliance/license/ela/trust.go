package ela

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Trust is whose answers are believed.
type Trust struct {
	Roots *x509.CertPool // the authorities for licences
	// Signing are the signing certificates that the box knows, each with those
	// between it and its root, in any order (SigningPEM of registrations).
	Signing []*x509.Certificate
	Now     time.Time // at which certificates must be valid; for an answer that was kept, when it came
}

// Verified says who has signed an answer (L-48).
type Verified struct {
	Certificate *x509.Certificate
	Serial      string // of it, hex
}

// verify finds who has signed an answer. known are signing certificates, and
// those between them and a root.
func (t Trust) verify(s signed, known []*x509.Certificate) (Verified, error) {
	named := slices.DeleteFunc(slices.Clone(known), func(c *x509.Certificate) bool {
		return Serial(c) != s.KeyID || s.Thumbprint != "" && Thumbprint(c) != s.Thumbprint
	})
	if len(named) == 0 {
		return Verified{}, fmt.Errorf("%w: serial number %q", ErrUnknownSigner, printable(s.KeyID))
	}
	for _, c := range named {
		if _, err := s.jws.Verify(c.PublicKey); err != nil {
			continue
		}
		if err := t.checkSigner(c, known); err != nil {
			return Verified{}, fmt.Errorf("signing certificate %s: %w", Serial(c), err)
		}
		return Verified{Certificate: c, Serial: Serial(c)}, nil
	}
	return Verified{}, fmt.Errorf("%w: by certificate %s", ErrSignature, s.KeyID)
}

// checkSigner holds a signing certificate against the rules. It is that of an
// authority that issues ID certificates ("sub_ca_cert", L-44): ID certificates
// lead to the same root, and a box that could sign with its own would license
// itself.
func (t Trust) checkSigner(c *x509.Certificate, between []*x509.Certificate) error {
	if !c.BasicConstraintsValid || !c.IsCA || c.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return fmt.Errorf("%w: it is not that of an authority with key usage digitalSignature", ErrSigner)
	}
	return t.chain(c, between)
}

// chain leads a certificate to a root.
func (t Trust) chain(c *x509.Certificate, between []*x509.Certificate) error {
	if t.Roots == nil {
		return ErrNoRoots
	}
	pool := x509.NewCertPool()
	for _, c := range between {
		pool.AddCert(c)
	}
	_, err := c.Verify(x509.VerifyOptions{
		Roots: t.Roots, Intermediates: pool, CurrentTime: t.Now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired: // also: has not begun
		return fmt.Errorf("%w: %w", ErrTime, err)
	}
	return fmt.Errorf("%w: %w", ErrUntrusted, err)
}

// maxCertificates is the most of them in one text.
const maxCertificates = 20

// ParseCertificates reads certificates as answers bring them: PEM blocks and
// nothing else but white space (RFC 7468). None is no error.
func ParseCertificates(text string) (list []*x509.Certificate, err error) {
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		if !strings.HasPrefix(rest, "-----BEGIN ") {
			return nil, errors.New("there is something else than certificates in PEM")
		}
		block, after := pem.Decode([]byte(rest))
		switch {
		case block == nil:
			return nil, errors.New("a certificate in PEM is not whole")
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("a %s in place of a certificate", printable(block.Type))
		case len(list) == maxCertificates:
			return nil, fmt.Errorf("more than %d certificates", maxCertificates)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		list, rest = append(list, c), string(after)
	}
	return list, nil
}
