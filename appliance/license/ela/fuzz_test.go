package ela

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzOpen opens answers of strangers: none is taken.
func FuzzOpen(f *testing.F) {
	v := newVendor(f)
	stranger := newVendor(f)
	stranger.two.Certificate, stranger.ten.Certificate = v.two.Certificate, v.ten.Certificate // but not the keys
	openings := v.openings(v.asked())
	for _, o := range openings {
		f.Add(stranger.sign(stranger.two, v.header(v.two), marshal(f, o.answer)))
	}
	f.Add(v.hmac(marshal(f, openings[0].answer)))
	f.Add([]byte(`{"payload":"e30","protected":"eyJhbGciOiJub25lIn0","signature":""}`))
	f.Add([]byte(`{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}`))
	trust := v.trust()
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, o := range openings {
			if err := o.open(trust, answer, o.request.Outstanding); err == nil {
				t.Errorf("%s: an answer is taken that nobody has signed: %s", o.name, answer)
			}
		}
	})
}

// FuzzSigned opens what a signing certificate has signed: what is taken keeps to
// the bounds.
func FuzzSigned(f *testing.F) {
	v := newVendor(f)
	a := v.asked()
	openings := v.openings(a)
	header := marshal(f, v.header(v.two))
	for _, o := range openings {
		f.Add(header, marshal(f, o.answer))
	}
	f.Add([]byte(`{"alg":"HS256","typ":"ela+jws","kid":"2","crit":["b64"],"b64":false}`), []byte(`{"crit":["x"],"seq":1e3}`))
	f.Add([]byte(`{"alg":"ES256","typ":"ela+jws","kid":"2","jwk":{"kty":"EC"},"x5c":["AA"]}`), []byte(`{"ts":"2026-02-30T00:00:00Z"}`))
	trust := v.trust()
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		if len(header) == 0 || len(payload) == 0 {
			return
		}
		v.t = t
		answer := v.signRaw(v.two, header, payload)
		for _, o := range openings[:2] {
			r, _, err := trust.OpenRegistered(answer, o.request.Outstanding)
			if err == nil && (r.Instance != instance || r.CNonce != o.request.CNonce || r.RenewInterval < 0) {
				t.Errorf("taken: %+v", r)
			}
		}
		authorized, _, err := trust.OpenAuthorized(answer, a.authorize.Outstanding, Last{Seq: 1, Start: now})
		if err == nil && (authorized.CNonce != a.authorize.CNonce || authorized.Seq != 2 || authorized.RenewInterval < 0 ||
			authorized.Compliance != InvalidTag && (authorized.Expiry <= 0 || authorized.Expiry > maxExpiry || authorized.Start.Before(now.Add(-startSlack)))) {
			t.Errorf("taken: %+v", authorized)
		}
		if gone, _, err := trust.OpenGone(answer, a.deregister.Outstanding); err == nil && gone.Seq != 4 {
			t.Errorf("taken: %+v", gone)
		}
	})
}

// FuzzCertificates: what is read is bounded, and reads the same when written
// again.
func FuzzCertificates(f *testing.F) {
	v := newVendor(f)
	f.Add("")
	f.Add(v.two.pem() + "\r\n" + v.ten.pem())
	f.Add(strings.Repeat(v.two.pem(), maxCertificates+1))
	f.Add(strings.Replace(v.two.pem(), "CERTIFICATE", "X509 CRL", 2))
	f.Add(v.two.pem() + "more")
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseCertificates(text)
		if err != nil {
			return
		}
		var again string
		for _, c := range list {
			again += pair{Certificate: c}.pem()
		}
		if read, err := ParseCertificates(again); err != nil || len(read) != len(list) || len(list) > maxCertificates {
			t.Errorf("%d certificates, and %d when read again: %v", len(list), len(read), err)
		}
	})
}

// FuzzProblem: what strangers say can stand in a log and on a terminal, and keeps
// no box waiting for long.
func FuzzProblem(f *testing.F) {
	f.Add(`{"type":"revoked","title":"a\u001b[2J","detail":"b\r\nc","status":403}`, "120")
	f.Add(`{"type":"server","type":"revoked"}`, "Sun, 22 Nov 2026 13:00:00 GMT")
	f.Add("\xff{", "99999999999999999999")
	f.Fuzz(func(t *testing.T, body, after string) {
		e := &ProblemError{Problem: parseProblem([]byte(body)), RetryAfter: retryAfter(after, now)}
		text := e.Error()
		if len(text) > 4096 || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is no text for a log", text)
		}
		if e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter {
			t.Errorf("retryAfter(%q) = %v; want 0 to %v", after, e.RetryAfter, maxRetryAfter)
		}
		if _, err := ReadFile([]byte(body), Outstanding{Time: now}, now); err == nil && e.Type != "" {
			t.Errorf("ReadFile takes the problem %q for an answer", body)
		}
	})
}
