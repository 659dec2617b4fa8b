package message

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// whole is the span of all of text.
func whole(text string) Span { return Span{0, uint16(len(text))} }

func TestParseURI(t *testing.T) {
	rows := []struct{ text, want string }{
		{"sip:192.0.2.1", "scheme=sip host=192.0.2.1"},
		{"sips:alice:secret@example.com:5061", "scheme=sips user=alice host=example.com port=5061 secure"},
		{"sip:+1-555@[2001:db8::1]:5070;lr;x=y", "scheme=sip user=+1-555 host=[2001:db8::1] port=5070 params=lr;x=y loose"},
		{"sip:example.com;LR=on", "scheme=sip host=example.com params=LR=on loose"},
		{"sip:example.com;lrx;xlr", "scheme=sip host=example.com params=lrx;xlr"},
		{"sip:example.com?Subject=a;lr", "scheme=sip host=example.com headers=Subject=a;lr"},
		{"sip:example.com;a?b=c", "scheme=sip host=example.com params=a headers=b=c"},
		{"sip:a;lr?x=1@example.com", "scheme=sip user=a;lr?x=1 host=example.com"},
		{"tel:+15550100;phone-context=example.com", "scheme=tel user=+15550100 params=phone-context=example.com"},
		{"urn:service:sos", "scheme=urn"},
		{"sip:host_with_underscore.example", "scheme=sip host=host_with_underscore.example"},
		{"sip:*67#@example.com", "scheme=sip user=*67# host=example.com"},

		{"", "no URI scheme"},
		{"sip", "no URI scheme"},
		{"sip:", "no URI scheme"},
		{":a@b", "no URI scheme"},
		{"<sip:a@b>", "no URI scheme"},
		{"sip:a b@c", "octet not allowed here"},
		{"sip:a\x00@c", "octet not allowed here"},
		{"sip:a@b@c", "octet not allowed here"},
		{"sip:a:b:c@d", "octet not allowed here"},
		{"sip:a[b]@c", "octet not allowed here"},
		{"sip:@c", "empty"},
		{"sip::secret@c", "empty"},
		{"tel:;x", "empty"},
		{"sip:a@", "no host"},
		{"sip:;lr", "no host"},
		{"sip:[2001:db8::1", "no host"},
		{"sip:[]", "no host"},
		{"sip:a:", "port not in 1 to 65535"},
		{"sip:a:0", "port not in 1 to 65535"},
		{"sip:a:65536", "port not in 1 to 65535"},
		{"sip:a/b", "octet not allowed here"},
		{"sip:2001:db8::1", "port not in 1 to 65535"},
	}
	for _, row := range rows {
		raw := []byte(row.text)
		uri, err := ParseURI(raw, whole(row.text))
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprintf("scheme=%s", uri.Scheme.In(raw))
			for _, part := range []struct {
				name string
				span Span
			}{{"user", uri.User}, {"host", uri.Host}} {
				if !part.span.Empty() {
					got += fmt.Sprintf(" %s=%s", part.name, part.span.In(raw))
				}
			}
			if uri.Port != 0 {
				got += fmt.Sprintf(" port=%d", uri.Port)
			}
			if !uri.Params.Empty() {
				got += fmt.Sprintf(" params=%s", uri.Params.In(raw))
			}
			if !uri.Headers.Empty() {
				got += fmt.Sprintf(" headers=%s", uri.Headers.In(raw))
			}
			if uri.Secure {
				got += " secure"
			}
			if uri.Loose {
				got += " loose"
			}
		}
		if got != row.want {
			t.Errorf("ParseURI(%q) = %s; want %s", row.text, got, row.want)
		}
	}
}

func TestNumber(t *testing.T) {
	rows := []struct{ uri, number, hostPort string }{
		{"tel:+1-555-0100;phone-context=example.com", "+1-555-0100", ""},
		{"tel:7042", "7042", ""},
		{"sip:+15550100;postd=22:secret@example.com:5070;user=phone", "+15550100", "example.com:5070"},
		{"sip:*67#@192.0.2.1", "*67#", "192.0.2.1"},
		{"sip:(030)12.34-5@[2001:db8::1]:5060", "(030)12.34-5", "[2001:db8::1]:5060"},
		{"sip:alice@example.com;x", "", "example.com"},
		{"sip:+@example.com", "", "example.com"},
		{"sip:1+2@example.com", "", "example.com"},
		{"sip:12a@example.com", "", "example.com"},
		{"sip:example.com", "", "example.com"},
		{"urn:service:sos", "", ""},
	}
	for _, row := range rows {
		raw := []byte(row.uri)
		uri, err := ParseURI(raw, whole(row.uri))
		if err != nil {
			t.Fatalf("ParseURI(%q) = %v", raw, err)
		}
		if got := string(uri.Number(raw).In(raw)); got != row.number {
			t.Errorf("Number of %q = %q; want %q", raw, got, row.number)
		}
		if got := string(uri.HostPort.In(raw)); got != row.hostPort {
			t.Errorf("HostPort of %q = %q; want %q", raw, got, row.hostPort)
		}
	}
}

