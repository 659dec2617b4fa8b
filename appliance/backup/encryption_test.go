package backup

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"io"
	"os"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

// keyPair is a recipient as the configuration has it, and what opens its backups.
type keyPair struct{ public, private string }

func ageKey(t testing.TB) keyPair {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{identity.Recipient().String(), identity.String()}
}

func sshKey(t *testing.T, public, private any) keyPair {
	t.Helper()
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), string(pem.EncodeToMemory(block))}
}

// A backup is opened by each of its recipients, with the key that the
// configuration has, and by nobody else.
func TestRecipients(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := []keyPair{ageKey(t), sshKey(t, public, private), sshKey(t, large.Public(), large)}
	b := newBox(t, "CWY11111111")
	b.commit("hostname cube\nbackup recipient " + keys[0].public + "\nbackup recipient " + keys[1].public + " of anna\nbackup recipient " + keys[2].public + "\n")
	made, err := b.now(t.Context(), NowRequest{Operator: admin})
	if err != nil || made.Dir != defaultDir || made.By != admin.String() {
		t.Fatalf("now = %+v, %v; want it in %s", made, err, defaultDir)
	}
	from := made.file()
	if opened, err := b.read(t.Context(), ReadRequest{From: from}); err != nil || opened.Kind != ByKey || opened.Manifest != nil {
		t.Errorf("read = %+v, %v; want that a key opens it", opened, err)
	}
	for _, key := range keys {
		if opened, err := b.read(t.Context(), ReadRequest{From: from, Secret: key.private + "\n"}); err != nil || opened.Manifest.HostName != "cube" {
			t.Errorf("read with the key of %s = %+v, %v; want it open", key.public, opened, err)
		}
	}
	for secret, want := range map[string]string{
		ageKey(t).private:       "the key is another",
		phrase:                  "is not one private key",
		"-----BEGIN NONSENSE":   "cannot be read",
		keys[0].public:          "is not one private key",
		"AGE-SECRET-KEY-1QQQQQ": "is not one private key",
	} {
		if _, err := b.read(t.Context(), ReadRequest{From: from, Secret: secret}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("read with %.30q = %v; want an error with %q", secret, err, want)
		}
	}
}

// What is no whole backup that somebody here can open changes nothing.
func TestRestoreRefuses(t *testing.T) {
	b := newBox(t, "CWY11111111")
	whole, err := os.ReadFile(b.backUp())
	if err != nil {
		t.Fatal(err)
	}
	strong, err := age.NewScryptRecipient(phrase)
	if err != nil {
		t.Fatal(err)
	}
	strong.SetWorkFactor(workFactor + 1)
	var costly bytes.Buffer
	if w, err := age.Encrypt(&costly, strong); err != nil {
		t.Fatal(err)
	} else if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, secret string
		content      []byte
		want         string
	}{
		{"another passphrase", phrase + "!", whole, "the passphrase or the key is another"},
		{"not age", phrase, []byte("hostname cube\n"), "this is no backup"},
		{"empty", phrase, nil, "this is no backup"},
		{"too long", phrase, make([]byte, archiveMax+1), "it is no backup of a box"},
		{"a header without end", phrase, []byte("age-encryption.org/v1\n" + strings.Repeat("-> X25519 a\n", 10_000)), "this is no backup"},
		{"too costly", phrase, costly.Bytes(), "work factor"},
	} {
		b.write("usb0/backup", string(test.content))
		_, err := b.read(t.Context(), ReadRequest{From: "usb0:backup", Secret: test.secret})
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), test.secret) {
			t.Errorf("%s: read = %v; want an error with %q", test.name, err, test.want)
		}
	}
	b.take(b.dir + "/usb0/" + b.snapshot().Made[0].Name)
	r := RestoreRequest{ReadRequest: ReadRequest{Operator: admin, From: "usb0:backup", Secret: phrase}, SHA256: "another"}
	if _, err := b.restore(t.Context(), r); err == nil || !strings.Contains(err.Error(), "has changed since") {
		t.Errorf("restore of a file that is another than was looked at = %v; want it refused", err)
	}
	if _, err := b.read(t.Context(), ReadRequest{From: "usb0:none", Secret: phrase}); err == nil {
		t.Error("read of no file = nil; want an error")
	}
	b.nothingChanged()
}

// nothingChanged says that nobody has touched the candidate.
func (b *box) nothingChanged() {
	b.t.Helper()
	c, err := b.configuration.Candidate(b.t.Context())
	if err != nil || c.Text != b.configuration.InForce().Text || c.Holder != nil {
		b.t.Errorf("the candidate is %q of %v, %v; want nothing changed", c.Text, c.Holder, err)
	}
}

