package rootfs

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage/initramfs"
)

// addAuthorities adds those that the vendor has the box trust.
func (s *Spec) addAuthorities(_ context.Context, files *initramfs.Files) error {
	for _, root := range []struct{ name, source string }{
		{"etc/causeway/com-root.pem", s.COMRoot}, {"etc/causeway/license-root.pem", s.LicenseRoot},
	} {
		if root.source == "" {
			continue
		}
		text, err := os.ReadFile(root.source)
		if err != nil {
			return err
		}
		authorities, err := readAuthorities(text)
		if err != nil {
			return fmt.Errorf("%s: %w", root.source, err)
		}
		if err := files.AddRecord(cpio.StaticFile(root.name, authorities, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// readAuthorities gives the certificates of a PEM text and nothing that stands
// beside them. All are of authorities.
func readAuthorities(text []byte) (string, error) {
	var authorities strings.Builder
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		switch {
		case block.Type != "CERTIFICATE":
			return "", fmt.Errorf("there is a %s in it", block.Type)
		case err != nil:
			return "", err
		case !certificate.BasicConstraintsValid || !certificate.IsCA:
			return "", fmt.Errorf("the certificate of %s is not one of an authority", certificate.Subject)
		}
		authorities.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
	}
	if authorities.Len() == 0 {
		return "", errors.New("there is no certificate in it")
	}
	return authorities.String(), nil
}
