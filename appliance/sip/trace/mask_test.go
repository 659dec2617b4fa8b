package trace

import (
	"bytes"
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	for _, tt := range []struct{ rule, text, want string }{
		{"the response, nothing else",
			"Authorization: Digest username=\"bob\", realm=\"example.com\", nonce=\"84a4\", uri=\"sip:example.com\", response=\"7587245234b3434cc3412213e5f113a5\", opaque=\"\"\r\n",
			"Authorization: Digest username=\"bob\", realm=\"example.com\", nonce=\"84a4\", uri=\"sip:example.com\", response=\"********************************\", opaque=\"\"\r\n"},
		{"any case, blanks and folds", "PROXY-authorization \t: DIGEST\r\n nc=1 ,\r\n\tRESPONSE\r\n = \"ab\"\r\nTo: <sip:a@b>\r\n",
			"PROXY-authorization \t: DIGEST\r\n nc=1 ,\r\n\tRESPONSE\r\n = \"**\"\r\nTo: <sip:a@b>\r\n"},
		{"a response without quotes", "Authorization: Digest response=abc,nc=1\n", "Authorization: Digest response=***,nc=1\n"},
		{"parameters that nobody knows", "Authorization: Digest auts=\"abc\", qop=auth\r\n", "Authorization: Digest auts=\"***\", qop=auth\r\n"},
		{"other schemes", "Authorization: Basic Ym9iOnNlY3JldA==\r\n", "Authorization: Basic*****************\r\n"},
		{"another scheme behind", "Authorization: Digest nc=1, Basic Ym9i\r\n", "Authorization: Digest nc=1, **********\r\n"},
		{"a quoted string that looks like more", "Authorization: Digest username=\"a\\\", response=\", response=\"ab\"\r\n",
			"Authorization: Digest username=\"a\\\", response=\", response=\"**\"\r\n"},
		{"a quoted string without an end", "Authorization: Digest username=\"a, response=ab\r\n", "Authorization: Digest username=***************\r\n"},
		{"no comma", "Authorization: Digest nc=1 response=ab\r\n", "Authorization: Digest nc=*************\r\n"},
		{"the server's own", "Authentication-Info: nextnonce=\"1\", rspauth=\"abc\"\r\n", "Authentication-Info: nextnonce=\"1\", rspauth=\"***\"\r\n"},
		{"in a body", "v=0\r\nk=clear:secret\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc|2^20\r\na=ice-pwd:abcd\r\na=key-mgmt:mikey abc\r\n",
			"v=0\r\nk=************\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:********\r\na=ice-pwd:****\r\na=key-mgmt:mikey ***\r\n"},
		{"a key that is not where it should be", "a=crypto:1 abc\r\n", "a=crypto:*****\r\n"},
		{"a challenge is no secret", "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n", "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n"},
		{"other fields", "INVITE sip:a@b SIP/2.0\r\nk: 100rel\r\nSubject: response=1\r\n\r\n", "INVITE sip:a@b SIP/2.0\r\nk: 100rel\r\nSubject: response=1\r\n\r\n"},
		{"a carriage return alone", "X: 1\rAuthorization: Basic abc\r", "X: 1\rAuthorization: Basic****\r"},
	} {
		got := []byte(tt.text)
		if mask(got); string(got) != tt.want {
			t.Errorf("%s: mask(%q)\n got %q\nwant %q", tt.rule, tt.text, got, tt.want)
		}
	}
}

// FuzzMask: whatever stands before and behind it, a response does not leave.
func FuzzMask(f *testing.F) {
	f.Add([]byte(`username="bob", realm="example.com"`), []byte(`, qop=auth`))
	f.Add([]byte(`username="`), []byte(``))
	f.Add([]byte(`username="\`), []byte(`"`))
	f.Add([]byte("nc=1,\r\n nonce="), []byte("\r\n\r\nv=0\r\nk=x\r\n"))
	f.Add([]byte("Basic x"), []byte("\x00"))
	f.Fuzz(func(t *testing.T, before, behind []byte) {
		const secret = "7587245234b3434cc3412213e5f113a5"
		before = bytes.Map(func(r rune) rune { // one header field
			if strings.ContainsRune("\r\n", r) {
				return ' '
			}
			return r
		}, before)
		message := []byte("OPTIONS sip:example.com SIP/2.0\r\nProxy-Authorization: Digest " + string(before) + ", response=\"" + secret + "\"" + string(behind))
		masked := bytes.Clone(message)
		mask(masked)
		if len(masked) != len(message) || bytes.Contains(masked[:len(masked)-len(behind)], []byte(secret)) {
			t.Fatalf("mask(%q) = %q", message, masked)
		}
		for i, c := range masked {
			if c != message[i] && c != '*' {
				t.Fatalf("mask(%q) = %q: octet %d is %q", message, masked, i, c)
			}
		}
		again := bytes.Clone(masked)
		if mask(again); !bytes.Equal(again, masked) {
			t.Fatalf("mask twice = %q; want %q", again, masked)
		}
	})
}