// A file that was cut anywhere, or has one octet changed, is found out.
func TestRestoreDamaged(t *testing.T) {
	key := ageKey(t)
	b := newBox(t, "CWY11111111")
	b.commit("hostname cube\nbackup recipient " + key.public + "\n")
	made, err := b.now(t.Context(), NowRequest{Operator: admin, To: "usb0:"})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(b.dir + "/usb0/" + made.Name)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := identityOf(ByKey, key.private)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.decrypt(whole, identity); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if _, err := b.decrypt(whole[:i], identity); err == nil {
			t.Errorf("decrypt of %d of %d octets = nil; want an error", i, len(whole))
		}
		altered := bytes.Clone(whole)
		altered[i] ^= 1
		if _, err := b.decrypt(altered, identity); err == nil {
			t.Errorf("decrypt with octet %d changed = nil; want an error", i)
		}
	}
	if _, err := b.decrypt(append(bytes.Clone(whole), 0), identity); err == nil {
		t.Error("decrypt with an octet more = nil; want an error")
	}
}

// A line that this firmware does not know is told by its number, and nothing of
// it is shown: it may be a secret.
func TestRestoreOfAnotherFirmware(t *testing.T) {
	first, second := newBoxWith(t, "CWY11111111", commands(true)), newBox(t, "CWY22222222")
	first.commit("hostname cube\nmetrics planted-unknown\n")
	second.take(first.backUp())
	restored, err := second.restoreAll(true)
	if err != nil || len(restored.Faults) != 1 || restored.Faults[0].Line != 3 || strings.Contains(restored.Faults[0].Rule, "planted") {
		t.Errorf("restore = %+v, %v; want a fault in line 3", restored, err)
	}
	second.nothingChanged()
	if strings.Contains(second.logged(), "planted") {
		t.Errorf("the secret is in the log:\n%s", second.logged())
	}
}

// Lines that are kept aside stay so, with secrets under the key of the box that
// sealed them.
func TestRestoreKeepsLinesAside(t *testing.T) {
	b := newBox(t, "CWY11111111")
	b.commit("hostname cube\n!? metrics sealed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
	before := b.configuration.InForce().Text
	b.take(b.backUp())
	b.commit("hostname other\n")
	if restored, err := b.restoreAll(false); err != nil || len(restored.Faults) > 0 {
		t.Fatalf("restore = %+v, %v", restored, err)
	}
	b.commitCandidate()
	if got := b.configuration.InForce().Text; got != before {
		t.Errorf("in force is %q; want %q", got, before)
	}
}

// Nobody makes a backup that nobody can open, or anybody.
func TestNobodyOpens(t *testing.T) {
	b := newBox(t, "CWY11111111")
	for passphrase, want := range map[string]string{"": "nobody can open it", "short": "at least 12 characters"} {
		if _, err := b.now(t.Context(), NowRequest{Operator: admin, Passphrase: passphrase}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("now with the passphrase %q = %v; want an error with %q", passphrase, err, want)
		}
	}
	if _, err := os.Stat(b.dir + "/harddisk/backup"); err == nil {
		t.Error("there is a directory of backups; want none")
	}
}

// A secret that cannot be opened any more is told of, not left out.
func TestUnreadableSecret(t *testing.T) {
	b := newBox(t, "CWY11111111")
	b.commit("hostname cube\naaa login radius 192.0.2.1 key sealed:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")
	_, err := b.now(t.Context(), NowRequest{Operator: admin, Passphrase: phrase})
	if err == nil || !strings.Contains(err.Error(), "aaa login radius 192.0.2.1") || !strings.Contains(err.Error(), "type it again") {
		t.Errorf("now = %v; want an error that names the line", err)
	}
}

// There is no second one meanwhile.
func TestOneAtATime(t *testing.T) {
	b := newBox(t, "CWY11111111")
	b.working.Lock()
	defer b.working.Unlock()
	if _, err := b.now(t.Context(), NowRequest{Operator: admin, Passphrase: phrase}); err != errBusy {
		t.Errorf("now = %v; want %v", err, errBusy)
	}
	if _, err := b.read(t.Context(), ReadRequest{From: "usb0:backup"}); err != errBusy {
		t.Errorf("read = %v; want %v", err, errBusy)
	}
}

// FuzzOpen reads octets that somebody has put on a stick, with the right key: as
// what is encrypted, and as what is inside.
func FuzzOpen(f *testing.F) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	m := Manifest{Format: format, Files: []File{newFile(configurationName, []byte("hostname cube\n")), newFile("certificates/sip/trust.pem", []byte("x"))}}
	var archive bytes.Buffer
	if err := writeArchive(&archive, m); err != nil {
		f.Fatal(err)
	}
	f.Add(archive.Bytes())
	f.Add(archive.Bytes()[:700])
	f.Add([]byte("age-encryption.org/v1\n-> scrypt bBjlhJVYZeE4aqUdmtRHfw 15\n"))
	s := &Service{options: Options{Alone: func(do func()) { do() }}}
	f.Fuzz(func(t *testing.T, octets []byte) {
		if kind, err := kindOf(octets); err == nil && kind == ByKey {
			s.decrypt(octets, identity)
		}
		m, err := readArchive(bytes.NewReader(octets))
		if err != nil {
			return
		}
		if m.check() != nil || m.Files[0].Size != len(m.Files[0].content) {
			t.Errorf("readArchive took %+v, which breaks its own rules", m)
		}
		if err := writeArchive(io.Discard, m); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
