package certificates

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"

	"causeway/appliance/model"
)

// Generate makes a key that then waits for its certificate, in the place of one
// that waits already. What is in force stays so.
func (s *Store) Generate(name model.Purpose, kind KeyKind) (inTPM bool, err error) {
	p, err := s.certified(name)
	if err != nil {
		return false, err
	}
	key, err := s.newKey(p, kind) // not under the lock: a long RSA key takes seconds
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return key.inTPM(), p.write(requestFile, key.encode())
}

// errNoCertificate refuses what has to do with certificates.
var errNoCertificate = errors.New("ssh has a host key and no certificate")

// certified gives a purpose that has a certificate.
func (s *Store) certified(name model.Purpose) (*purpose, error) {
	if name == model.ForSSH {
		return nil, errNoCertificate
	}
	return s.purpose(name)
}

// Wanted is what a certificate shall say.
type Wanted struct {
	Subject string   `json:"subject"` // "CN=sip.example.com,O=Example"; empty: CN is the first name
	Names   []string `json:"names"`   // hosts and addresses; none: those of the box
}

// of gives it in the forms of x509.
func (w Wanted) of(s *Store, p *purpose) (pkix.Name, names, error) {
	hosts := w.Names
	if len(hosts) == 0 {
		hosts = s.options.Names()
	}
	if w.Subject == "" && len(hosts) > 0 {
		return pkix.Name{CommonName: hosts[0]}, namesFor(p.name, hosts), nil
	}
	subject, err := parseSubject(w.Subject)
	return subject, namesFor(p.name, hosts), err
}

// Request gives a certificate request (PKCS #10, RFC 2986) as PEM, signed by the
// key that waits for a certificate; one is made if none does.
func (s *Store) Request(name model.Purpose, wanted Wanted) (string, error) {
	p, err := s.certified(name)
	if err != nil {
		return "", err
	}
	subject, n, err := wanted.of(s, p)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := s.waitingKey(p)
	if err != nil {
		return "", err
	}
	template := x509.CertificateRequest{Subject: subject, DNSNames: n.dns, IPAddresses: n.addresses, URIs: n.uris}
	der, err := x509.CreateCertificateRequest(rand.Reader, &template, key.key)
	if err != nil {
		return "", fmt.Errorf("sign the request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: requestBlock, Bytes: der})), nil
}

// WaitingKey gives the key that waits for its certificate, for a protocol in
// which it proves itself; nil: none does.
func (s *Store) WaitingKey(name model.Purpose) (crypto.Signer, error) {
	p, err := s.certified(name)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, err := s.readRequest(p)
	if err != nil || waiting == nil {
		return nil, err
	}
	return waiting.key, nil
}

// waitingKey gives the key that waits for its certificate. p.mu is held.
func (s *Store) waitingKey(p *purpose) (*identity, error) {
	key, err := s.readRequest(p)
	if err != nil || key != nil {
		return key, err
	}
	if key, err = s.newKey(p, KeyKind{}); err != nil {
		return nil, err
	}
	return key, p.write(requestFile, key.encode())
}

// SignSelf puts a certificate in force that the box signs for itself, for the key
// that waits or else a new one.
func (s *Store) SignSelf(name model.Purpose, wanted Wanted) (Certificate, error) {
	p, err := s.certified(name)
	if err != nil {
		return Certificate{}, err
	}
	subject, n, err := wanted.of(s, p)
	if err != nil {
		return Certificate{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := s.waitingKey(p)
	if err != nil {
		return Certificate{}, err
	}
	id, err := s.sign(p, key, subject, n)
	if err != nil {
		return Certificate{}, err
	}
	return describe(id.chain[0]), s.adopt(p, id)
}

// adopt puts an identity in force that an operator wants, and forgets the key that
// waited for it and what was damaged before. Cut off in between, that key waits
// on and does no harm. p.mu is held.
func (s *Store) adopt(p *purpose, id *identity) error {
	if err := p.keep(id); err != nil {
		return err
	}
	if err := p.remove(model.IdentityFile + bad); err != nil {
		return err
	}
	waiting, err := s.readRequest(p)
	if err == nil && waiting != nil && samePublicKey(waiting.key.Public(), id.key.Public()) {
		return p.remove(requestFile)
	}
	return nil
}

// Zeroize forgets the key and the certificate of a purpose, those before and the
// key that waits. What the box cannot be without it makes anew at once.
func (s *Store) Zeroize(name model.Purpose) error {
	p, err := s.purpose(name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	err = p.remove(model.IdentityFile, model.IdentityFile+previous, model.IdentityFile+bad, requestFile)
	p.mu.Unlock()
	s.ensure(p)
	return err
}
