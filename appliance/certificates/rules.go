package certificates

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/model"
)

// clocks are the two times that a certificate is held against.
type clocks struct {
	trusted time.Time // not ahead of the true time: what has ended by it has ended
	set     time.Time // the later of that and the system clock
}

// rule is what a certificate must keep to: its error says how it does not.
type rule func(*x509.Certificate, clocks) error

type rules []rule

func (r rules) check(c *x509.Certificate, now clocks) error {
	for _, rule := range r {
		if err := rule(c, now); err != nil {
			return fmt.Errorf("certificate %s: %w", subjectOf(c), err)
		}
	}
	return nil
}

var (
	anyRules       = rules{validNow, strongKey, strongSignature}
	ownRules       = append(slices.Clip(anyRules), noAuthority, signsHandshakes)
	authorityRules = append(slices.Clip(anyRules), isAuthority)
)

// day is how dates stand in errors.
const day = "2006-01-02 15:04 MST"

// slack is how far the clock of an authority may be ahead: certificates come to
// the box seconds after they were issued.
const slack = 5 * time.Minute

func validNow(c *x509.Certificate, now clocks) error {
	switch {
	case now.trusted.After(c.NotAfter):
		return fmt.Errorf("expired %s", c.NotAfter.UTC().Format(day))
	case now.set.Add(slack).Before(c.NotBefore):
		return fmt.Errorf("not valid before %s, and the clock says %s: set the clock if it is wrong",
			c.NotBefore.UTC().Format(day), now.set.UTC().Format(day))
	}
	return nil
}

// The RSA keys that are used, in bits: fewer are weak (NIST SP 800-131A), more
// cost a handshake too much.
const rsaMin, rsaMax = 2048, 8192

func strongKey(c *x509.Certificate, _ clocks) error {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < rsaMin || bits > rsaMax {
			return fmt.Errorf("an RSA key of %d bits: %d to %d are used", bits, rsaMin, rsaMax)
		}
		return nil
	case *ecdsa.PublicKey:
		if bits := key.Params().BitSize; bits < 256 {
			return fmt.Errorf("an EC key of %d bits: 256 are the least", bits)
		}
		return nil
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("neither an RSA, an EC nor an Ed25519 key")
}

// weakSignatures are by hashes that have collisions.
var weakSignatures = []x509.SignatureAlgorithm{
	x509.UnknownSignatureAlgorithm, x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA,
	x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1,
}

// strongSignature asks nothing of a root: nobody checks the signature that it
// has made for itself.
func strongSignature(c *x509.Certificate, _ clocks) error {
	if slices.Contains(weakSignatures, c.SignatureAlgorithm) && !bytes.Equal(c.RawSubject, c.RawIssuer) {
		return fmt.Errorf("signed with %v, which is weak or not known", c.SignatureAlgorithm)
	}
	return nil
}

func noAuthority(c *x509.Certificate, _ clocks) error {
	if c.IsCA {
		return errors.New("is that of an authority (CA), which the box is not")
	}
	return nil
}

// signsHandshakes is the one usage that all our protocols need (RFC 8446
// §4.4.2.2).
func signsHandshakes(c *x509.Certificate, _ clocks) error {
	if c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return errors.New("its key usage has no digitalSignature")
	}
	return nil
}

// isAuthority takes what has signed itself, too: old roots of version 1, and a
// peer that is its own authority.
func isAuthority(c *x509.Certificate, _ clocks) error {
	switch {
	case !c.IsCA && !signedItself(c):
		return errors.New("is not that of an authority (CA)")
	case c.IsCA && c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return errors.New("its key usage has no keyCertSign")
	}
	return nil
}

// sipDomainUsage is id-kp-sipDomain (RFC 5924 §4), by which a certificate may
// limit itself to SIP.
var sipDomainUsage = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 20}

// serves says whether the extended key usage lets the purpose use a certificate.
func (r row) serves(c *x509.Certificate) error {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) ||
		r.name == model.ForSIP && slices.ContainsFunc(c.UnknownExtKeyUsage, sipDomainUsage.Equal) ||
		slices.ContainsFunc(c.ExtKeyUsage, func(u x509.ExtKeyUsage) bool { return slices.Contains(r.usage, u) }) {
		return nil
	}
	return fmt.Errorf("certificate %s: its extended key usage is not for %s", subjectOf(c), r.name)
}

// chainOf puts certificates in order: that of the key first, each signed by the
// next. One that has no place is an error.
func chainOf(key any, list []*x509.Certificate) (chain []*x509.Certificate, err error) {
	left := slices.Clone(list)
	take := func(fits func(*x509.Certificate) bool) bool {
		i := slices.IndexFunc(left, fits)
		if i >= 0 {
			chain = append(chain, left[i])
			left = slices.Delete(left, i, i+1)
		}
		return i >= 0
	}
	if !take(func(c *x509.Certificate) bool { return samePublicKey(c.PublicKey, key) }) {
		return nil, errors.New("none of the certificates is for the key")
	}
	for take(func(c *x509.Certificate) bool {
		last := chain[len(chain)-1]
		return bytes.Equal(c.RawSubject, last.RawIssuer) && last.CheckSignatureFrom(c) == nil
	}) {
		if len(chain) > chainMax {
			return nil, fmt.Errorf("more than %d certificates", chainMax)
		}
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("certificate %s has signed none of the others, or may not: the chain ends at %s",
			subjectOf(left[0]), subjectOf(chain[len(chain)-1]))
	}
	return chain, nil
}

// checkChain holds a chain in order against the rules.
func checkChain(r row, chain []*x509.Certificate, now clocks) error {
	if err := ownRules.check(chain[0], now); err != nil {
		return err
	}
	if err := r.serves(chain[0]); err != nil {
		return err
	}
	for _, c := range chain[1:] {
		if err := authorityRules.check(c, now); err != nil {
			return err
		}
	}
	latest := slices.MaxFunc(chain, func(a, b *x509.Certificate) int { return a.NotBefore.Compare(b.NotBefore) })
	// What is left for the library: path lengths, constraints on names, critical
	// extensions that nobody knows, and that there was a time when all were valid.
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: poolOf(chain[len(chain)-1:]), Intermediates: poolOf(chain[:len(chain)-1]),
		CurrentTime: latest.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("the chain does not hold: %w", err)
	}
	return nil
}

// subjectOf names a certificate in errors.
func subjectOf(c *x509.Certificate) string { return nameOf(c.Subject) }
