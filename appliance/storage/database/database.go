// Package database is what all files of bbolt have in common here: how they are
// opened, and what a damaged one does. bbolt maps its file into memory and
// trusts it, so a damaged one panics, or faults where the disk gives less than
// is mapped. What becomes of such a file is for its owner to say.
package database

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// ErrDamaged means that the content of a file contradicts itself.
var ErrDamaged = errors.New("damaged")

// lockWait is how long another process may hold a file: an earlier life of the
// same one that is about to end.
const lockWait = time.Second

// Open opens the file at path, or makes it, with mode 0600. It belongs to this
// process until it is closed. Call it in Guard.
func Open(path string) (*bbolt.DB, error) {
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait})
}

// Guard does something with a database. What a damaged file makes of that is an
// ErrDamaged; the database must not be used after it.
func Guard(use func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, fault)
		}
	}()
	return use()
}

// passing are the errors of Open that say nothing against the file.
var passing = []error{
	bolterrors.ErrTimeout, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOSPC, unix.EROFS, unix.EACCES, unix.ENOENT, unix.EIO,
}

// IsPassing says whether an error of Open says nothing against the file: it may
// be opened later as it is.
func IsPassing(err error) bool {
	return slices.ContainsFunc(passing, func(one error) bool { return errors.Is(err, one) })
}
