package message

import (
	"fmt"
	"strings"
	"testing"
)

func TestHeaderIDOf(t *testing.T) {
	rows := []struct {
		name string
		want HeaderID
	}{
		{"P-Asserted-Identity", HeaderPAssertedIdentity},
		{"p-asserted-identity", HeaderPAssertedIdentity},
		{"X", HeaderSessionExpires},
		{"session-expires", HeaderSessionExpires},
		{"", HeaderOther},
		{"X-Note", HeaderOther},
		{"Call\rID", HeaderOther},
		{strings.Repeat("x", 300), HeaderOther},
	}
	for _, row := range rows {
		if got := HeaderIDOf(row.name); got != row.want {
			t.Errorf("HeaderIDOf(%q) = %d; want %d", row.name, got, row.want)
		}
	}
	name := "p-preferred-identity"
	if n := testing.AllocsPerRun(10, func() { HeaderIDOf(name) }); n != 0 {
		t.Errorf("HeaderIDOf allocates %v times", n)
	}
}

func TestLookup(t *testing.T) {
	m := parsed(t, altered(t, invite, "Allow:", "x: 1800\r\nX-note: one\r\nX-Note: two\r\nX_Y: 3\r\nAllow:"))
	rows := []struct{ name, want string }{
		{"Session-Expires", "1800"}, {"X", "1800"}, {"x-NOTE", "one"}, {"call-id", "84617OTlmY2M0ZDQ1ZjQ4@192.0.2.1"},
		{"i", "84617OTlmY2M0ZDQ1ZjQ4@192.0.2.1"}, {"X_Y", "3"}, {"X-Y", ""}, {"X-Not", ""}, {"Reason", ""}, {"", ""},
	}
	for _, row := range rows {
		field, found := m.Lookup(row.name)
		if got := string(m.Get(field.Value)); got != row.want || found != (row.want != "") {
			t.Errorf("Lookup(%q) = %q, %t; want %q", row.name, got, found, row.want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { m.Lookup("x-note") }); n != 0 {
		t.Errorf("Lookup allocates %v times", n)
	}
}

func TestRetryAfter(t *testing.T) {
	rows := []struct {
		value string
		want  int
		ok    bool
	}{
		{"120", 120, true}, {"0", 0, true}, {"18000;duration=3600", 18000, true}, {"120 (I'm in a meeting)", 120, true},
		{"5(x)", 5, true}, {"2147483648", 0, false}, {"-1", 0, false}, {"soon", 0, false}, {"5s", 0, false}, {"", 0, false},
	}
	for _, row := range rows {
		m := parsed(t, altered(t, ok, "CSeq:", "Retry-After: "+row.value+"\r\nCSeq:"))
		if got, ok := m.RetryAfter(); ok != row.ok || ok && got != row.want {
			t.Errorf("RetryAfter of %q = %d, %t; want %d, %t", row.value, got, ok, row.want, row.ok)
		}
	}
	if _, ok := parsed(t, []byte(ok)).RetryAfter(); ok {
		t.Error("RetryAfter without the field succeeds")
	}
}

func TestQ(t *testing.T) {
	rows := []struct {
		params string
		want   int
	}{
		{"", 1000}, {";q=1", 1000}, {";q=1.000", 1000}, {";q=0", 0}, {";q=0.", 0}, {";q=0.5", 500}, {";Q=0.07", 70},
		{";q=0.123", 123}, {";x;q=0.9;y", 900},
		{";q=0.1234", 1000}, {";q=2", 1000}, {";q=1.5", 1000}, {";q=-1", 1000}, {";q", 1000}, {`;q="0.5"`, 1000}, {";q=05", 1000},
	}
	for _, row := range rows {
		raw := []byte("<sip:a@example.com;q=0.3>" + row.params)
		address, err := ParseNameAddr(raw, Span{0, uint16(len(raw))})
		if err != nil {
			t.Fatalf("ParseNameAddr(%q) = %v", raw, err)
		}
		if got := address.Q(raw); got != row.want {
			t.Errorf("Q of %q = %d; want %d", raw, got, row.want)
		}
	}
}

func TestContacts(t *testing.T) {
	rows := []struct{ lines, want string }{
		{"", ""},
		{"m: *\r\n", "*"},
		{"Contact: <sip:a>;q=0.5 , \"b, c\" <sip:b>\r\nm: sip:c;q=0.1\r\n", "sip:a sip:b sip:c"},
		{"Contact: <sip:a>, <sip:b\r\nm: sip:c\r\n", "sip:a"},
	}
	for _, row := range rows {
		m := parsed(t, altered(t, ok, "Contact: <sip:bob@198.51.100.7:5060>\r\n", row.lines))
		var got []string
		for i, contact := range m.Contacts() {
			if i != len(got) {
				t.Errorf("Contacts of %q gives element %d after %d", row.lines, i, len(got))
			}
			got = append(got, string(m.Get(contact.URI)))
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("Contacts of %q = %q; want %q", row.lines, got, row.want)
		}
	}
	m := parsed(t, []byte(ok))
	allocations := testing.AllocsPerRun(10, func() {
		for _, contact := range m.Contacts() {
			contact.Q(m.Raw)
			break
		}
	})
	if allocations != 0 {
		t.Errorf("Contacts allocates %v times", allocations)
	}
}

// TestOverloadParameters: oc as a neighbour offers it and as it answers
// (RFC 7339 §4.1, §4.2).
func TestOverloadParameters(t *testing.T) {
	rows := []struct{ params, oc, algo, err string }{
		{"", "none", "", ""},
		{`;branch=x;oc;oc-algo="loss,A"`, "at 25", `"loss,A"`, ""},
		{`;OC=20 ;oc-algo="loss";oc-validity=500;oc-seq=1282321615.782`, "20", `"loss"`, ""},
		{";ocx;xoc;oc-validity=1", "none", "", ""},
		{";oc;oc=1", "", "", "given more than once"},
		{";oc-algo", "", "", "parameter expected"},
	}
	for _, row := range rows {
		raw := []byte("SIP/2.0/UDP a" + row.params)
		via, err := ParseVia(raw, Span{0, uint16(len(raw))})
		if err != nil || row.err != "" {
			if err == nil || err.Error() != row.err {
				t.Errorf("ParseVia(%q) = %v; want %q", raw, err, row.err)
			}
			continue
		}
		oc := "none"
		switch {
		case via.HasOC && via.OC.Empty():
			oc = fmt.Sprint("at ", via.OC.Start)
		case via.HasOC:
			oc = string(via.OC.In(raw))
		}
		if algo := string(via.OCAlgo.In(raw)); oc != row.oc || algo != row.algo {
			t.Errorf("ParseVia(%q): oc %q, oc-algo %q; want %q, %q", raw, oc, algo, row.oc, row.algo)
		}
	}
}
