// Package signing keeps the two keys that firmware is signed with, and signs: the
// release key (Ed25519) signs bundles, and boxes check it; the Secure Boot key (RSA)
// signs EFI programs, and the machine's firmware checks it.
package signing

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"time"

	"causeway/appliance/bundle"
)

// The files of a directory of keys.
const (
	releaseKey    = "release.key"    // PEM, PKCS #8, Ed25519: secret
	secureBootKey = "secureboot.key" // PEM, PKCS #8, RSA: secret
	// ReleaseKeys are the public keys that boxes take bundles of. A vendor adds those
	// that are to follow.
	ReleaseKeys = "release.pem"
	// Certificate is that of the Secure Boot key, in PEM; CertificateDER is the same
	// in the form that the menus of firmware enrol.
	Certificate    = "secureboot.crt"
	CertificateDER = "secureboot.cer"
)

// rsaBits is the size of the Secure Boot key: what UEFI 2.3.1 asks of a firmware, and all
// take.
const rsaBits = 2048

// The certificate is good for ever: no firmware looks at the time. All in it
// comes from the key, so that it can be made anew.
var (
	notBefore = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	notAfter  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // RFC 5280 §4.1.2.5
)

// Keys are those of one directory.
type Keys struct {
	dir     string
	makes   bool // what is not there yet
	release ed25519.PrivateKey
}

// Open reads the keys in dir. Who mistypes a directory gets no new ones, which no
// box knows.
func Open(dir string) (*Keys, error) { return open(&Keys{dir: dir}) }

// Make is Open, and makes the keys that are not there yet. It may run many times
// at once.
func Make(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return open(&Keys{dir: dir, makes: true})
}

func open(k *Keys) (*Keys, error) {
	if err := k.open(); err != nil {
		return nil, fmt.Errorf("keys in %s: %w", k.dir, err)
	}
	return k, nil
}

// File is the path of one of the public files: ReleaseKeys, Certificate, CertificateDER.
func (k *Keys) File(name string) string { return filepath.Join(k.dir, name) }

func (k *Keys) open() error {
	release, err := k.private(releaseKey, func() (crypto.Signer, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	})
	if err != nil {
		return err
	}
	var ok bool
	if k.release, ok = release.(ed25519.PrivateKey); !ok {
		return fmt.Errorf("%s holds %T, not an Ed25519 key", releaseKey, release)
	}
	if err := k.openReleaseKeys(); err != nil {
		return err
	}
	secureBoot, err := k.private(secureBootKey, func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, rsaBits) })
	if err != nil {
		return err
	}
	return k.openCertificate(secureBoot)
}

// openReleaseKeys sees that boxes with these release keys take what our key signs.
func (k *Keys) openReleaseKeys() error {
	own, err := x509.MarshalPKIXPublicKey(k.release.Public())
	if err != nil {
		return err
	}
	text, err := k.public(ReleaseKeys, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: own}))
	if err != nil {
		return err
	}
	keys, err := bundle.ParseKeys(text)
	if err != nil {
		return fmt.Errorf("%s: %w", ReleaseKeys, err)
	}
	if !slices.ContainsFunc(keys, func(key ed25519.PublicKey) bool { return key.Equal(k.release.Public()) }) {
		return fmt.Errorf("%s is not in %s: a box with this image would refuse the next one", releaseKey, ReleaseKeys)
	}
	return nil
}

// openCertificate sees that the certificate is that of the key.
func (k *Keys) openCertificate(key crypto.Signer) error {
	certificate, err := certify(key)
	if err != nil {
		return err
	}
	text, err := k.public(Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%s is not PEM", Certificate)
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", Certificate, err)
	}
	if public, ok := parsed.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(key.Public()) {
		return fmt.Errorf("%s is not the certificate of %s", Certificate, secureBootKey)
	}
	der, err := k.public(CertificateDER, parsed.Raw)
	if err == nil && !bytes.Equal(der, parsed.Raw) {
		err = fmt.Errorf("%s and %s are not the same certificate", Certificate, CertificateDER)
	}
	return err
}

// certify gives the certificate of a key, signed by itself.
func certify(key crypto.Signer) ([]byte, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	id := sha256.Sum256(public)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(id[:16]),
		Subject:      pkix.Name{CommonName: fmt.Sprintf("Causeway Secure Boot %x", id[:4])},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// private reads a secret key, and makes it where that is wanted.
func (k *Keys) private(name string, generate func() (crypto.Signer, error)) (crypto.Signer, error) {
	file := filepath.Join(k.dir, name)
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		if !k.makes {
			return nil, fmt.Errorf("%s is not there: images keys makes it", name)
		}
		key, err := generate()
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", name, err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("make %s: %w", name, err)
		}
		if err := create(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			return nil, err
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fmt.Errorf("%s is not a private key in PEM (PKCS #8)", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s is not a key that signs", name)
	}
	return signer, nil
}

// public reads a public file, which is made of that content if it is not there.
func (k *Keys) public(name string, content []byte) ([]byte, error) {
	file := filepath.Join(k.dir, name)
	if err := create(file, content, 0o644); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// create writes a file, whole, if it is not there yet.
func create(file string, content []byte, mode os.FileMode) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link does not replace what somebody else has made meanwhile.
	if err := os.Link(f.Name(), file); !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