// TestPlainURI: what people read of a URI has no secrets, and an end.
func TestPlainURI(t *testing.T) {
	const most = 20
	for text, want := range map[string]string{
		"sip:+4930:pin@example.com:5070;phone-context=x?Authorization=secret": "sip:+4930@example.com",
		"tel:+4930;isub=1":     "tel:+4930",
		"sips:example.com":     "sips:example.com",
		"sip:[2001:db8::1]":    "sip:[2001:db8::1]",
		"urn:service:sos.fire": "urn:service:sos.fire",
		"x-other:secret":       "x-other:",
		"sip:a b@example.com":  "",
		"sip:" + strings.Repeat("u", 300) + "@example.com": "sip:" + strings.Repeat("u", most) + "@example.com",
	} {
		if got := PlainURI([]byte(text), whole(text), most); got != want {
			t.Errorf("PlainURI(%q) = %q; want %q", text, got, want)
		}
	}
}

// TestParameterCuts: each parameter with what removes it, of a URI and of an
// element.
func TestParameterCuts(t *testing.T) {
	const text = `<sip:a@example.com;x;lr;y=z=1;?h=;i> ;q = 0.5 ; r="a;b" ;s`
	raw := []byte(text)
	element, err := ParseNameAddr(raw, whole(text))
	if err != nil {
		t.Fatal(err)
	}
	uri, err := ParseURI(raw, element.URI)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	note := func(p Parameter) {
		got = append(got, fmt.Sprintf("%s|%s|%s", p.Name.In(raw), p.Value.In(raw), p.Cut.In(raw)))
	}
	for p := range uri.Parameters(raw) {
		note(p)
	}
	for p := range element.Parameters(raw) {
		note(p)
	}
	want := []string{"x||;x", "lr||;lr", "y|z=1|;y=z=1", `q|0.5|;q = 0.5`, `r|"a;b"|; r="a;b"`, "s||;s"}
	if !slices.Equal(got, want) {
		t.Errorf("Parameters = %q; want %q", got, want)
	}
}

func TestURIParam(t *testing.T) {
	const text = "sip:a@example.com;lr;Transport=UDP;;cbid=k1=k2;last="
	raw := []byte(text)
	uri, err := ParseURI(raw, whole(text))
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name, value string
		found       bool
	}{
		{"lr", "", true}, {"transport", "UDP", true}, {"cbid", "k1=k2", true}, {"last", "", true},
		{"udp", "", false}, {"k1", "", false},
	}
	for _, row := range rows {
		value, found := uri.Param(raw, row.name)
		if string(value) != row.value || found != row.found {
			t.Errorf("Param(%q) = %q, %t; want %q, %t", row.name, value, found, row.value, row.found)
		}
	}
}

func TestAddr(t *testing.T) {
	rows := []struct{ host, want string }{
		{"192.0.2.255", "192.0.2.255"},
		{"[2001:db8::1]", "2001:db8::1"},
		{"[::ffff:192.0.2.1]", "::ffff:192.0.2.1"},
		{"192.0.2.256", ""},
		{"192.0.2", ""},
		{"192.0.2.1.5", ""},
		{"192.0.02.1", ""},
		{"192.0..1", ""},
		{"0.0.0.0", "0.0.0.0"},
		{"[192.0.2.1]", ""},
		{"[2001:db8:::1]", ""},
		{"example.com", ""},
	}
	for _, row := range rows {
		text := "sip:" + row.host
		raw := []byte(text)
		uri, err := ParseURI(raw, whole(text))
		if err != nil {
			t.Fatalf("ParseURI(%q) = %v", text, err)
		}
		got := ""
		if addr, found := uri.Addr(raw); found {
			got = addr.String()
			if addr != netip.MustParseAddr(row.want) {
				t.Errorf("Addr of %q = %v; want %v", row.host, addr, row.want)
			}
		}
		if got != row.want {
			t.Errorf("Addr of %q = %q; want %q", row.host, got, row.want)
		}
	}
}

