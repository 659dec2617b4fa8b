package rootfs

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage/initramfs"
	"golang.org/x/crypto/ssh"

	"causeway/appliance/bundle"
)

// TestRefuseSecrets: whatever a secret stands in, the image is not made; what is public
// or only speaks of secrets does not count.
func TestRefuseSecrets(t *testing.T) {
	must := func(content []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	_, small, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	aged, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	forSSH, err := ssh.MarshalPrivateKey(curve, "")
	if err != nil {
		t.Fatal(err)
	}
	der := must(x509.MarshalPKCS8PrivateKey(small))
	random := func(octets int) string {
		content := make([]byte, octets)
		rand.Read(content)
		return base64.RawStdEncoding.EncodeToString(content)
	}
	for _, tt := range []struct{ name, content, want string }{
		{"PKCS #8", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "a private key in PEM"},
		{"SEC 1", string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(curve))})), "a private key in PEM"},
		{"encrypted", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: der})), "a private key in PEM"},
		{"SSH", string(pem.EncodeToMemory(forSSH)), "a private key in PEM"},
		{"DER", string(der), "an Ed25519 private key in DER (RFC 8410 §7)"},
		{"age", aged.String(), "a private key of age"},
		{"password", "root:$argon2id$v=19$m=19456,t=2,p=1$" + random(16) + "$" + random(32), "the hash of a password"},
		{"public key", releaseKey, ""},
		{"recipient of age", aged.Recipient().String(), ""},
		{"words", "-----BEGIN PRIVATE KEY----- AGE-SECRET-KEY-1… $argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", ""},
	} {
		files := initramfs.NewFiles()
		for _, record := range []cpio.Record{
			cpio.Directory("bin", 0o755), cpio.CharDev("dev/null", 0o666, 1, 3), cpio.StaticFile("etc/hosts", "::1 localhost\n", 0o644),
			cpio.StaticFile("bin/appliance", "\x7fELF\xff"+tt.content+"\x00 more", 0o755),
		} {
			if err := files.AddRecord(record); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		if err := refuseSecrets(files); err != nil {
			got = err.Error()
		}
		want := ""
		if tt.want != "" {
			want = "bin/appliance has " + tt.want + " in it"
		}
		if got != want {
			t.Errorf("%s: refuseSecrets = %q; want %q", tt.name, got, want)
		}
	}
}

// A key that somebody has put beside the public ones does not leave the house.
func TestWriteRefusesSecrets(t *testing.T) {
	spec := testSpec(t)
	aged, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spec.ReleaseKeys, []byte(releaseKey+aged.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "initramfs.cpio.zst")
	err = spec.Write(t.Context(), file)
	if want := bundle.KeysFile[1:] + " has a private key of age in it"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Write = %v; want %q", err, want)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the image is there: %v", err)
	}
}
