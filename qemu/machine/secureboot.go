package machine

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"causeway/qemu/nvram"
)

// variables gives the path of the UEFI variables of a machine: those it had before,
// or new ones with nothing in them but the keys of Secure Boot.
func (c Config) variables(private string) (string, error) {
	path := cmp.Or(c.Variables, filepath.Join(private, "variables.fd"))
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return path, err
	}
	if c.Certificate == "" {
		return "", errors.New("a machine that boots through UEFI needs a certificate to enrol")
	}
	certificate, err := os.ReadFile(c.Certificate)
	if err != nil {
		return "", fmt.Errorf("certificate for Secure Boot: %w", err)
	}
	flash, err := os.ReadFile(c.Board.Variables)
	if err != nil {
		return "", fmt.Errorf("UEFI variables: %w", err)
	}
	if err := nvram.Enrol(flash, certificate); err != nil {
		return "", fmt.Errorf("UEFI variables in %s: %w", c.Board.Variables, err)
	}
	return path, os.WriteFile(path, flash, 0o600)
}