func TestParseNameAddr(t *testing.T) {
	rows := []struct{ text, uri, params, rest, err string }{
		{"<sip:a@b>", "sip:a@b", "", "", ""},
		{" <sip:a@b;lr> ", "sip:a@b;lr", "", "", ""},
		{"sip:a@b;tag=1", "sip:a@b", "tag=1", "", ""},
		{"sip:a@b , sip:c@d", "sip:a@b", "", "sip:c@d", ""},
		{`"A, \"B\" <x>" <sip:a@b>;q=0.5;x="y;,>" , <sip:c>`, "sip:a@b", `q=0.5;x="y;,>"`, "<sip:c>", ""},
		{"A B<sip:a,b@c?d=e> ; tag = 5 ", "sip:a,b@c?d=e", " tag = 5", "", ""},
		{"", "", "", "", "empty"},
		{"A <sip:a", "", "", "", "no closing >"},
		{`"A`, "", "", "", "quoted string without end"},
		{`"A\"`, "", "", "", "quoted string without end"},
		{`"A" B <sip:a>`, "", "", "", "URI must be within < and >"},
		{`A "B" <sip:a>`, "", "", "", "separator expected"},
		{"<sip:a>;", "", "", "", "parameter expected"},
		{"<sip:a>;;x", "", "", "", "parameter expected"},
		{"<sip:a>;x=", "", "", "", "parameter expected"},
		{`<sip:a>;x="y`, "", "", "", "quoted string without end"},
		{"<sip:a>;x y", "", "", "", "separator expected"},
		{"<sip:a> b", "", "", "", "separator expected"},
		{"<sip:a>,", "", "", "", "empty"},
		{",<sip:a>", "", "", "", "empty"},
		{"sip:a@b?c=d", "", "", "", "URI must be within < and >"},
		{"sip:a;x=y@b", "", "", "", "URI must be within < and >"},
	}
	for _, row := range rows {
		raw := []byte(row.text)
		address, err := ParseNameAddr(raw, whole(row.text))
		if err != nil || row.err != "" {
			if err == nil || err.Error() != row.err {
				t.Errorf("ParseNameAddr(%q) = %v; want %q", row.text, err, row.err)
			}
			continue
		}
		rest := ""
		if address.Next != 0 {
			rest = row.text[address.Next:]
		}
		uri, params := string(address.URI.In(raw)), string(address.Params.In(raw))
		if uri != row.uri || params != row.params || rest != row.rest {
			t.Errorf("ParseNameAddr(%q) = %q, %q, then %q; want %q, %q, then %q",
				row.text, uri, params, rest, row.uri, row.params, row.rest)
		}
	}
}

func TestNameAddrParam(t *testing.T) {
	const text = `<sip:a@b;q=9>;Q = 0.5 ; +sip.instance="<urn:x>;y";flag`
	raw := []byte(text)
	address, err := ParseNameAddr(raw, whole(text))
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name, value string
		found       bool
	}{
		{"q", "0.5", true}, {"+sip.instance", `"<urn:x>;y"`, true}, {"flag", "", true}, {"y", "", false},
	}
	for _, row := range rows {
		value, found := address.Param(raw, row.name)
		if string(value.In(raw)) != row.value || found != row.found {
			t.Errorf("Param(%q) = %q, %t; want %q, %t", row.name, value.In(raw), found, row.value, row.found)
		}
	}
}

func TestParseVia(t *testing.T) {
	rows := []struct{ text, transport, host, branch, cut, err string }{
		{"SIP/2.0/UDP 192.0.2.1", "UDP", "192.0.2.1", "", "SIP/2.0/UDP 192.0.2.1", ""},
		{" SIP / 2.0 / UDP host.example ; branch = x ,  SIP/2.0/TCP b", "UDP", "host.example", "x",
			"SIP / 2.0 / UDP host.example ; branch = x ,  ", ""},
		{"SIP/2.0/TLS [2001:db8::9]:5061;received=2001:db8::1;maddr=[::1];branch=z9hG4bK1", "TLS", "[2001:db8::9]", "z9hG4bK1",
			"SIP/2.0/TLS [2001:db8::9]:5061;received=2001:db8::1;maddr=[::1];branch=z9hG4bK1", ""},
		{"SIP/2.0/UDP a : 5060 ;x=\"q,;\"", "UDP", "a", "", "SIP/2.0/UDP a : 5060 ;x=\"q,;\"", ""},
		{"SIP/2.0/UDP", "UDP", "", "", "", "separator expected"},
		{"SIP/2.0 UDP a", "2.0", "", "", "", "no sent-protocol"},
		{"SIP/2.0/UDP[::1]", "UDP", "", "", "", "separator expected"},
		{"SIP/2.0/UDP ;branch=x", "UDP", "", "", "", "no host"},
		{"SIP/2.0/UDP a:b", "UDP", "a", "", "", "port not in 1 to 65535"},
		{"SIP/2.0/UDP 2001:db8::9", "UDP", "2001", "", "", "port not in 1 to 65535"},
		{"SIP/2.0/UDP a b", "UDP", "a", "", "SIP/2.0/UDP a", "separator expected"},
	}
	for _, row := range rows {
		raw := []byte(row.text)
		via, err := ParseVia(raw, whole(row.text))
		message := ""
		if err != nil {
			message = err.Error()
		}
		transport, host := string(via.Transport.In(raw)), string(via.Host.In(raw))
		branch, cut := string(via.Branch.In(raw)), string(via.Cut.In(raw))
		if transport != row.transport || host != row.host || branch != row.branch || cut != row.cut || message != row.err {
			t.Errorf("ParseVia(%q) = %q, %q, %q, cut %q, %q; want %q, %q, %q, cut %q, %q", row.text, transport, host, branch,
				cut, message, row.transport, row.host, row.branch, row.cut, row.err)
		}
	}
}
