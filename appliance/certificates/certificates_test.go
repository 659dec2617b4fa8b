package certificates

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/model"
)

// box is a store of a test, and the time that it goes by.
type box struct {
	*Store
	t   testing.TB
	dir string

	mu  sync.Mutex
	now time.Time
	log bytes.Buffer
}

func newBox(t testing.TB) *box { return newBoxWith(t, nil) }

// newBoxWith makes the store of a box with a TPM; nil: none.
func newBoxWith(t testing.TB, tpm KeyProvider) *box {
	b := &box{t: t, dir: t.TempDir(), now: time.Now()}
	b.write("serial", "CWY12345678\n")
	b.start(tpm)
	return b
}

// start gives the box a new life of control.
func (b *box) start(tpm KeyProvider) {
	b.Store = New(Options{
		Dir: filepath.Join(b.dir, "certificates"), Serial: b.path("serial"), Keys: tpm,
		Trusted: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
		Names:   func() []string { return []string{"cube", "192.0.2.7"} },
		Log:     slog.New(slog.NewTextHandler(b, nil)),
	})
}

// Write takes the log.
func (b *box) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(line)
}

// pass lets time go by.
func (b *box) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

// file is a file of a purpose.
func (b *box) file(purpose model.Purpose, name string) string {
	return filepath.Join(b.dir, "certificates", string(purpose), name)
}

func (b *box) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) status(purpose model.Purpose) Status {
	b.t.Helper()
	status, err := b.Status(purpose)
	if err != nil {
		b.t.Fatal(err)
	}
	return status
}

// alarms are the conditions as of now: "name object".
func (b *box) alarms() (list []string) {
	b.lookAtAll()
	for _, c := range b.Conditions() {
		list = append(list, c.Name+" "+c.Object)
	}
	return list
}

// tpm is a KeyProvider that keeps its keys in memory.
type tpm struct {
	keys map[string]crypto.Signer
	gone bool
}

func (t *tpm) New() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	blob := rand.Text()
	t.keys[blob] = key
	return key, []byte(blob), err
}

func (t *tpm) Load(blob []byte) (crypto.Signer, error) {
	if key := t.keys[string(blob)]; key != nil && !t.gone {
		return key, nil
	}
	return nil, errors.New("TPM_RC_INTEGRITY")
}

// A new box has a certificate of its own for what it cannot be without, and no
// two boxes share any of it.
func TestOwnCertificates(t *testing.T) {
	a, b := newBox(t), newBox(t)
	seen := map[string]bool{}
	for _, box := range []*box{a, b} {
		for _, row := range table {
			status := box.status(row.name)
			if status.Problem != "" {
				t.Errorf("%s: %s", row.name, status.Problem)
			}
			switch {
			case row.self == nil:
				if status.Key != "" {
					t.Errorf("%s has a key %q; want none before an operator wants one", row.name, status.Key)
				}
				continue
			case row.name == model.ForSSH:
				if status.Key != "Ed25519, in a file" || !strings.HasPrefix(status.HostKey, "SHA256:") || status.Certificate != nil {
					t.Errorf("ssh has %+v", status)
				}
			default:
				c := status.Certificate
				if status.Key != "EC P-256, in a file" || !status.SelfSigned || !strings.Contains(c.Subject, "CWY12345678") ||
					c.NotAfter.Before(time.Now().AddDate(19, 0, 0)) || len(c.Names) > 0 {
					t.Errorf("%s has %+v, %+v", row.name, status, c)
				}
			}
			text, err := os.ReadFile(box.file(row.name, model.IdentityFile))
			id, parseErr := parseIdentity(text, nil)
			if err != nil || parseErr != nil {
				t.Fatal(err, parseErr)
			}
			key, err := x509.MarshalPKIXPublicKey(id.key.Public())
			if err != nil || seen[string(key)] {
				t.Errorf("%s: a key that is elsewhere too (%v)", row.name, err)
			}
			seen[string(key)] = true
			if len(id.chain) > 0 {
				if serial := id.chain[0].SerialNumber.String(); seen[serial] {
					t.Errorf("%s: a serial number that is elsewhere too", row.name)
				} else {
					seen[serial] = true
				}
			}
			info, err := os.Stat(box.file(row.name, model.IdentityFile))
			if want := map[bool]os.FileMode{true: 0o640, false: 0o600}[row.shared]; err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: mode %v, %v; want %v", row.name, info.Mode(), err, want)
			}
		}
		if got := box.alarms(); got != nil {
			t.Errorf("alarms of a new box = %q; want none", got)
		}
	}
	if _, err := a.HostKey(); err != nil {
		t.Error(err)
	}
	before := a.status(model.ForWeb).Certificate.SHA256
	a.start(nil)
	if after := a.status(model.ForWeb).Certificate.SHA256; after != before {
		t.Error("another life of control has made another certificate")
	}
}

