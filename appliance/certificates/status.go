package certificates

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"os"
	"time"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/model"
)

// Status is what a purpose has. It has no secret.
type Status struct {
	Purpose     model.Purpose `json:"purpose"`
	Certificate *Certificate  `json:"certificate"` // nil: none
	Chain       []Certificate `json:"chain"`       // those between it and its authority
	Complete    bool          `json:"complete"`    // the chain ends at a root, or at one signed by an authority that is trusted here
	SelfSigned  bool          `json:"self_signed"`
	Key         string        `json:"key"`      // "EC P-256, in a file", "Ed25519, in the TPM"; empty: none
	HostKey     string        `json:"host_key"` // of ssh: "SHA256:…", as ssh-keygen -l prints it
	Waiting     string        `json:"waiting"`  // the key that waits for its certificate; empty: none
	Since       time.Time     `json:"since"`    // it waits since
	Trusted     []Certificate `json:"trusted"`
	Problem     string        `json:"problem"` // what is wrong; empty: nothing
}

// Status tells what a purpose has.
func (s *Store) Status(name model.Purpose) (Status, error) {
	p, err := s.purpose(name)
	if err != nil {
		return Status{}, err
	}
	s.ensure(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	status := Status{Purpose: name, Problem: s.trouble(p)}
	trusted, _ := p.reader.trusted() // trouble says it
	for _, c := range trusted {
		status.Trusted = append(status.Trusted, describe(c))
	}
	if waiting, _ := s.readRequest(p); waiting != nil {
		status.Waiting, status.Since = waiting.describeKey(), p.request.info.ModTime()
	}
	id, _ := p.reader.own()
	if id == nil {
		return status, nil
	}
	status.Key = id.describeKey()
	if len(id.chain) == 0 {
		if key, err := ssh.NewPublicKey(id.key.Public()); err == nil {
			status.HostKey = ssh.FingerprintSHA256(key)
		}
		return status, nil
	}
	own, last := describe(id.chain[0]), id.chain[len(id.chain)-1]
	status.Certificate, status.SelfSigned, status.Complete = &own, id.selfSigned(), signedItself(last)
	for _, c := range id.chain[1:] {
		status.Chain = append(status.Chain, describe(c))
	}
	for _, c := range trusted {
		status.Complete = status.Complete || last.CheckSignatureFrom(c) == nil
	}
	return status, nil
}

// KeyInTPM says whether the key in force for a purpose is in the TPM.
func (s *Store) KeyInTPM(name model.Purpose) bool {
	p, err := s.purpose(name)
	if err != nil {
		return false
	}
	id, _ := p.reader.own() // trouble says it
	return id != nil && id.inTPM()
}

// describeKey says what key it is, and where.
func (id *identity) describeKey() string {
	where := "in a file"
	if id.inTPM() {
		where = "in the TPM"
	}
	return kindOf(id.key.Public()) + ", " + where
}

func kindOf(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return "EC " + key.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return "of an unknown kind"
}

// trouble says what is wrong with the files of a purpose. p.mu is held.
func (s *Store) trouble(p *purpose) string {
	_, err := p.reader.own()
	_, trustErr := p.reader.trusted()
	_, requestErr := s.readRequest(p)
	for _, err := range []error{err, trustErr, requestErr} {
		if err != nil {
			return err.Error()
		}
	}
	if p.problem != "" {
		return p.problem
	}
	if _, err := os.Stat(p.file(model.IdentityFile + bad)); err == nil {
		return "the certificate was damaged and set aside: the box made one for itself"
	}
	return ""
}
