// Package certificates keeps the keys and certificates of the box, and whom it
// trusts: one owner for SIP, RADIUS, SSH, the pages, COM, the licence server,
// Call Home and syslog (model.Purpose). Only control has a Store.
//
// In come what operators bring and ask for (crypto key …, crypto pki …). Out go
// files that proxy and billing read (Reader), credentials for the other
// subjects of control, conditions for alarms, and show certificates.
//
// A purpose has one directory. identity.pem is its key and certificate together,
// replaced whole: a power cut leaves the old pair or the new one. Beside it may
// be identity.pem.previous, the pair before; identity.pem.bad, one that was
// found damaged; request.pem, a key that waits for its certificate; and
// trust.pem.
//
// The box signs for itself what it cannot be without (self), at first boot and
// before that expires. Such a certificate names no host and no address: when it
// is made the box has neither, and a peer that trusts it knows it by its
// fingerprint, which must not change with a name.
//
// Left out: revocation (CRL, OCSP), enrolment by SCEP or EST, export of keys, and
// encrypted keys (PKCS #12): whoever makes such a file says how long opening it
// takes, and a key is best made here.
package certificates

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Options are what a Store works with.
type Options struct {
	Dir    string // of the directories of the purposes: model.CertificateDir
	Serial string // file of the serial number of the box: model.SerialFile
	// Trusted is the time that certificates expire by: it never runs
	// backwards of itself, and is never ahead of the true time by much (clock.Trusted).
	Trusted func() time.Time
	// Names are the host name and the addresses of the box, for requests
	// that name none.
	Names func() []string
	Keys  KeyProvider // nil: no TPM
	Log   *slog.Logger
}

// Store is the keys and certificates of the box. All its methods may be called
// at any time from any goroutine.
type Store struct {
	options  Options
	purposes map[model.Purpose]*purpose
	kick     chan struct{} // holds one: something was changed

	mu         sync.Mutex
	conditions []model.Condition // as of the last look
}

// purpose is the directory of one.
type purpose struct {
	row
	dir    string
	reader *Reader

	mu      sync.Mutex // held while files are changed
	request cached[*identity]
	problem string // why the box could not make what it needs; empty: it could
}

// New makes a store, and removes what cuts left of files. Nothing is made before
// it is asked for.
func New(o Options) *Store {
	s := &Store{options: o, purposes: map[model.Purpose]*purpose{}, kick: make(chan struct{}, 1)}
	for _, row := range table {
		dir := filepath.Join(o.Dir, string(row.name))
		if err := storage.RemoveTemporary(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			o.Log.Warn("half a file of certificates may be left", "error", err)
		}
		s.purposes[row.name] = &purpose{row: row, dir: dir, reader: &Reader{dir: dir, provider: o.Keys, log: o.Log}}
	}
	return s
}

// Credentials are who the box is for a purpose and whom it trusts.
func (s *Store) Credentials(name model.Purpose) (Credentials, error) {
	p, err := s.purpose(name)
	if err != nil {
		return Credentials{}, err
	}
	s.ensure(p)
	return p.reader.Load()
}

// errNoHostKey cannot be unless bootflash: fails.
var errNoHostKey = errors.New("there is no SSH host key")

// HostKey is the key that the box is known by over SSH and SFTP.
func (s *Store) HostKey() (ssh.Signer, error) {
	p := s.purposes[model.ForSSH]
	s.ensure(p)
	id, err := p.reader.own()
	switch {
	case err != nil:
		return nil, err
	case id == nil:
		return nil, errNoHostKey
	}
	return ssh.NewSignerFromSigner(id.key)
}

func (s *Store) purpose(name model.Purpose) (*purpose, error) {
	p := s.purposes[name]
	if p == nil {
		return nil, fmt.Errorf("%q is no purpose of certificates", name)
	}
	return p, nil
}

// lookEvery is how often Run looks for what is missing or about to expire.
const lookEvery = time.Minute

