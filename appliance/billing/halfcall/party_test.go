package halfcall

import (
	"testing"

	"causeway/appliance/model"
)

func TestNumbers(t *testing.T) {
	for _, test := range []struct{ field, uri, number string }{
		{`<sip:+15551230001@a.example>;tag=1`, "sip:+15551230001@a.example", "15551230001"},
		{`"Bob <x>" <sips:+1-(555)-123.0001;phone-context=b@a.example:5061;user=phone>;tag=1`,
			"sips:+1-(555)-123.0001;phone-context=b@a.example:5061;user=phone", "15551230001"},
		{`<tel:+1-555-123-0001;isub=7>`, "tel:+1-555-123-0001;isub=7", "15551230001"},
		{`tel:7042;phone-context=example.com`, "tel:7042", "7042"},
		{`<sip:*21#@a.example>`, "sip:*21#@a.example", "*21#"},
		{`<sip:*21@a.example>`, "sip:*21@a.example", "*21"},
		{`sip:alice@a.example;tag=9`, "sip:alice@a.example", "alice"},
		{`<sip:alice:secret@a.example>`, "sip:alice:secret@a.example", "alice"},
		{`"Anonymous" <sip:anonymous@anonymous.invalid>;tag=9`, "sip:anonymous@anonymous.invalid", ""},
		{`<sip:a.example>`, "sip:a.example", ""},
		{`<urn:service:sos>`, "urn:service:sos", ""},
		{`<sip:1@`, "", ""},
		{``, "", ""},
	} {
		uri := addressOf([]byte(test.field))
		if number := numberOf(uri); string(uri) != test.uri || string(number) != test.number {
			t.Errorf("%s: %q with number %q; want %q, %q", test.field, uri, number, test.uri, test.number)
		}
	}
}

func TestEndpointNames(t *testing.T) {
	m := New(Settings{})
	for _, test := range []struct {
		peer string
		want string
	}{
		{"2.0.0.36:5078", "2.0.0.36,5078,UDP,SIPPB"},
		{"[::ffff:2.0.0.36]:5078", "2.0.0.36,5078,UDP,SIPPB"},
		{"[2001:db8::1]:5060", "2001:db8::1,5060,UDP,SIPPB"},
		{"[fe80::1%lan1]:5060", "fe80::1,5060,UDP,SIPPB"},
		{"", ",0,UDP,SIPPB"},
		{"somewhere", ",0,UDP,SIPPB"},
	} {
		e := m.endpointOf(&model.CallEvent{Peer: []byte(test.peer), Adjacency: []byte("SIPPB"), Network: []byte("lan2"), Transport: []byte("UDP")})
		if got := e.name(model.EndpointAddressing); got != test.want {
			t.Errorf("endpoint at %q = %q; want %q", test.peer, got, test.want)
		}
	}
}

// TestNamesAreBounded checks that names of strangers do not fill the memory.
func TestNamesAreBounded(t *testing.T) {
	m := New(Settings{})
	for i := range 3 * namesKept {
		m.intern([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	if len(m.names) > namesKept {
		t.Errorf("%d names; want %d at most", len(m.names), namesKept)
	}
	if m.intern([]byte("SIPPB")) != "SIPPB" {
		t.Error("a name is another one")
	}
}