// What the box has signed for itself lasts: before it ends it is made anew with
// the same key and names.
func TestOwnRenewal(t *testing.T) {
	b := newBox(t)
	if _, err := b.SignSelf(model.ForWeb, Wanted{Subject: "CN=web.example.com,O=Example", Names: []string{"web.example.com", "2001:db8::1"}}); err != nil {
		t.Fatal(err)
	}
	before := b.status(model.ForWeb)
	b.pass(ownValidity - ownRenewal - time.Minute)
	if now := b.status(model.ForWeb); now.Certificate.SHA256 != before.Certificate.SHA256 {
		t.Error("renewed more than 30 days before the end")
	}
	b.pass(2 * time.Minute)
	after := b.status(model.ForWeb)
	if after.Certificate.SHA256 == before.Certificate.SHA256 || after.Certificate.Subject != before.Certificate.Subject ||
		strings.Join(after.Certificate.Names, " ") != "DNS:web.example.com IP:2001:db8::1" {
		t.Errorf("renewed: %+v; want another of the same subject and names", after.Certificate)
	}
	if got := b.alarms(); got != nil {
		t.Errorf("alarms = %q; want none", got)
	}
}

// A damaged identity is set aside and told; one whose TPM does not answer stays.
func TestDamage(t *testing.T) {
	b := newBox(t)
	b.status(model.ForSIP)
	if err := os.WriteFile(b.file(model.ForSIP, model.IdentityFile), []byte("-----BEGIN PRIVATE KEY-----\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	b.start(nil)
	if status := b.status(model.ForSIP); !status.SelfSigned || !strings.Contains(status.Problem, "set aside") {
		t.Errorf("after damage: %+v; want a new one and the problem", status)
	}
	if got := strings.Join(b.alarms(), ", "); got != "certificate-unusable sip" {
		t.Errorf("alarms = %q", got)
	}
	if _, err := b.SignSelf(model.ForSIP, Wanted{}); err != nil {
		t.Fatal(err)
	}
	if got := b.alarms(); got != nil {
		t.Errorf("alarms = %q after a certificate was made; want none", got)
	}

	chip := &tpm{keys: map[string]crypto.Signer{}}
	b = newBoxWith(t, chip)
	if key := b.status(model.ForCOM).Key; key != "EC P-256, in the TPM" {
		t.Errorf("the key of COM is %q; want it in the TPM", key)
	}
	if key := b.status(model.ForSIP).Key; key != "EC P-256, in a file" {
		t.Errorf("the key of SIP is %q; want it in a file, which proxy reads", key)
	}
	before, err := os.ReadFile(b.file(model.ForCOM, model.IdentityFile))
	if err != nil {
		t.Fatal(err)
	}
	chip.gone = true
	b.start(chip)
	if status := b.status(model.ForCOM); status.Certificate != nil || !strings.Contains(status.Problem, "TPM_RC_INTEGRITY") {
		t.Errorf("without its TPM: %+v; want the problem", status)
	}
	if after, err := os.ReadFile(b.file(model.ForCOM, model.IdentityFile)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a key that the TPM may load again was replaced (%v)", err)
	}
	chip.gone = false
	if status := b.status(model.ForCOM); status.Certificate == nil || status.Problem != "" {
		t.Errorf("with its TPM again: %+v; want the certificate", status)
	}
}
