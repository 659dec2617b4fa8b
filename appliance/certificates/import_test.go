package certificates

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// files are all files of a box, but those of a purpose that may change.
func (b *box) files() (list []string) {
	b.t.Helper()
	for _, row := range table {
		entries, _ := os.ReadDir(filepath.Join(b.dir, "certificates", string(row.name)))
		for _, entry := range entries {
			text, err := os.ReadFile(b.file(row.name, entry.Name()))
			if err != nil {
				b.t.Fatal(err)
			}
			list = append(list, string(row.name)+"/"+entry.Name()+" "+string(text))
		}
	}
	return list
}

// TestRequest has OpenSSL read the requests of all kinds of keys, sign them, and
// verify what the box then shows.
func TestRequest(t *testing.T) {
	root := newAuthority(t, "root")
	middle := root.below("middle")
	for _, tt := range []struct {
		purpose model.Purpose
		kind    KeyKind
		key     string // as OpenSSL calls it
		wanted  Wanted
		subject string
		names   []string // in the certificate, as show has them
	}{
		{model.ForSIP, KeyKind{}, "(256 bit)", Wanted{}, "CN = cube", []string{"DNS:cube", "IP:192.0.2.7", "URI:sip:cube"}},
		{model.ForSIP, KeyKind{Bits: 384}, "(384 bit)", Wanted{Names: []string{"sip.example.com", "2001:db8::1"}},
			"CN = sip.example.com", []string{"DNS:sip.example.com", "IP:2001:db8::1", "URI:sip:sip.example.com"}},
		{model.ForWeb, KeyKind{RSA: true}, "(2048 bit)", Wanted{Subject: `cn=box, o=Example\, Inc, ou=a, c=DE`, Names: []string{"box.example.com"}},
			`C = DE, O = "Example, Inc", OU = a, CN = box`, []string{"DNS:box.example.com"}},
		{model.ForRADIUS, KeyKind{RSA: true, Bits: 3072}, "(3072 bit)", Wanted{}, "CN = cube", []string{"DNS:cube", "IP:192.0.2.7"}},
	} {
		b := newBox(t)
		if _, err := b.Generate(tt.purpose, tt.kind); err != nil {
			t.Fatal(err)
		}
		before := b.status(tt.purpose)
		if before.Waiting == "" || time.Since(before.Since) > time.Hour {
			t.Errorf("%s: no key waits: %+v", tt.purpose, before)
		}
		request, err := b.Request(tt.purpose, tt.wanted)
		if err != nil {
			t.Fatal(err)
		}
		root.write("seen.csr", request)
		text := openssl(t, root.dir, "req", "-in", "seen.csr", "-verify", "-noout", "-text")
		for _, want := range []string{tt.key, "Subject: " + tt.subject, "verify OK"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the request has no %q:\n%s", tt.purpose, want, text)
			}
		}
		issued := middle.sign(request)
		got, err := b.Import(tt.purpose, []byte(middle.pem()+root.pem()+issued)) // in no order
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Names, tt.names) {
			t.Errorf("%s: names %q; want %q", tt.purpose, got.Names, tt.names)
		}
		after := b.status(tt.purpose)
		if after.Waiting != "" || after.SelfSigned || !after.Complete || len(after.Chain) != 2 || after.Certificate.SHA256 != got.SHA256 {
			t.Errorf("%s: afterwards %+v", tt.purpose, after)
		}
		root.write("chain.pem", readFile(t, b.file(tt.purpose, model.IdentityFile)))
		openssl(t, root.dir, "verify", "-CAfile", "root.pem", "-untrusted", "chain.pem", "-x509_strict", "chain.pem")
		fingerprint := openssl(t, root.dir, "x509", "-in", "chain.pem", "-noout", "-fingerprint", "-sha256")
		if !strings.EqualFold(strings.ReplaceAll(strings.TrimSpace(fingerprint[strings.Index(fingerprint, "=")+1:]), ":", ""), got.SHA256) {
			t.Errorf("%s: SHA-256 %s; OpenSSL says %s", tt.purpose, got.SHA256, fingerprint)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestImport brings what is right and what is not. Nothing changes unless all is
// right.
func TestImport(t *testing.T) {
	root := newAuthority(t, "root")
	middle := root.below("middle")
	stranger := newAuthority(t, "stranger")
	b := newBox(t)
	for _, row := range table {
		b.status(row.name)
	}
	request, err := b.Request(model.ForSIP, Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	key, certificate := root.brought(p256)
	pair := func(kind []string, options ...string) string {
		key, certificate := root.brought(kind, options...)
		return key + certificate
	}
	legacy := func(kind ...string) string { // the older forms of keys
		root.write("legacy.key", key)
		return openssl(t, root.dir, append(kind, "-in", "legacy.key")...)
	}
	root.write("plain.key", key)
	openssl(t, root.dir, "pkey", "-in", "plain.key", "-aes256", "-passout", "pass:secret", "-out", "encrypted.key")
	openssl(t, root.dir, "ec", "-in", "plain.key", "-aes256", "-passout", "pass:secret", "-out", "traditional.key")
	damaged := strings.Replace(certificate, "\n", "\n!!!!", 1)
	truncated := certificate[:len(certificate)/2]
	tooDeep := middle.below("lower")
	middleKey, byMiddle := middle.brought(p256)
	lowerKey, byLower := tooDeep.brought(p256)

	for _, tt := range []struct {
		name    string
		purpose model.Purpose
		text    string
		wrong   string // of the error; empty: it is taken
	}{
		{"nothing", model.ForSIP, "", "no PEM block"},
		{"no purpose", "dns", certificate, "no purpose"},
		{"ssh", model.ForSSH, key + certificate, "no certificate"},
		{"too long", model.ForSIP, strings.Repeat("x", textMax+1), "octets"},
		{"a damaged block", model.ForSIP, key + damaged, "1 are whole"},
		{"half a block", model.ForSIP, key + truncated, "1 are whole"},
		{"a request", model.ForSIP, request, "CERTIFICATE REQUEST"},
		{"a key alone", model.ForSIP, key, "no certificate"},
		{"an encrypted key", model.ForSIP, root.read("encrypted.key") + certificate, "encrypted"},
		{"an encrypted key, in the old form", model.ForSIP, root.read("traditional.key") + certificate, "encrypted"},
		{"two keys", model.ForSIP, key + lowerKey + certificate, "2 keys"},
		{"another's key", model.ForSIP, lowerKey + certificate, "none of the certificates is for the key"},
		{"for no key of ours", model.ForSIP, certificate, "no key for this certificate"},
		{"for the key of another purpose", model.ForWeb, root.sign(request), "no key for this certificate"},
		{"expired", model.ForSIP, pair(p256, "-days", "-1"), "expired"},
		{"a weak RSA key", model.ForSIP, pair(rsaKey(1024)), "RSA key of 1024 bits"},
		{"a weak EC key", model.ForSIP, pair(p224), "EC key of 224 bits"},
		{"signed with SHA-1", model.ForSIP, pair(p256, "-sha1"), "ECDSA-SHA1"},
		{"an authority", model.ForSIP, pair(p256, "basicConstraints=critical,CA:TRUE"), "authority"},
		{"no digital signature", model.ForSIP, pair(p256, "keyUsage=critical,keyEncipherment"), "digitalSignature"},
		{"for e-mail", model.ForSIP, pair(p256, "extendedKeyUsage=emailProtection"), "extended key usage"},
		{"a server's for a client", model.ForRADIUS, pair(p256, "extendedKeyUsage=serverAuth"), "not for radius"},
		{"a critical extension that nobody knows", model.ForSIP, pair(p256, "1.2.3.4=critical,ASN1:UTF8String:x"), "unhandled critical extension"},
		{"another authority's chain", model.ForSIP, key + certificate + stranger.pem(), "CN=stranger has signed none"},
		{"a chain with a gap", model.ForSIP, middleKey + byMiddle + stranger.pem(), "CN=stranger has signed none"},
		{"a chain that is too deep", model.ForSIP, lowerKey + byLower + tooDeep.pem() + middle.pem() + root.pem(), "path"},
		{"a leaf as an authority", model.ForSIP, lowerKey + byLower + certificate, "has signed none"},

		{"issued for the key that waits", model.ForSIP, "Certificate:\n  text of openssl x509 -text\n" + root.sign(request, "extendedKeyUsage=1.3.6.1.5.5.7.3.20"), ""},
		{"issued again for the key in force", model.ForSIP, root.sign(request), ""},
		{"with its key", model.ForSIP, certificate + key, ""},
		{"key in the form of EC keys", model.ForWeb, legacy("ec") + certificate, ""},
		{"RSA, with its authority", model.ForWeb, pair(rsaKey(3072)) + root.pem(), ""},
		{"Ed25519", model.ForWeb, pair(edwards), ""},
	} {
		before := b.files()
		got, err := b.Import(tt.purpose, []byte(tt.text))
		switch {
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: %v; want an error with %q", tt.name, err, tt.wrong)
		case tt.wrong != "" && !slices.Equal(before, b.files()):
			t.Errorf("%s: refused, and yet something changed", tt.name)
		case tt.wrong == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.wrong == "":
			if now := b.status(tt.purpose).Certificate; now.SHA256 != got.SHA256 {
				t.Errorf("%s: in force is %+v", tt.name, now)
			}
			if !strings.Contains(readFile(t, b.file(tt.purpose, model.IdentityFile)), "-----BEGIN PRIVATE KEY-----") {
				t.Errorf("%s: the key is not kept as PKCS #8", tt.name)
			}
		}
	}
}

// TestDates: what has ended by the trusted time has ended, whatever the clock
// says; what has not begun by either has not.
func TestDates(t *testing.T) {
	root := newAuthority(t, "root")
	key, certificate := root.brought(p256)
	b := newBox(t)
	b.pass(400 * 24 * time.Hour)
	if _, err := b.Import(model.ForSIP, []byte(key+certificate)); err == nil || !strings.Contains(err.Error(), "expired 20") {
		t.Errorf("import after its end = %v; want that it has expired", err)
	}
	b.pass(-800 * 24 * time.Hour) // trusted time is a lower bound: the clock may be ahead of it
	if _, err := b.Import(model.ForSIP, []byte(key+certificate)); err != nil {
		t.Errorf("import while the trusted time is behind = %v", err)
	}
	found, err := parsePEM([]byte(certificate))
	if err != nil {
		t.Fatal(err)
	}
	begins := found.certificates[0].NotBefore
	for early, want := range map[time.Duration]bool{slack: true, slack + time.Second: false} {
		err := validNow(found.certificates[0], clocks{trusted: time.Unix(0, 0), set: begins.Add(-early)})
		if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "set the clock") {
			t.Errorf("%v early: %v; want it taken: %v, else that the clock may be wrong", early, err, want)
		}
	}
}

// TestExpiry: the alarms get worse as the end comes near, by the first of the
// chain that ends.
func TestExpiry(t *testing.T) {
	root := newAuthority(t, "root")
	key, certificate := root.brought(p256, "-days", "100")
	b := newBox(t)
	if _, err := b.Import(model.ForCOM, []byte(key+certificate)); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		days int
		want string
	}{
		{69, ""}, {2, "certificate-expires com"}, {21, "certificate-expires com"}, {2, "certificate-expires-soon com"}, {7, "certificate-expired com"},
	} {
		b.pass(time.Duration(step.days) * 24 * time.Hour)
		if got := strings.Join(b.alarms(), ", "); got != step.want {
			t.Errorf("%d days later: alarms %q; want %q", step.days, got, step.want)
		}
	}
}

