package certificates

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path"

	"causeway/appliance/model"
)

// stays says why the identity of a purpose belongs to this box alone; empty: it
// may go to another.
func (p *purpose) stays(id *identity) string {
	switch {
	case p.name == model.ForSSH:
		return "the host key of SSH: each box has its own"
	case p.oneBox:
		return fmt.Sprintf("who the box is for %s: each box is somebody else there", p.name)
	case id.inTPM():
		return fmt.Sprintf("the certificate for %s: its key is in the TPM, and never leaves it", p.name)
	case id.selfSigned():
		return fmt.Sprintf("the certificate for %s: the box has signed it for itself, and another box makes its own", p.name)
	}
	return ""
}

// Export gives the files that may go to another box, by name as Restore takes
// them, and says of what stays why. What cannot be read stays.
func (s *Store) Export() (files map[string][]byte, left []string) {
	files = map[string][]byte{}
	for _, row := range table {
		p := s.purposes[row.name]
		p.mu.Lock()
		id, err := p.reader.own()
		trusted, trustErr := p.reader.trusted()
		p.mu.Unlock()
		if err := errors.Join(err, trustErr); err != nil {
			left = append(left, fmt.Sprintf("something for %s: %v", p.name, err))
		}
		if id != nil {
			if why := p.stays(id); why != "" {
				left = append(left, why)
			} else {
				files[path.Join(string(p.name), model.IdentityFile)] = id.encode()
			}
		}
		if len(trusted) > 0 {
			files[path.Join(string(p.name), model.TrustFile)] = encodeCertificates(trusted)
		}
	}
	return files, left
}

// Restore puts in force what another box, or this one, has given with Export.
// Authorities come in addition to those that are trusted; of several the error
// tells which are not trusted any more.
func (s *Store) Restore(name string, content []byte) error {
	p, err := s.purpose(model.Purpose(path.Dir(name)))
	if err != nil {
		return err
	}
	switch file := path.Base(name); {
	case file == model.TrustFile:
		err = s.restoreTrust(p.name, content)
	case file == model.IdentityFile && !p.oneBox:
		_, err = s.Import(p.name, content)
	default:
		err = fmt.Errorf("%s belongs to one box", name)
	}
	s.wake()
	return err
}

func (s *Store) restoreTrust(purpose model.Purpose, content []byte) error {
	list, err := parseTrust(content)
	for _, c := range list {
		_, refused := s.Trust(purpose, encodeCertificates([]*x509.Certificate{c}))
		err = errors.Join(err, refused)
	}
	return err
}
