package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"causeway/appliance/sip/stream"
	"causeway/appliance/storage"
)

// identity is who the box is in TLS and whom it trusts, from three files of a
// directory: certificate.pem (the chain), key.pem and trust.pem (authorities).
// They are read again when one of them has changed; while they do not go
// together, as between two steps of an import, those before hold. Without a
// certificate the box makes one of its own, signed by itself; without trust.pem
// it trusts nobody.
type identity struct {
	dir string
	log *slog.Logger

	mu     sync.Mutex
	stamps [3]time.Time // of the files, when they were read
	last   stream.Identity
	failed error
}

var identityFiles = [3]string{"certificate.pem", "key.pem", "trust.pem"}

// load gives the identity as the files have it now.
func (i *identity) load() (stream.Identity, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.make(); err != nil {
		return stream.Identity{}, err
	}
	var stamps [3]time.Time
	for n, name := range identityFiles {
		if info, err := os.Stat(filepath.Join(i.dir, name)); err == nil {
			stamps[n] = info.ModTime()
		}
	}
	if stamps != i.stamps {
		i.stamps = stamps
		found, err := i.read()
		if err == nil {
			i.last = found
		} else if i.last.Certificate != nil {
			i.log.Error("the files of SIP over TLS do not serve, those before do", "error", err)
			err = nil
		}
		i.failed = err
	}
	return i.last, i.failed
}

func (i *identity) read() (stream.Identity, error) {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(i.dir, identityFiles[0]), filepath.Join(i.dir, identityFiles[1]))
	if err != nil {
		return stream.Identity{}, fmt.Errorf("certificate of SIP: %w", err)
	}
	found := stream.Identity{Certificate: &certificate}
	trusted, err := os.ReadFile(filepath.Join(i.dir, identityFiles[2]))
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return stream.Identity{}, fmt.Errorf("authorities that SIP trusts: %w", err)
	}
	found.Roots = x509.NewCertPool()
	if !found.Roots.AppendCertsFromPEM(trusted) {
		return stream.Identity{}, fmt.Errorf("authorities that SIP trusts: no certificate in %s", identityFiles[2])
	}
	return found, nil
}

// ownValidity is how long a certificate lasts that the box makes for itself.
const ownValidity = 20 * 365 * 24 * time.Hour

// make makes the certificate where there is none, and its key unless somebody
// has brought that already.
func (i *identity) make() error {
	path := filepath.Join(i.dir, identityFiles[0])
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(i.dir, 0o750); err != nil {
		return fmt.Errorf("make a certificate for SIP: %w", err)
	}
	key, err := i.key()
	if err != nil {
		return fmt.Errorf("make a certificate for SIP: %w", err)
	}
	name := pkix.Name{CommonName: "Causeway SIP proxy"}
	template := x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(random(16)), Subject: name,
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(ownValidity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a certificate for SIP: %w", err)
	}
	return storage.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o640)
}

// key gives the key that is there, or makes and keeps one.
func (i *identity) key() (crypto.Signer, error) {
	path := filepath.Join(i.dir, identityFiles[1])
	text, err := os.ReadFile(path)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("no key in %s", path)
		}
		for _, parse := range []func([]byte) (any, error){
			x509.ParsePKCS8PrivateKey,
			func(der []byte) (any, error) { return x509.ParseECPrivateKey(der) },
			func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) },
		} {
			key, err := parse(block.Bytes)
			if signer, ok := key.(crypto.Signer); err == nil && ok {
				return signer, nil
			}
		}
		return nil, fmt.Errorf("no key that can sign in %s", path)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, storage.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return b
}

// client is the configuration of connections that we open to try a server.
func (i *identity) client(string) *tls.Config {
	found, err := i.load()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: found.Roots}
	if err != nil || found.Roots == nil {
		config.RootCAs = x509.NewCertPool() // nobody
	}
	if found.Certificate != nil {
		config.Certificates = []tls.Certificate{*found.Certificate}
	}
	return config
}
