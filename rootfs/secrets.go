package rootfs

import (
	"fmt"
	"io"
	"regexp"

	"github.com/u-root/mkuimage/uimage/initramfs"
)

// secrets are the looks of what is in no image: whoever has one image has what is in
// all boxes. The words alone are in programs that read keys.
var secrets = []struct {
	what string
	look *regexp.Regexp
}{
	{"a private key in PEM", regexp.MustCompile(`-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----\r?\n[A-Za-z0-9+/]`)},
	{"an Ed25519 private key in DER (RFC 8410 §7)", regexp.MustCompile(`\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20`)},
	{"a private key of age", regexp.MustCompile(`AGE-SECRET-KEY-1[A-Z0-9]{58}`)},
	{"the hash of a password", regexp.MustCompile(`\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]{22}\$`)},
}

// refuseSecrets fails if a file has a secret in it.
func refuseSecrets(files *initramfs.Files) error {
	for name, record := range files.Records {
		if record.ReaderAt == nil { // a directory or a device
			continue
		}
		content, err := io.ReadAll(io.NewSectionReader(record, 0, int64(record.FileSize)))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, secret := range secrets {
			if secret.look.Match(content) {
				return fmt.Errorf("%s has %s in it", name, secret.what)
			}
		}
	}
	return nil
}
