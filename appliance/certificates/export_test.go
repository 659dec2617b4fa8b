package certificates

import (
	"crypto"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// What operators brought goes to another box, and nothing that belongs to one.
func TestExport(t *testing.T) {
	root, ends := newAuthority(t, "root"), newAuthority(t, "ends")
	chip := &tpm{keys: map[string]crypto.Signer{}}
	first, second := newBoxWith(t, chip), newBox(t)
	bring := func(purpose model.Purpose) {
		t.Helper()
		key, certificate := root.brought(p256)
		if _, err := first.Import(purpose, []byte(key+certificate)); err != nil {
			t.Fatal(err)
		}
	}
	for _, purpose := range []model.Purpose{model.ForSIP, model.ForRADIUS, model.ForCOM, model.ForLicense} {
		bring(purpose)
	}
	for _, row := range table { // and what it makes itself: for ssh, for web
		first.status(row.name)
	}
	if _, err := first.SignSelf(model.ForSyslog, Wanted{Subject: "CN=x"}); err != nil { // in the TPM
		t.Fatal(err)
	}
	if _, err := first.Trust(model.ForCOM, []byte(root.pem()+ends.pem())); err != nil {
		t.Fatal(err)
	}
	files, left := first.Export()
	got, want := slices.Sorted(maps.Keys(files)), []string{"com/trust.pem", "radius/identity.pem", "sip/identity.pem"}
	if !slices.Equal(got, want) {
		t.Errorf("Export gives %q; want %q", got, want)
	}
	for i, why := range []string{"host key of SSH", "for web", "for com", "for license", "for syslog: its key is in the TPM"} {
		if len(left) <= i || !strings.Contains(left[i], why) {
			t.Errorf("Export leaves %q; want %q in place %d", left, why, i)
		}
	}
	for name, content := range files {
		if err := second.Restore(name, content); err != nil {
			t.Errorf("Restore(%s) = %v", name, err)
		}
	}
	for _, purpose := range []model.Purpose{model.ForSIP, model.ForRADIUS} {
		if a, b := first.status(purpose), second.status(purpose); b.Certificate == nil || a.Certificate.SHA256 != b.Certificate.SHA256 {
			t.Errorf("%s: the second box has %+v; want %+v", purpose, b.Certificate, a.Certificate)
		}
	}
	if trusted := second.status(model.ForCOM).Trusted; len(trusted) != 2 {
		t.Errorf("the second box trusts %+v; want two authorities", trusted)
	}

	// Nobody becomes another box, whatever is written into a backup.
	for _, name := range []string{"com/identity.pem", "license/identity.pem", "ssh/identity.pem", "sip/request.pem", "none/identity.pem", "none/trust.pem", "identity.pem", ""} {
		if err := second.Restore(name, files["sip/identity.pem"]); err == nil {
			t.Errorf("Restore(%q) = nil; want it refused", name)
		}
	}

	// Years later some of it has ended: the rest comes back, and the error tells.
	third := newBox(t)
	third.pass(3000 * 24 * time.Hour)
	if err := third.Restore("sip/identity.pem", files["sip/identity.pem"]); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Restore of a certificate that has expired = %v; want it refused", err)
	}
	short := root.below("short")
	if err := third.Restore("com/trust.pem", append(files["com/trust.pem"], short.pem()...)); err == nil || !strings.Contains(err.Error(), "short") {
		t.Errorf("Restore with an authority that has expired = %v; want it told", err)
	}
	if trusted := third.status(model.ForCOM).Trusted; len(trusted) != 2 {
		t.Errorf("the third box trusts %+v; want the two that are valid", trusted)
	}
}

// A damaged identity is told of, and the rest of the backup is made.
func TestExportDamaged(t *testing.T) {
	b := newBox(t)
	root := newAuthority(t, "root")
	if _, err := b.Trust(model.ForRADIUS, []byte(root.pem())); err != nil {
		t.Fatal(err)
	}
	key, certificate := root.brought(p256)
	if _, err := b.Import(model.ForRADIUS, []byte(key+certificate)); err != nil {
		t.Fatal(err)
	}
	damage(t, b.file(model.ForRADIUS, model.IdentityFile))
	b.start(nil)
	files, left := b.Export()
	if len(files) != 1 || files["radius/trust.pem"] == nil || !strings.Contains(strings.Join(left, "\n"), "something for radius: ") {
		t.Errorf("Export = %q, %q; want the authorities of radius, and that its certificate is damaged", files, left)
	}
}
