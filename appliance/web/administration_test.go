package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/license"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
)

// TestAdministration: each page is there, and each of its parts, though the box may
// have nothing to say.
func TestAdministration(t *testing.T) {
	s := newCaller(t, "call-home", " profile noc", "  destination url https://noc.example.com/")
	s.server.Files = files.New(t.TempDir(), nil)
	w := s.login(t, user)
	for _, p := range administrationPages() {
		path := p.path
		if p.mode != "" {
			at := []string{callHomePlace}
			if p.hidden {
				at = append(at, "profile noc")
			}
			path = address(path, at)
		}
		status, page := w.get(path)
		if status != http.StatusOK {
			t.Errorf("%s is answered with %d", path, status)
		}
		for _, fault := range []string{"there is no command", "cannot be shown", "has failed"} {
			if strings.Contains(page, fault) {
				t.Errorf("%s says that %s:\n%s", path, fault, page)
			}
		}
		for _, one := range p.parts {
			if _, is := one.(agreement); !is && !strings.Contains(page, `id="part-`+one.name()+`"`) {
				t.Errorf("%s lacks its part %s", path, one.name())
			}
		}
	}
}

// TestLicenseSummary: the 21 fields of L-37, in their order.
func TestLicenseSummary(t *testing.T) {
	b := newBox(t, map[string]any{"control.license.status": license.Status{Serial: "qzHWUdZfXhQ", PID: "UC_CUSP"}})
	_, page := b.login(t, user).get("/administration/license-summary")
	_, page, _ = strings.Cut(page, `id="part-license-summary-cusp"`)
	page, _, _ = strings.Cut(page, "</section>")
	var names []string
	for _, found := range regexp.MustCompile(`<dt[^>]*>([^<]*)</dt>`).FindAllStringSubmatch(page, -1) {
		names = append(names, found[1])
	}
	want := []string{
		"Smart License Client State", "Module Serial Number", "Product ID", "Cusp UDI", "Entitlement Tag", "License Server Address",
		"Smart Agent Transport Mode", "Enforcement Mode", "Software ID TAG", "Product ID TAG", "Entitlement Version", "Registration Expiry Date",
		"Next Auth Date", "Evaluation Period(in hrs)", "Entitlement Count Requested", "Is Registration Successful", "Is Authorization Successful",
		"Is Agent Enabled", "Is Evaluation Mode", "Latest Failure Reason", "Http Proxy Address",
	}
	if !slices.Equal(names, want) {
		t.Errorf("the fields are %q; want %q:\n%s", names, want, page)
	}
	shows(t, page, "UC_CUSP:qzHWUdZfXhQ")
}

// authority makes one, in PEM.
func authority(t *testing.T, name string) (text, sha256sum string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Date(2036, 5, 4, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), fmt.Sprintf("%X", sha256.Sum256(der))
}

// TestAuthority brings one for Call Home (CH-7…9): it is shown before it is believed.
func TestAuthority(t *testing.T) {
	const path = "/administration/certificates"
	b := newBox(t, map[string]any{"control.access.audit": struct{}{}, "control.certificates.trust": []string{}})
	w := b.login(t, user)
	text, sum := authority(t, "Example Root CA 2")
	trusted := func() bool {
		return slices.ContainsFunc(b.Called(), func(call string) bool {
			return strings.HasPrefix(call, "control.certificates.trust ") && strings.Contains(call, `"purpose":"callhome"`)
		})
	}
	fields := map[string]string{"part": "authorities", "purpose": "callhome"}
	for _, test := range []struct{ file, content, want string }{
		{"root.pem", "this is none", "There is no PEM block"},
		{"", "", "Choose a file or paste a text."},
		{"root.pem", strings.Repeat("x", pemMost+1), "it has more than 262144 octets"},
	} {
		if status, page := w.upload(path, fields, test.file, test.content, 0); status != http.StatusUnprocessableEntity || !strings.Contains(page, test.want) {
			t.Errorf("%.20q is answered with %d and no %q: %s", test.content, status, test.want, page)
		}
	}
	if status, page := w.send(path, "authorities", url.Values{"purpose": {"callhome harddisk:/x"}, "pem": {text}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, "is no purpose of certificates") {
		t.Errorf("a purpose with a word more is answered with %d: %s", status, page)
	}
	_, page := w.upload(path, fields, "root.pem", text, 0)
	plain := strings.ReplaceAll(strings.ToUpper(page), ":", "")
	if !strings.Contains(page, "Example Root CA 2") || !strings.Contains(plain, sum) || !strings.Contains(page, "2036-05-04") {
		t.Errorf("subject, expiry or SHA-256 (%s) are not shown: %s", sum, page)
	}
	if trusted() {
		t.Fatal("it is believed before anybody has seen it")
	}
	_, page = w.send(path, "authorities", url.Values{"purpose": {"callhome"}, "pem": {text}, "sure": {"1"}})
	shows(t, page, "The authorities are trusted.")
	if !trusted() {
		t.Errorf("it is not trusted; asked was %q", b.Called())
	}
	if status, _ := b.login(t, "bob").upload(path, fields, "root.pem", text, 0); status != http.StatusForbidden {
		t.Errorf("who may only look brings an authority: %d", status)
	}
}

// TestCallHomeNow: what is saved is sent.
func TestCallHomeNow(t *testing.T) {
	s := newCaller(t, "hostname a")
	s.Answers["control.callhome.send-all"] = map[string]any{"deliveries": []model.CallHomeEntry{{Group: "inventory", Outcome: "sent"}}}
	_, page := s.login(t, user).send(callHomeForm, "call-home", url.Values{"mode": {"anonymous"}, "transport": {"https"}, "destination-url": {"https://callhome.example.com/"}, "do": {"send"}})
	shows(t, page, "Call Home configuration saved and all Call Home messages sent successfully")
	if got := s.configuration.InForce().Config.CallHome.Does(); got != model.CallHomeAnonymous {
		t.Errorf("Call Home does %s", got)
	}
}
