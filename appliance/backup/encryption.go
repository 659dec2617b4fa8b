package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

// workFactor is the binary logarithm of scrypt's N, of which r is 8 (RFC 7914):
// 32 MiB, which control has beside all else on a box of 256 MiB. More is no way
// to have control killed with a backup that somebody has made for that.
const workFactor = 15

// passphraseMin is the shortest passphrase, in octets: who has the file can try
// as many as he likes.
const passphraseMin = 12

// headerMax bounds what says who can open a backup, in octets: some dozens.
const headerMax = 16 << 10

// parseRecipient reads a public key of age or SSH.
func parseRecipient(text string) (age.Recipient, error) {
	if strings.HasPrefix(text, "ssh-") {
		return agessh.ParseRecipient(text)
	}
	return age.ParseX25519Recipient(text)
}

// passphraseRecipient is whoever knows the passphrase.
func passphraseRecipient(passphrase string) (age.Recipient, error) {
	if len(passphrase) < passphraseMin {
		return nil, fmt.Errorf("the passphrase of a backup has at least %d characters", passphraseMin)
	}
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	r.SetWorkFactor(workFactor)
	return r, nil
}

// encrypt gives what the recipients can open with age: a tar archive.
func (s *Service) encrypt(m Manifest, recipients []age.Recipient) ([]byte, error) {
	var content bytes.Buffer
	var w io.WriteCloser
	var err error
	_, derives := recipients[0].(*age.ScryptRecipient)
	s.alone(derives, func() { w, err = age.Encrypt(&content, recipients...) })
	if err == nil {
		err = writeArchive(w, m)
	}
	if err == nil {
		err = w.Close()
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("encrypt the backup: %w", err)
	case content.Len() > archiveMax:
		return nil, fmt.Errorf("the backup has %d octets, and %d are the most that can be restored", content.Len(), archiveMax)
	}
	return content.Bytes(), nil
}

// alone does something. If it derives a key from a passphrase nothing else that
// takes as much memory is done meanwhile, and the memory goes back to the kernel
// at once: the limit of control counts it.
func (s *Service) alone(derives bool, do func()) {
	if !derives {
		do()
		return
	}
	s.options.Alone(func() {
		do()
		debug.FreeOSMemory()
	})
}

// decrypt reads a backup that an identity opens.
func (s *Service) decrypt(content []byte, identity age.Identity) (Manifest, error) {
	var plain io.Reader
	var err error
	_, derives := identity.(*age.ScryptIdentity)
	s.alone(derives, func() { plain, err = age.Decrypt(bytes.NewReader(content), identity) })
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return Manifest{}, errors.New("it is not opened with this: the passphrase or the key is another")
	case err != nil:
		return Manifest{}, fmt.Errorf("open the backup: %w", err)
	}
	m, err := readArchive(plain)
	if err != nil {
		return Manifest{}, fmt.Errorf("the backup is damaged: %w", err)
	}
	return m, nil
}

// Kind is what a backup is opened with.
type Kind string

// The kinds.
const (
	ByPassphrase Kind = "passphrase"
	ByKey        Kind = "key"
)

// kindOf tells from its beginning what a backup is opened with.
func kindOf(content []byte) (Kind, error) {
	header, err := age.ExtractHeader(bytes.NewReader(content[:min(len(content), headerMax)]))
	if err != nil {
		return "", fmt.Errorf("this is no backup, or its beginning is damaged: %w", err)
	}
	if bytes.Contains(header, []byte("\n-> scrypt ")) {
		return ByPassphrase, nil
	}
	return ByKey, nil
}

// identityOf makes what opens a backup of the passphrase or of a private key:
// AGE-SECRET-KEY-1…, or a private key of SSH without a passphrase of its own.
func identityOf(kind Kind, secret string) (age.Identity, error) {
	if kind == ByPassphrase {
		identity, err := age.NewScryptIdentity(secret)
		if err != nil {
			return nil, err
		}
		identity.SetMaxWorkFactor(workFactor)
		return identity, nil
	}
	if strings.Contains(secret, "-----BEGIN") {
		identity, err := agessh.ParseIdentity([]byte(secret))
		if err != nil {
			return nil, errors.New("this private key of SSH cannot be read: it is damaged, encrypted, or of another kind than ed25519 and RSA")
		}
		return identity, nil
	}
	identities, err := age.ParseIdentities(strings.NewReader(secret))
	if err != nil || len(identities) != 1 {
		return nil, errors.New("this is not one private key of age (AGE-SECRET-KEY-1…) or SSH")
	}
	return identities[0], nil
}
