package normalization

import (
	"strings"
	"testing"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// TestPrivacy: asserted identities stay within the trusted networks when the
// caller wants that (RFC 3325 §7), and no other octet changes.
func TestPrivacy(t *testing.T) {
	const identity = "P-Asserted-Identity: <sip:a@example.com>, <tel:+4930123>\r\np-asserted-identity: <sip:b@example.com>\r\n" +
		"P-Preferred-Identity: <sip:c@example.com>\r\n"
	wan, lan := &hop.Target{Network: "wan"}, &hop.Target{Network: "lan"}
	rows := []struct {
		name    string
		service bool
		privacy string
		out     *hop.Target
		removed bool
	}{
		{"wanted", true, "Privacy: id\r\n", wan, true},
		{"wanted among others", true, "privacy: header ; ID;critical\r\n", wan, true},
		{"in a second field", true, "Privacy: user\r\nPrivacy: header, id\r\n", wan, true},
		{"nobody knows where to", true, "Privacy: id\r\n", nil, true},
		{"trusted", true, "Privacy: id\r\n", lan, false},
		{"no service", false, "Privacy: id\r\n", wan, false},
		{"not wanted", true, "", wan, false},
		{"none", true, "Privacy: none\r\n", wan, false},
		{"another value", true, "Privacy: identity;user\r\n", wan, false},
	}
	for _, row := range rows {
		e, err := New(&model.SIP{Privacy: model.SIPPrivacy{Service: row.service, Trusted: []string{"lan"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{invite, response} {
			raw := strings.Replace(text, "Content-Length", row.privacy+identity+"Content-Length", 1)
			want := ""
			if row.removed {
				want = ">" + strings.Replace(raw, identity, "", 1)
			}
			if got := string(e.Privacy([]byte(">"), incoming(t, raw), row.out)); got != want {
				t.Errorf("%s: Privacy = %q; want %q", row.name, got, want)
			}
		}
	}
}

// TestPrivacyWithoutIdentity: nothing to take out.
func TestPrivacyWithoutIdentity(t *testing.T) {
	e, err := New(&model.SIP{Privacy: model.SIPPrivacy{Service: true}})
	if err != nil {
		t.Fatal(err)
	}
	raw := strings.Replace(invite, "Content-Length", "Privacy: id\r\nContent-Length", 1)
	if got := e.Privacy(nil, incoming(t, raw), nil); got != nil {
		t.Errorf("Privacy = %q", got)
	}
}
