// Package tpm keeps private keys in the TPM 2.0 of the box: they are made there
// and never leave it, so a stolen disk holds nothing that could speak for it.
//
// In: the device of the kernel's resource manager. Out: ECDSA P-256 signers, the
// blob of each, to be kept in a file, and what TPM this is.
//
// Keys are children of the storage root key, which is made anew for every
// operation: from the template of TCG's provisioning guidance for ECC P-256
// the TPM always derives the same one from its seed. Nothing is stored in the TPM, so
// nothing in it can be lost or worn but the seed, and every operation leaves it as
// it was, whatever happened to the last one.
//
// Keys have no password: one would lie in a file beside the blob. So no secret crosses
// the bus, and sessions with parameter encryption would protect nothing; what
// comes back is a signature, which is verified before it is used.
package tpm

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// Device is where the kernel's resource manager is.
const Device = "/dev/tpmrm0"

// TPM is a TPM 2.0. It is safe for concurrent use: one operation at a time.
type TPM struct {
	open func() (transport.TPMCloser, error)
	mu   sync.Mutex
}

// Find gives the TPM behind a device, nil where this machine has none.
func Find(path string) (*TPM, error) {
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for a TPM: %w", err)
	}
	return &TPM{open: func() (transport.TPMCloser, error) { return openDevice(path) }}, nil
}

// New makes a key. The blob is what Load wants; it is no secret to anyone without this TPM.
func (t *TPM) New() (signer crypto.Signer, blob []byte, err error) {
	err = t.do("make a key", func(c transport.TPM, parent tpm2.NamedHandle) error {
		made, err := tpm2.Create{ParentHandle: parent, InPublic: tpm2.New2B(publicArea(tpm2.TPMSECCPoint{}))}.Execute(c)
		if err != nil {
			return err
		}
		k := &key{tpm: t, public: made.OutPublic.Bytes(), private: made.OutPrivate.Buffer}
		if k.point, err = publicKey(k.public); err != nil {
			return fmt.Errorf("it made another key than was asked for: %w", err)
		}
		signer, blob = k, k.blob()
		return nil
	})
	return signer, blob, err
}

// Load gives the key of a blob. The error is ErrForeign when this TPM did not make it.
func (t *TPM) Load(blob []byte) (crypto.Signer, error) {
	k, err := parse(blob)
	if err != nil {
		return nil, fmt.Errorf("load a key into the TPM: %w", err)
	}
	k.tpm = t
	err = t.do("load a key into the TPM", func(c transport.TPM, parent tpm2.NamedHandle) error {
		return k.with(c, parent, func(tpm2.NamedHandle) error { return nil })
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// do opens the TPM, makes the storage root key and leaves the rest to f.
func (t *TPM) do(what string, f func(c transport.TPM, parent tpm2.NamedHandle) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", what, explain(err))
		}
	}()
	t.mu.Lock()
	defer t.mu.Unlock()
	c, err := t.open()
	if err != nil {
		return err
	}
	defer c.Close()
	root, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(c)
	if err != nil {
		return fmt.Errorf("make the storage root key: %w", err)
	}
	defer flush(c, root.ObjectHandle)
	return f(c, tpm2.NamedHandle{Handle: root.ObjectHandle, Name: root.Name})
}

// flush frees the room of an object. The resource manager does so as well, when
// the device is closed: so it matters to nobody if this fails.
func flush(c transport.TPM, object tpm2.TPMHandle) {
	tpm2.FlushContext{FlushHandle: object}.Execute(c)
}
