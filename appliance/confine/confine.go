// Package confine takes away from a process of the appliance what it never
// needs, before it reads the first octet from outside: Landlock says which
// files it may open (table.go), seccomp which system calls it may make
// (calls.go). Both come on top of the user and the capabilities that init gave
// it, hold for all its threads, and cannot be taken back.
//
// In: the name of the process. Out: nothing but an error. What a process is
// refused looks like a file without permission (EACCES) or a call that the
// kernel does not have (ENOSYS), from which Go and its libraries fall back; the
// kernel's log has a line about each such call (type=1326).
//
// Only init asks for it: who starts a process by hand chooses its files
// himself.
package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Enter confines the process to what a service of that name needs of the box
// whose volumes and sockets are below root ("/" on the box). It tries itself
// whether both hold, since a kernel may be without either. An error says what
// does not; what can be held holds all the same.
func Enter(service, root string) error {
	needs, known := table[service]
	if !known {
		return fmt.Errorf("confine: there is no service %q", service)
	}
	if err := errors.Join(needs.restrictFiles(root), needs.restrictCalls(), prove()); err != nil {
		return fmt.Errorf("confine %s: %w", service, err)
	}
	return nil
}

// prove fails unless the process is refused what every other one may do: read
// its own program.
func prove() error {
	var errs []error
	program, err := os.Open("/proc/self/exe")
	if err == nil {
		program.Close()
	}
	if !errors.Is(err, fs.ErrPermission) {
		errs = append(errs, fmt.Errorf("no file is out of reach (Landlock): opening the program gives %v", err))
	}
	if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil || mode != unix.SECCOMP_MODE_FILTER {
		errs = append(errs, fmt.Errorf("no call is out of reach (seccomp): the mode is %d, %v", mode, err))
	}
	return errors.Join(errs...)
}
