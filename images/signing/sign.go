package signing

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"causeway/appliance/bundle"
)

// Program signs an EFI program for Secure Boot: it reads one file and writes the
// other. The same program, keys and time give the same file.
func (k *Keys) Program(ctx context.Context, signed, unsigned string, when time.Time) error {
	// A signature has its time in it, which sbsign takes from the clock alone.
	cmd := exec.CommandContext(ctx, "faketime", "-f", when.UTC().Format(time.DateTime),
		"sbsign", "--key", filepath.Join(k.dir, secureBootKey), "--cert", filepath.Join(k.dir, Certificate),
		"--output", signed, unsigned)
	cmd.Env = append(cmd.Environ(), "TZ=UTC")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sign %s for Secure Boot (Debian's packages sbsigntool, faketime): %w: %s", unsigned, err, bytes.TrimSpace(out))
	}
	return nil
}

// Manifest gives the text of the manifest of an image (bundle.Make), and its signature.
func (k *Keys) Manifest(m bundle.Manifest, notes, image []byte) (text, signature []byte, err error) {
	if _, text, err = bundle.Make(m, notes, image); err != nil {
		return nil, nil, err
	}
	return text, ed25519.Sign(k.release, text), nil
}
