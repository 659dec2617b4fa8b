package certificates

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/model"
)

// trustMax bounds the authorities of a purpose: those of the whole web are some
// 150.
const trustMax = 250

// parseTrust reads a file of authorities.
func parseTrust(text []byte) ([]*x509.Certificate, error) {
	found, err := parsePEM(text)
	switch {
	case errors.Is(err, errNoPEM) && len(text) == 0:
		return nil, nil
	case err != nil:
		return nil, err
	case len(found.keys) > 0:
		return nil, errors.New("a key among authorities")
	}
	return found.certificates, nil
}

// Authorities are those that peers of a purpose must lead to; none: nobody is
// trusted.
func (s *Store) Authorities(name model.Purpose) ([]*x509.Certificate, error) {
	p, err := s.purpose(name)
	if err != nil {
		return nil, err
	}
	return p.reader.trusted()
}

// Trust adds authorities to those of a purpose: what it gives are those that were
// not among them. Whoever answers for the change has compared fingerprints.
func (s *Store) Trust(name model.Purpose, text []byte) (added []Certificate, err error) {
	p, err := s.purpose(name)
	if err != nil {
		return nil, err
	}
	brought, err := checkAuthorities(text, s.now())
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	all, err := p.reader.trusted()
	if err != nil {
		return nil, err
	}
	for _, c := range brought {
		if !slices.ContainsFunc(all, c.Equal) {
			all = append(slices.Clip(all), c)
			added = append(added, describe(c))
		}
	}
	switch {
	case len(added) == 0:
		return nil, nil
	case len(all) > trustMax:
		return nil, fmt.Errorf("%d authorities are too many: %d are the most", len(all), trustMax)
	}
	return added, p.write(model.TrustFile, encodeCertificates(all))
}

// checkAuthorities reads certificates of authorities and holds them against the
// rules.
func checkAuthorities(text []byte, now clocks) ([]*x509.Certificate, error) {
	found, err := parsePEM(text)
	switch {
	case err != nil:
		return nil, err
	case len(found.keys) > 0:
		return nil, errors.New("there is a key in it, which nobody but its owner may have")
	}
	for _, c := range found.certificates {
		if err := authorityRules.check(c, now); err != nil {
			return nil, err
		}
	}
	return found.certificates, nil
}

// Distrust removes the authority whose fingerprint begins with these hexadecimal
// digits.
func (s *Store) Distrust(name model.Purpose, digits string) (removed Certificate, err error) {
	p, err := s.purpose(name)
	if err != nil {
		return removed, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	all, err := p.reader.trusted()
	if err != nil {
		return removed, err
	}
	fits := func(c *x509.Certificate) bool { return strings.HasPrefix(fingerprint(c), digits) }
	i := slices.IndexFunc(all, fits)
	switch {
	case i < 0:
		return removed, fmt.Errorf("no authority of %s has the fingerprint %s", name, digits)
	case slices.ContainsFunc(all[i+1:], fits):
		return removed, fmt.Errorf("%s begins the fingerprints of several: type more of it", digits)
	}
	removed = describe(all[i])
	return removed, p.write(model.TrustFile, encodeCertificates(slices.Delete(slices.Clone(all), i, i+1)))
}