// Run makes what the box signs for itself, and makes it anew in time, until ctx
// ends.
func (s *Store) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		for _, row := range table {
			s.ensure(s.purposes[row.name])
		}
		s.lookAtAll()
		select {
		case <-ctx.Done():
			return nil
		case <-s.kick:
		case <-tick.C:
		}
	}
}

// ensure makes what a purpose cannot be without, and sets aside what is damaged.
// What goes wrong is logged once, and an alarm; it is tried again.
func (s *Store) ensure(p *purpose) {
	if p.self == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	problem := ""
	if err := s.makeOwn(p); err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != p.problem {
		s.options.Log.Error("the box cannot make its own certificate", "purpose", p.name, "error", problem)
	}
	p.problem = problem
}

// makeOwn makes the identity that the box signs for itself, if there is none,
// it is damaged or it expires soon. The key stays as long as it can be read:
// peers may know the box by it. p.mu is held.
func (s *Store) makeOwn(p *purpose) error {
	id, err := p.reader.own()
	switch {
	case errors.Is(err, errDamaged):
		if err := p.setAside(); err != nil {
			return err
		}
		s.options.Log.Error("a damaged certificate was set aside", "purpose", p.name, "file", p.file(model.IdentityFile+bad))
		id = nil
	case err != nil && id == nil:
		return err
	}
	now := s.options.Trusted()
	if id != nil && (!id.selfSigned() || now.Add(ownRenewal).Before(id.chain[0].NotAfter)) {
		return nil
	}
	made, err := p.self(s, p, id)
	if err != nil {
		return fmt.Errorf("make the certificate for %s: %w", p.name, err)
	}
	if err := p.keep(made); err != nil {
		return err
	}
	s.options.Log.Info("the box has made its own certificate", "purpose", p.name, "sha256", made.fingerprint())
	return nil
}

// Beside an identity.
const (
	previous    = ".previous" // the one before
	bad         = ".bad"      // a damaged one, set aside
	requestFile = "request.pem"
)

func (p *purpose) file(name string) string { return filepath.Join(p.dir, name) }

// mode is that of the files: another process reads them by the group of the
// directory, or nobody does.
func (p *purpose) mode() os.FileMode {
	if p.shared {
		return 0o640
	}
	return 0o600
}

// write replaces a file of the purpose.
func (p *purpose) write(name string, text []byte) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil { // init makes it; a plain host has no init
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return storage.WriteFile(p.file(name), text, p.mode())
}

// keep puts an identity in force. The one before is kept beside it.
func (p *purpose) keep(id *identity) error {
	before, err := storage.ReadFile(p.file(model.IdentityFile))
	if err == nil {
		err = p.write(model.IdentityFile+previous, before)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep the certificate before: %w", err)
	}
	return p.write(model.IdentityFile, id.encode())
}

// setAside makes room for a new identity in the place of one that is damaged.
func (p *purpose) setAside() error {
	if err := os.Rename(p.file(model.IdentityFile), p.file(model.IdentityFile+bad)); err != nil {
		return fmt.Errorf("set a damaged certificate aside: %w", err)
	}
	return storage.SyncDir(p.dir)
}

// remove removes files of the purpose; those that are not there are removed.
func (p *purpose) remove(names ...string) error {
	for _, name := range names {
		if err := os.Remove(p.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	if err := storage.SyncDir(p.dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// readRequest gives the key that waits for its certificate; nil: none does.
func (s *Store) readRequest(p *purpose) (*identity, error) {
	_, err := p.request.look(p.file(requestFile), s.options.Log, func(text []byte) (*identity, error) {
		return parseIdentity(text, s.options.Keys)
	})
	return p.request.value, err
}

// Roots are the authorities that peers of a purpose must lead to; nil: nobody
// is trusted.
func (s *Store) Roots(name model.Purpose) (*x509.CertPool, error) {
	credentials, err := s.Credentials(name)
	return credentials.Roots, err
}
