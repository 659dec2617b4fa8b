package message

import (
	"strings"
	"testing"
)

// TestValidate: each row is the good request with one thing changed.
func TestValidate(t *testing.T) {
	rows := []struct{ old, new, want string }{
		{"phone SIP/2.0", "phone SIP/3.0", "505 Version Not Supported"},
		{"phone SIP/2.0", "phone  SIP/2.0", "400 Bad Request-URI: octet not allowed here"},
		{"phone SIP/2.0", "phone SIP/2.0 ", "400 Bad Request line: extra white space"},
		{"phone SIP/2.0\r\n", "phone SIP/2.0\n", "400 Bad Start line: a line does not end with CRLF"},
		{"INVITE sip:", "INVITE http:", "416 Unsupported URI Scheme"},
		{"INVITE sip:+15550100@192.0.2.10:5060", "INVITE tel:+15550100", ""},
		{"INVITE sip:", "INVITE sips:", ""},
		{"INVITE sip:", "INVITE SIP:", ""},
		{"INVITE sip:+15550100@192.0.2.10:5060;user=phone", "INVITE sip:", "400 Bad Request-URI: no URI scheme"},
		{"INVITE sip:+15550100@192.0.2.10:5060;user=phone", "INVITE *", "400 Bad Request-URI: no URI scheme"},
		{";user=phone", "?Subject=x", "400 Bad Request-URI: headers are not allowed here"},
		{":5060;user", ":0;user", "400 Bad Request-URI: port not in 1 to 65535"},
		{"INVITE sip:+15550100@192", "INVITE sip:a@b@192", "400 Bad Request-URI: octet not allowed here"},

		{"Allow: INVITE", "Allow: INVITE\n", "400 Bad Header: a line without field name"},
		{"Allow: INVITE", "Allow: INVITE\r", "400 Bad Header: a line does not end with CRLF"},
		{"Allow: INVITE", "Allow: INVITE\n ", "400 Bad Header: a line does not end with CRLF"},
		{"\r\n\r\nv=0", "\r\n\nv=0", "400 Bad Header: a line does not end with CRLF"},
		{"Allow: INVITE", "Allow INVITE", "400 Bad Header: a line without field name"},
		{"Allow:", "Al low:", "400 Bad Header: a line without field name"},
		{"Allow:", ":", "400 Bad Header: a line without field name"},
		{"SIP/2.0\r\nVia", "SIP/2.0\r\n x\r\nVia", "400 Bad Header: a line without field name"},

		{"From:", "Form:", "400 Bad From: missing"},
		{"\r\nTo:", "\r\nX:", "400 Bad To: missing"},
		{"Call-ID:", "CallID:", "400 Bad Call-ID: missing"},
		{"Call-ID: 84617OTlmY2M0ZDQ1ZjQ4@192.0.2.1", "Call-ID: ", "400 Bad Call-ID: missing"},
		{"CSeq:", "C-Seq:", "400 Bad CSeq: missing"},
		{"CSeq: 314159 INVITE", "CSeq:", "400 Bad CSeq: missing"},
		{"Content-Type", strings.Repeat("X: y\r\n", MaxFields-13) + "Content-Type", ""},
		{"Content-Type", strings.Repeat("X: y\r\n", MaxFields-12) + "Content-Type", "513 Message Too Large"},
		{"Max-Forwards", strings.Repeat("X: y\r\n", MaxFields) + "Max-Forwards", "513 Message Too Large"},

		{"CSeq: 314159 INVITE", "CSeq: 314159 BYE", "400 Bad CSeq: not the method of the request"},
		{"CSeq: 314159 INVITE", "CSeq: 314159 invite", "400 Bad CSeq: not the method of the request"},
		{"CSeq: 314159 INVITE", "CSeq: 314159INVITE", "400 Bad CSeq: not the method of the request"},
		{"CSeq: 314159 INVITE", "CSeq: 314159 INVITE x", "400 Bad CSeq: not the method of the request"},
		{"CSeq: 314159 INVITE", "CSeq: 4294967295 INVITE", ""},
		{"CSeq: 314159 INVITE", "CSeq: 4294967296 INVITE", "400 Bad CSeq: not a number in range"},
		{"CSeq: 314159 INVITE", "CSeq: -1 INVITE", "400 Bad CSeq: not a number in range"},
		{"CSeq:", "CSeq: 1 BYE\r\nCSeq:", "400 Bad CSeq: given more than once"},
		{"CSeq:", "CSeq: 1 INVITE\r\nCSeq:", "400 Bad CSeq: given more than once"},
		{"Call-ID:", "i: x\r\nCall-ID:", "400 Bad Call-ID: given more than once"},
		{"Call-ID:", "Call-ID: x\r\n y\r\nX:", "400 Bad Call-ID: octet not allowed here"},
		{"From:", "f: <sip:a@192.0.2.1>\r\nFrom:", "400 Bad From: given more than once"},
		{"\r\nTo:", "\r\nt: <sip:a@192.0.2.1>\r\nTo:", "400 Bad To: given more than once"},
		{"Content-Type:", "c: x/y\r\nContent-Type:", "400 Bad Content-Type: given more than once"},
		{"Allow:", "Allow: X\r\nAllow:", ""},

		{"Max-Forwards: 70", "Max-Forwards: 0", ""},
		{"Max-Forwards: 70", "Max-Forwards: 255", ""},
		{"Max-Forwards: 70", "Max-Forwards: 256", "400 Bad Max-Forwards: not a number in range"},
		{"Max-Forwards: 70", "Max-Forwards: -1", "400 Bad Max-Forwards: not a number in range"},
		{"Max-Forwards: 70", "Max-Forwards:", "400 Bad Max-Forwards: not a number in range"},
		{"Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 70", "400 Bad Max-Forwards: given more than once"},
		{"Content-Length: 142", "Content-Length: 143", "400 Bad Content-Length: larger than the datagram"},
		{"Content-Length: 142", "Content-Length: -1", "400 Bad Content-Length: not a number in range"},
		{"Content-Length: 142", "Content-Length: 18446744073709551616", "400 Bad Content-Length: not a number in range"},
		{"Content-Length: 142", "Content-Length: 1 2", "400 Bad Content-Length: not a number in range"},
		{"Content-Length: 142", "Content-Length: 142\r\nl: 142", "400 Bad Content-Length: given more than once"},

		{";rport\r\n", ";;rport\r\n", "400 Bad Via: parameter expected"},
		{";rport\r\n", ";rport,\r\n", "400 Bad Via: empty"},
		{";rport\r\n", ";rport, x\r\n", "400 Bad Via: no sent-protocol"},
		{";rport\r\n", ";rport;branch=other\r\n", "400 Bad Via: given more than once"},
		{";rport\r\n", ";rport;received\r\n", "400 Bad Via: parameter expected"},
		{";tag=8f1c2d3e", ";tag", "400 Bad From: parameter expected"},
		{";rport\r\n", ";rport=1;rport\r\n", "400 Bad Via: given more than once"},
		{";rport\r\n", ";rport x\r\n", "400 Bad Via: separator expected"},
		{"192.0.2.1:5066;", "192.0.2.1:66000;", "400 Bad Via: port not in 1 to 65535"},
		{"Max-Forwards:", "Via: nonsense\r\nMax-Forwards:", "400 Bad Via: no sent-protocol"},

		{`"Alice" <sip`, `"Alice <sip`, "400 Bad From: quoted string without end"},
		{`"Alice" <sip`, `"Alice" sip`, "400 Bad From: URI must be within < and >"},
		{`"Alice" <sip`, `Alice, A <sip`, "400 Bad From: given more than once"},
		{`"Alice" <sip`, `Alice A <sip`, ""},
		{"192.0.2.1>;tag", "192.0.2.1;tag", "400 Bad From: no closing >"},
		{"<sip:+15550101@192.0.2.1>", "<>", "400 Bad From: empty"},
		{"<sip:+15550101@192.0.2.1>", "< sip:+15550101@192.0.2.1>", "400 Bad From: no URI scheme"},
		{"<sip:+15550101@192.0.2.1>", "<urn:service:sos>", ""},
		{";tag=8f1c2d3e", ";tag=8f1c2d3e;tag=x", "400 Bad From: given more than once"},
		{";tag=8f1c2d3e", ";tag=", "400 Bad From: parameter expected"},
		{";tag=8f1c2d3e", ";tag=8f1c2d3e, <sip:b@192.0.2.1>", "400 Bad From: given more than once"},
		{";tag=8f1c2d3e", "", ""}, // RFC 2543
		{"To: <sip:+15550100@192.0.2.10>", "To: sip:a;b@192.0.2.10", "400 Bad To: separator expected"},
		{"To: <sip:+15550100@192.0.2.10>", "To: sip:a;b=c@192.0.2.10", "400 Bad To: URI must be within < and >"},
		{"To: <sip:+15550100@192.0.2.10>", "To: sip:a@192.0.2.10;x=y", ""},
		{"To: <sip:+15550100@192.0.2.10>", "To: <sip:a@>", "400 Bad To: no host"},

		{"Contact: <sip:alice@192.0.2.1:5066>", "Contact: *", ""},
		{"Contact: <sip:alice@192.0.2.1:5066>", "m: sip:alice@192.0.2.1?x=y", "400 Bad Contact: URI must be within < and >"},
		{"Contact: <sip:alice@192.0.2.1:5066>", "m: <sip:a@192.0.2.1>;q=1,", "400 Bad Contact: empty"},
		{"Contact: <sip:alice@192.0.2.1:5066>", "m: <sip:a@192.0.2.1>;q=1, tel:+1", ""},
		{"Route: <sip:192.0.2.10:5060;lr>", "Route: sip:192.0.2.10;lr", "400 Bad Route: URI must be within < and >"},
		{"Route: <sip:192.0.2.10:5060;lr>", "Route: <sip:a>,<sip:b>x", "400 Bad Route: separator expected"},
		{"Route: <sip:192.0.2.10:5060;lr>", "Route:", "400 Bad Route: empty"},
		{"Max-Forwards", "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nMax-Forwards", ""},
		{"Max-Forwards", "Date: Sat, 13 Nov 2010 23:29:00 CET\r\nMax-Forwards", "400 Bad Date: time zone is not GMT"},
	}
	for _, row := range rows {
		var m Message
		got := ""
		if err := m.Parse(altered(t, invite, row.old, row.new)); err != nil {
			got = "dropped: " + err.Error()
		} else if fault := m.Validate(); fault != nil {
			got = fault.Error()
		}
		if got != row.want {
			t.Errorf("%q -> %q: Validate = %q; want %q", row.old, row.new, got, row.want)
		}
	}
	noEmptyLine, _, _ := strings.Cut(invite, "\r\n\r\n")
	for _, text := range []string{noEmptyLine, noEmptyLine + "\r\n"} {
		if fault := parsed(t, []byte(text)).Validate(); fault == nil || fault.Status != 400 {
			t.Errorf("Validate of a header without empty line = %v; want 400", fault)
		}
	}
}

// TestFaultIsFixedText: nothing a peer sent gets into a reason phrase, so no
// peer can write a line of the answer.
func TestFaultIsFixedText(t *testing.T) {
	m := parsed(t, altered(t, invite, "CSeq: 314159 INVITE", "CSeq: evil \r\n INVITE"))
	fault := m.Validate()
	if fault == nil || strings.Contains(fault.Reason, "evil") || strings.ContainsAny(fault.Reason, "\r\n") {
		t.Errorf("Validate = %v", fault)
	}
}