// TestAuthorityExpiry: authorities of every purpose are watched, and one that has
// ended does not hide that another will.
func TestAuthorityExpiry(t *testing.T) {
	root := newAuthority(t, "root")
	pem := func(name string, days int) string {
		openssl(t, root.dir, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name+".key",
			"-out", name+".pem", "-days", fmt.Sprint(days), "-subj", "/CN="+name)
		return root.read(name + ".pem")
	}
	for _, row := range table {
		b := newBox(t)
		if _, err := b.Trust(row.name, []byte(pem("old", 50)+pem("new", 90)+pem("other", 91))); err != nil {
			t.Fatal(err)
		}
		expires, expired := "authority-expires "+string(row.name), "authority-expired "+string(row.name)
		for _, step := range []struct {
			days int
			want []string
			text string // of the last
		}{
			{19, nil, ""},
			{2, []string{expires}, "authority CN=old ends 20"},
			{28, []string{expires}, "authority CN=old"},
			{2, []string{expired}, "authority CN=old"},
			{10, []string{expired, expires}, "authority CN=new"},
			{32, []string{expired}, "authority CN=old"},
		} {
			b.pass(time.Duration(step.days) * 24 * time.Hour)
			if got := b.alarms(); !slices.Equal(got, step.want) {
				t.Errorf("%d days later: alarms %q; want %q", step.days, got, step.want)
			}
			if found := b.Conditions(); len(found) > 0 && !strings.HasPrefix(found[len(found)-1].Text, step.text) {
				t.Errorf("%d days later: %q; want %q…", step.days, found[len(found)-1].Text, step.text)
			}
		}
		for _, c := range b.status(row.name).Trusted {
			if _, err := b.Distrust(row.name, c.SHA256); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.alarms(); got != nil {
			t.Errorf("alarms %q once no authority is trusted; want none", got)
		}
	}
}

// TestPrevious: the one before can come back, and that back again.
func TestPrevious(t *testing.T) {
	root := newAuthority(t, "root")
	b := newBox(t)
	if _, err := b.Previous(model.ForSIP); err == nil {
		t.Error("Previous of a new box = nil; want an error")
	}
	var fingerprints []string
	for range 2 {
		key, certificate := root.brought(p256)
		got, err := b.Import(model.ForSIP, []byte(key+certificate))
		if err != nil {
			t.Fatal(err)
		}
		fingerprints = append(fingerprints, got.SHA256)
	}
	for _, want := range fingerprints {
		got, err := b.Previous(model.ForSIP)
		if err != nil || got.SHA256 != want {
			t.Errorf("Previous = %s, %v; want %s", got.SHA256, err, want)
		}
	}
}

// TestZeroize forgets everything, and the box begins anew.
func TestZeroize(t *testing.T) {
	root := newAuthority(t, "root")
	b := newBox(t)
	for _, purpose := range []model.Purpose{model.ForSIP, model.ForRADIUS, model.ForSSH} {
		before := b.status(purpose)
		if purpose != model.ForSSH {
			key, certificate := root.brought(p256)
			if _, err := b.Import(purpose, []byte(key+certificate)); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Generate(purpose, KeyKind{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Zeroize(purpose); err != nil {
			t.Fatal(err)
		}
		after := b.status(purpose)
		if after.Waiting != "" || (purpose == model.ForRADIUS) != (after.Key == "") || purpose == model.ForSSH && after.HostKey == before.HostKey {
			t.Errorf("%s: after zeroize %+v", purpose, after)
		}
		for _, file := range b.files() {
			if name, _, _ := strings.Cut(file, " "); strings.HasPrefix(name, string(purpose)) && name != string(purpose)+"/"+model.IdentityFile {
				t.Errorf("%s is left", name)
			}
		}
	}
}

// TestTrust adds and removes authorities.
func TestTrust(t *testing.T) {
	root, other := newAuthority(t, "root"), newAuthority(t, "other")
	middle := root.below("middle")
	key, leaf := root.brought(p256)
	b := newBox(t)
	for _, tt := range []struct {
		name, text string
		added      int
		wrong      string
	}{
		{"two", root.pem() + other.pem(), 2, ""},
		{"one of them again, and one that is not a root", root.pem() + middle.pem(), 1, ""},
		{"no authority", leaf, 0, "not that of an authority"},
		{"with a key", root.pem() + key, 0, "key"},
		{"nothing", "\n", 0, "no PEM block"},
	} {
		before := b.files()
		added, err := b.Trust(model.ForSyslog, []byte(tt.text))
		if len(added) != tt.added || (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s: %d added, %v; want %d, %q", tt.name, len(added), err, tt.added, tt.wrong)
		}
		if tt.wrong != "" && !slices.Equal(before, b.files()) {
			t.Errorf("%s: refused, and yet something changed", tt.name)
		}
	}
	trusted := b.status(model.ForSyslog).Trusted
	if len(trusted) != 3 {
		t.Fatalf("trusted are %+v; want 3", trusted)
	}
	if _, err := b.Distrust(model.ForSyslog, "00000000"); err == nil {
		t.Error("Distrust of none = nil; want an error")
	}
	removed, err := b.Distrust(model.ForSyslog, trusted[1].SHA256[:fingerprintMin])
	if err != nil || removed.Subject != "CN=other" {
		t.Errorf("Distrust = %+v, %v; want CN=other", removed, err)
	}
	for _, last := range []int{2, 0} {
		if _, err := b.Distrust(model.ForSyslog, trusted[last].SHA256); err != nil {
			t.Error(err)
		}
	}
	credentials, err := b.Credentials(model.ForSyslog)
	if err != nil || credentials.Roots != nil || credentials.Certificate != nil {
		t.Errorf("with nobody left: %+v, %v; want nobody trusted", credentials, err)
	}
}
