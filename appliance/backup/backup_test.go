package backup

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"causeway/appliance/config/change"
)

const withSecrets = `hostname cube
aaa login radius 192.0.2.1 key planted-one
aaa login radius 192.0.2.2 key !planted"two
backup schedule daily 02:30 sftp://a@192.0.2.9/b/ password planted-three host-key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
backup passphrase planted-passphrase
`

// What one box has saved another one has: configuration, secrets and
// certificates, but nothing before it is committed.
func TestRestoreOnAnotherBox(t *testing.T) {
	first, second := newBox(t, "CWY11111111"), newBox(t, "CWY22222222")
	first.commit(withSecrets)
	first.certificates.files = map[string][]byte{"sip/identity.pem": []byte("the key"), "radius/trust.pem": []byte("expired")}
	first.certificates.left = []string{"the host key of SSH"}
	file := first.backUp()
	second.take(file)

	opened, err := second.read(t.Context(), ReadRequest{From: "usb0:backup", Secret: phrase})
	if m := opened.Manifest; err != nil || m == nil || m.Serial != "CWY11111111" || m.HostName != "cube" || m.Revision != 1 || len(m.Files) != 3 || len(m.LeftOut) != 2 {
		t.Fatalf("read = %+v, %v; want what the first box has saved", opened.Manifest, err)
	}
	restored, err := second.restoreAll(true)
	if err != nil || len(restored.Faults) > 0 || restored.Lines != 5 {
		t.Fatalf("restore = %+v, %v; want 5 lines", restored, err)
	}
	if got := second.configuration.InForce().Text; got != "hostname new\n" {
		t.Errorf("in force is %q before the commit; want nothing changed", got)
	}
	second.commitCandidate()
	if got, want := second.revealed(), first.revealed(); got != want {
		t.Errorf("the second box has\n%s\nwant\n%s", got, want)
	}
	if first.configuration.InForce().Text == second.configuration.InForce().Text {
		t.Error("the secrets are sealed alike on both boxes; want each under its own key")
	}
	if got := second.certificates.files; string(got["sip/identity.pem"]) != "the key" || len(got) != 1 {
		t.Errorf("the second box has the certificates %q; want that of sip", got)
	}
	if got := restored.Certificates; len(got) != 2 || got[0] != (CertificateResult{"radius/trust.pem", "expired"}) || got[1] != (CertificateResult{"sip/identity.pem", ""}) {
		t.Errorf("restore told of the certificates %+v", got)
	}
	for _, b := range []*box{first, second} {
		if strings.Contains(b.logged(), "planted") || strings.Contains(b.logged(), phrase) {
			t.Errorf("a secret is in the log:\n%s", b.logged())
		}
	}
}

// No secret and nothing else of the content can be read from the file.
func TestNothingInPlainText(t *testing.T) {
	b := newBox(t, "CWY11111111")
	b.commit(withSecrets)
	b.certificates.files = map[string][]byte{"sip/identity.pem": []byte("planted-key")}
	content, err := os.ReadFile(b.backUp())
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"planted", "cube", "hostname", "manifest", phrase} {
		if bytes.Contains(content, []byte(word)) {
			t.Errorf("%q stands in the file", word)
		}
	}
}

// Certificates stay as they are unless they are wanted.
func TestRestoreWithoutCertificates(t *testing.T) {
	b := newBox(t, "CWY11111111")
	b.certificates.files = map[string][]byte{"sip/identity.pem": []byte("the old key")}
	b.take(b.backUp())
	b.certificates.files = map[string][]byte{}
	if restored, err := b.restoreAll(false); err != nil || restored.Certificates != nil || len(b.certificates.files) != 0 {
		t.Errorf("restore = %+v, %v; want no certificates", restored, err)
	}
}

// Who changes the configuration is not disturbed.
func TestRestoreLeavesTheCandidate(t *testing.T) {
	b := newBox(t, "CWY11111111")
	b.take(b.backUp())
	ctx := t.Context()
	for _, test := range []struct {
		name  string
		who   string
		edits bool
		want  string
	}{
		{"another one changes it", "bob", false, "the configuration is being changed by bob"},
		{"it has changes", admin.User, true, "the candidate has changes"},
	} {
		who := admin
		who.User = test.who
		if _, err := b.configuration.Configure(ctx, change.ConfigureRequest{Operator: who}); err != nil {
			t.Fatal(err)
		}
		if test.edits {
			if _, err := b.configuration.Edit(ctx, change.EditRequest{Operator: who, Line: "hostname other"}); err != nil {
				t.Fatal(err)
			}
		}
		before, err := b.configuration.Candidate(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.restoreAll(false)
		after, _ := b.configuration.Candidate(ctx)
		if err == nil || !strings.Contains(err.Error(), test.want) || after.Text != before.Text || after.Holder == nil || after.Holder.Operator != who {
			t.Errorf("%s: restore = %v, then the candidate is %q of %v; want %q and nothing changed", test.name, err, after.Text, after.Holder, test.want)
		}
		if _, err := b.configuration.Abort(ctx, change.AbortRequest{Operator: who}); err != nil {
			t.Fatal(err)
		}
	}
}
