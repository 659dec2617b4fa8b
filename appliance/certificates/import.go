package certificates

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Import puts a certificate in force, with those between it and its authority,
// and its key unless the box has that. Nothing changes unless all is right.
func (s *Store) Import(name model.Purpose, text []byte) (Certificate, error) {
	found, err := parsePEM(text)
	if err != nil {
		return Certificate{}, err
	}
	for _, key := range found.keys {
		if key.Type == tpmBlock {
			return Certificate{}, errors.New("a key of a TPM cannot be brought")
		}
	}
	return s.take(name, found)
}

// Previous puts the identity in force again that was so before.
func (s *Store) Previous(name model.Purpose) (Certificate, error) {
	p, err := s.certified(name)
	if err != nil {
		return Certificate{}, err
	}
	text, err := storage.ReadFile(p.file(model.IdentityFile + previous))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Certificate{}, errors.New("there is no certificate from before")
	case err != nil:
		return Certificate{}, fmt.Errorf("the certificate from before: %w", err)
	}
	found, err := parsePEM(text)
	if err != nil {
		return Certificate{}, fmt.Errorf("the certificate from before: %w", err)
	}
	return s.take(name, found)
}

// take holds what was brought against the rules and puts it in force.
func (s *Store) take(name model.Purpose, found content) (Certificate, error) {
	p, err := s.certified(name)
	if err != nil {
		return Certificate{}, err
	}
	if len(found.certificates) == 0 {
		return Certificate{}, errors.New("there is no certificate in it")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id, err := s.keyFor(p, found)
	if err != nil {
		return Certificate{}, err
	}
	chain, err := chainOf(id.key.Public(), found.certificates)
	if err != nil {
		return Certificate{}, err
	}
	if err := checkChain(p.row, chain, s.now()); err != nil {
		return Certificate{}, err
	}
	id = &identity{key: id.key, kept: id.kept, chain: chain}
	return describe(chain[0]), s.adopt(p, id)
}

// keyFor gives the key of the certificate among those brought: the one that was
// brought with it, else the one that waits, else the one in force.
func (s *Store) keyFor(p *purpose, found content) (*identity, error) {
	switch {
	case len(found.keys) > 1:
		return nil, fmt.Errorf("there are %d keys in it: one is wanted", len(found.keys))
	case len(found.keys) == 1:
		return s.broughtKey(found.keys[0])
	}
	waiting, waitingErr := s.readRequest(p)
	current, err := p.reader.own()
	for _, id := range []*identity{waiting, current} {
		if id == nil {
			continue
		}
		for _, c := range found.certificates {
			if samePublicKey(c.PublicKey, id.key.Public()) {
				return id, nil
			}
		}
	}
	if err := errors.Join(waitingErr, err); err != nil {
		return nil, fmt.Errorf("the key of the certificate: %w", err)
	}
	return nil, errors.New("the box has no key for this certificate")
}

// broughtKey makes an identity of a key that an operator brought, in the one form
// that keys are kept in.
func (s *Store) broughtKey(block *pem.Block) (*identity, error) {
	if block.Type == tpmBlock { // of our own file from before
		key, err := loadKey(block, s.options.Keys)
		return &identity{key: key, kept: block}, err
	}
	key, err := parseKey(block)
	if err != nil {
		return nil, err
	}
	kept, err := encodeKey(key)
	return &identity{key: key, kept: kept}, err
}

// now is what certificates are held against.
func (s *Store) now() clocks {
	c := clocks{trusted: s.options.Trusted(), set: time.Now()}
	if c.set.Before(c.trusted) {
		c.set = c.trusted
	}
	return c
}

// Certificate is one certificate, for show commands.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"` // hexadecimal
	Names     []string  `json:"names"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"` // the fingerprint, in hexadecimal digits
}

func describe(c *x509.Certificate) Certificate {
	return Certificate{
		Subject: nameOf(c.Subject), Issuer: nameOf(c.Issuer), Serial: fmt.Sprintf("%x", c.SerialNumber), Names: namesIn(c),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, SHA256: fingerprint(c),
	}
}
