package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Credentials are who the box is in TLS and whom it trusts.
type Credentials struct {
	Certificate *tls.Certificate // with its chain; nil: there is none
	Roots       *x509.CertPool   // that certificates of peers must lead to; nil: nobody is trusted
}

// Reader gives the credentials of one purpose as its files have them now. They
// are read again when a file is another than it was; while they cannot be used,
// those before hold. Any process may have one, also beside Store.
type Reader struct {
	dir      string
	provider KeyProvider // nil: no TPM
	log      *slog.Logger

	mu       sync.Mutex
	identity cached[*identity]
	trust    cached[[]*x509.Certificate]
	given    Credentials // made of both
	made     bool        // given is of what they are now
}

// NewReader makes a reader of the directory of a purpose that has its keys in
// files.
func NewReader(dir string, log *slog.Logger) *Reader { return &Reader{dir: dir, log: log} }

// Load gives the credentials. An error means that the files cannot be used now
// and could not before.
func (r *Reader) Load() (Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	identityChanged, err := r.lookIdentity()
	trustChanged, trustErr := r.lookTrust()
	if identityChanged || trustChanged || !r.made {
		r.given, r.made = Credentials{}, true
		if id := r.identity.value; id != nil && len(id.chain) > 0 {
			r.given.Certificate = id.tls()
		}
		if len(r.trust.value) > 0 {
			r.given.Roots = poolOf(r.trust.value)
		}
	}
	return r.given, errors.Join(err, trustErr)
}

// own gives the identity; nil if there is none.
func (r *Reader) own() (*identity, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed, err := r.lookIdentity()
	r.made = r.made && !changed
	return r.identity.value, err
}

// trusted gives the authorities; none if there are none.
func (r *Reader) trusted() ([]*x509.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed, err := r.lookTrust()
	r.made = r.made && !changed
	return r.trust.value, err
}

func (r *Reader) lookIdentity() (changed bool, err error) {
	return r.identity.look(filepath.Join(r.dir, model.IdentityFile), r.log, func(text []byte) (*identity, error) {
		return parseIdentity(text, r.provider)
	})
}

func (r *Reader) lookTrust() (changed bool, err error) {
	return r.trust.look(filepath.Join(r.dir, model.TrustFile), r.log, parseTrust)
}

// poolOf makes a pool of certificates.
func poolOf(list []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range list {
		pool.AddCert(c)
	}
	return pool
}

// cached is what a file holds, parsed.
type cached[T any] struct {
	info  fs.FileInfo // of the file that was looked at last; nil: there was none
	known bool        // value is the content of a file
	value T
	err   error // why the file of info cannot be used
}

// look parses the file if it is another than it was, and says whether the value
// changed. The error of a file that cannot be used is given as long as there is
// no value from before; it is logged once.
func (c *cached[T]) look(path string, log *slog.Logger, parse func([]byte) (T, error)) (changed bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		changed = c.known
		*c = cached[T]{}
		return changed, nil
	case err == nil && c.info != nil && sameFile(info, c.info) && !errors.Is(c.err, errNoTPM):
		return false, c.trouble()
	}
	var text []byte
	if err == nil {
		text, err = storage.ReadFile(path)
	}
	var value T
	if err == nil {
		value, err = parse(text)
	}
	if err != nil {
		before := c.err
		c.info, c.err = info, fmt.Errorf("read %s: %w", path, err)
		if before == nil || before.Error() != c.err.Error() {
			log.Error("a file of certificates cannot be used", "error", c.err, "the_one_before_holds", c.known)
		}
		return false, c.trouble()
	}
	*c = cached[T]{info: info, known: true, value: value}
	return true, nil
}

// trouble is the error where no value helps.
func (c *cached[T]) trouble() error {
	if c.known {
		return nil
	}
	return c.err
}

// sameFile says whether a file is the one that it was: files of certificates are
// replaced whole, by another in their place.
func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
