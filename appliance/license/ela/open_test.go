package ela

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// opening is an exchange whose answer can be opened.
type opening struct {
	name    string
	request Request
	answer  members
	open    func(Trust, []byte, Outstanding) error
}

func (v *vendor) openings(a asked) []opening {
	registered := func(t Trust, answer []byte, o Outstanding) error {
		_, _, err := t.OpenRegistered(answer, o)
		return err
	}
	return []opening{
		{"register", a.register, v.registered(a.register.Outstanding, "reg-resp", a.id.Certificate), registered},
		{"renew_id", a.renewID, v.registered(a.renewID.Outstanding, "idr-resp", a.id.Certificate), registered},
		{"authorize", a.authorize, v.authorized(a.authorize.Outstanding), func(t Trust, answer []byte, o Outstanding) error {
			_, _, err := t.OpenAuthorized(answer, o, Last{Seq: 1, Start: now})
			return err
		}},
		{"deregister", a.deregister, v.answered(a.deregister.Outstanding, "dereg-resp"), func(t Trust, answer []byte, o Outstanding) error {
			_, _, err := t.OpenGone(answer, o)
			return err
		}},
	}
}

func TestOpen(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	for _, o := range v.openings(a) {
		for _, by := range []pair{v.two, v.ten} {
			if err := o.open(v.trust(), v.sign(by, v.header(by), marshal(t, o.answer)), o.request.Outstanding); err != nil {
				t.Errorf("%s signed by %x: %v; want no error", o.name, by.SerialNumber, err)
			}
		}
	}
	r, verified, err := Trust{Roots: v.roots(), Now: now}.OpenRegistered( // knows no signing certificate yet
		v.sign(v.two, v.header(v.two), marshal(t, v.registered(a.register.Outstanding, "reg-resp", a.id.Certificate))), a.register.Outstanding)
	if err != nil || verified.Serial != "2" || !verified.Certificate.Equal(v.two.Certificate) ||
		r.Instance != instance || r.RenewInterval != 15552000 || r.VirtualAccount != "CUSP TEST" || !r.NotAfter.Equal(a.id.NotAfter) {
		t.Errorf("OpenRegistered = %+v by %s, %v", r, verified.Serial, err)
	}
	authorized, verified, err := v.trust().OpenAuthorized(
		v.sign(v.ten, v.header(v.ten), marshal(t, v.authorized(a.authorize.Outstanding))), a.authorize.Outstanding, Last{})
	if err != nil || verified.Serial != "a" || authorized.Compliance != OutOfCompliance || authorized.Expiry != 7775673 ||
		len(authorized.Entitlements) != 1 || authorized.Entitlements[0].Count != 2 || !authorized.Time.Equal(now) {
		t.Errorf("OpenAuthorized = %+v by %s, %v", authorized, verified.Serial, err)
	}
}

// with is an object with some members changed; nil removes one.
func with(m members, changes members) members {
	m = maps.Clone(m)
	for name, value := range changes {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	return m
}

// TestOpenRefuses signs answers that are wrong in one thing.
func TestOpenRefuses(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	for _, o := range v.openings(a) {
		for _, row := range []struct {
			name    string
			changes members
			want    error
		}{
			{"other type", members{"typ": "other"}, ErrType},
			{"no type", members{"typ": nil}, ErrType},
			{"other nonce", members{"cnonce": strings.Repeat("0", 32)}, ErrNonce},
			{"no nonce", members{"cnonce": nil}, ErrNonce},
			{"other hash", members{"req_sha256": strings.Repeat("0", 64)}, ErrHash},
			{"no hash", members{"req_sha256": nil}, ErrHash},
			{"other sequence", members{"seq": o.request.Seq + 1}, ErrSequence},
			{"no sequence", members{"seq": nil}, ErrSequence},
			{"no time", members{"ts": nil}, ErrContent},
			{"number for text", members{"cnonce": 1}, ErrMalformed},
			{"critical member", members{"crit": []string{"quota"}, "quota": 1}, ErrMalformed},
			{"critical of another type", members{"crit": "quota"}, ErrMalformed},
		} {
			answer := v.sign(v.two, v.header(v.two), marshal(t, with(o.answer, row.changes)))
			if err := o.open(v.trust(), answer, o.request.Outstanding); !errors.Is(err, row.want) {
				t.Errorf("%s, %s: %v; want %v", o.name, row.name, err, row.want)
			}
		}
	}
}

// TestOpenOrder gives answers that are wrong in all things from one on: the first
// in the order of the protocol is told.
func TestOpenOrder(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	o := a.authorize.Outstanding
	last := Last{Seq: o.Seq, Start: now.Add(time.Hour)}
	stranger := newVendor(t)
	wrong := with(v.authorized(o), members{"expiry": 92 * 86400})
	check := func(what string, by pair, trust Trust, m members, last Last, want error) {
		t.Helper()
		if _, _, err := trust.OpenAuthorized(v.sign(by, v.header(by), marshal(t, m)), o, last); !errors.Is(err, want) {
			t.Errorf("wrong from %s on: %v; want %v", what, err, want)
		}
	}
	check("expiry", v.two, v.trust(), wrong, Last{}, ErrExpiry)
	check("start_date", v.two, v.trust(), wrong, Last{Start: last.Start}, ErrStart)
	check("last", v.two, v.trust(), wrong, last, ErrReplay)
	wrong["seq"] = 77
	check("seq", v.two, v.trust(), wrong, last, ErrSequence)
	wrong["req_sha256"] = "77"
	check("req_sha256", v.two, v.trust(), wrong, last, ErrHash)
	wrong["cnonce"] = "77"
	check("cnonce", v.two, v.trust(), wrong, last, ErrNonce)
	check("chain", stranger.two, Trust{Roots: v.roots(), Signing: []*x509.Certificate{stranger.two.Certificate}, Now: now}, wrong, last, ErrUntrusted)
	forged := pair{Certificate: stranger.two.Certificate, key: stranger.ten.key}
	check("signature", forged, Trust{Roots: v.roots(), Signing: []*x509.Certificate{stranger.two.Certificate}, Now: now}, wrong, last, ErrSignature)
	check("known", stranger.two, v.trust(), wrong, last, ErrUnknownSigner)
}

func TestOpenAuthorizedBounds(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	for _, row := range []struct {
		name    string
		changes members
		last    Last
		want    error
	}{
		{"in compliance", members{"compliance_status": "IC"}, Last{Seq: 1, Start: now}, nil},
		{"start within five minutes", members{}, Last{Start: now.Add(5 * time.Minute)}, nil},
		{"start before that", members{}, Last{Start: now.Add(5*time.Minute + time.Second)}, ErrStart},
		{"no start", members{"start_date": nil}, Last{}, ErrContent},
		{"sequence as last", members{}, Last{Seq: 2}, ErrReplay},
		{"sequence below last", members{}, Last{Seq: 3}, ErrReplay},
		{"expiry of 91 days", members{"expiry": 91 * 86400}, Last{}, nil},
		{"expiry of more", members{"expiry": 91*86400 + 1}, Last{}, ErrExpiry},
		{"expiry of none", members{"expiry": 0}, Last{}, ErrExpiry},
		{"expiry negative", members{"expiry": -1}, Last{}, ErrExpiry},
		{"expiry too large for a number", members{"expiry": json.Number("9223372036854775808")}, Last{}, ErrMalformed},
		{"other compliance", members{"compliance_status": "OVERAGE"}, Last{}, ErrContent},
		{"no compliance", members{"compliance_status": nil}, Last{}, ErrContent},
		{"invalid tag", members{"compliance_status": "INVALID_TAG", "start_date": nil, "expiry": 0}, Last{Start: now}, nil},
		{"invalid tag, old", members{"compliance_status": "INVALID_TAG"}, Last{Seq: 2}, ErrReplay},
		{"renew_interval negative", members{"renew_interval": -1}, Last{}, ErrContent},
		{"renew_interval in milliseconds", members{"renew_interval": 2592000000}, Last{}, ErrContent},
		{"retry_interval negative", members{"retry_interval": -1}, Last{}, ErrContent},
	} {
		answer := v.sign(v.two, v.header(v.two), marshal(t, with(v.authorized(a.authorize.Outstanding), row.changes)))
		if _, _, err := v.trust().OpenAuthorized(answer, a.authorize.Outstanding, row.last); !errors.Is(err, row.want) {
			t.Errorf("%s: %v; want %v", row.name, err, row.want)
		}
	}
}

// TestOpenOtherKind opens answers as what they are not.
func TestOpenOtherKind(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	openings := v.openings(a)
	for i, o := range openings {
		answer := v.sign(v.two, v.header(v.two), marshal(t, o.answer))
		for j, other := range openings {
			if err := other.open(v.trust(), answer, other.request.Outstanding); i != j && !errors.Is(err, ErrType) {
				t.Errorf("answer to %s opened as %s: %v; want %v", o.name, other.name, err, ErrType)
			}
		}
	}
	gone := v.answered(a.authorize.Outstanding, "mmi-resp")
	if _, _, err := v.trust().OpenGone(v.sign(v.two, v.header(v.two), marshal(t, gone)), a.authorize.Outstanding); !errors.Is(err, ErrType) {
		t.Errorf("authorisation opened as deregistration: %v; want %v", err, ErrType)
	}
}

// TestOpenReplay gives each request the answer to an earlier one of its kind.
func TestOpenReplay(t *testing.T) {
	v := newVendor(t)
	for i, old := range v.openings(v.asked()) {
		answer := v.sign(v.two, v.header(v.two), marshal(t, old.answer))
		again := v.openings(v.asked())[i]
		if err := again.open(v.trust(), answer, again.request.Outstanding); !errors.Is(err, ErrNonce) {
			t.Errorf("%s: %v; want %v", old.name, err, ErrNonce)
		}
		nothing := Outstanding{Type: again.request.Type} // no request is outstanding
		for _, row := range []struct {
			without members
			fits    string // the nonce of the request
			want    error
		}{
			{members{"cnonce": nil}, "", ErrNonce},
			{members{"req_sha256": nil}, "0123", ErrHash},
		} {
			nothing.CNonce = row.fits
			answer := v.sign(v.two, v.header(v.two), marshal(t, with(with(old.answer, members{"cnonce": row.fits}), row.without)))
			if err := again.open(v.trust(), answer, nothing); !errors.Is(err, row.want) {
				t.Errorf("%s without a request: %v; want %v", old.name, err, row.want)
			}
		}
	}
}

// TestOpenFlips turns each bit of each answer; of a registration, whose
// certificates are long, one bit of each octet.
func TestOpenFlips(t *testing.T) {
	v := newVendor(t)
	for _, o := range v.openings(v.asked()) {
		answer := v.sign(v.two, v.header(v.two), marshal(t, o.answer))
		for i := range answer {
			for bit := range 8 {
				if len(answer) > 2048 && bit != i%8 {
					continue
				}
				flipped := bytes.Clone(answer)
				flipped[i] ^= 1 << bit
				if err := o.open(v.trust(), flipped, o.request.Outstanding); err == nil {
					t.Errorf("%s with bit %d of octet %d turned: %q for %q is taken", o.name, bit, i, flipped[i], answer[i])
				}
			}
		}
	}
}

func TestOpenCut(t *testing.T) {
	v := newVendor(t)
	for _, o := range v.openings(v.asked()) {
		answer := v.sign(v.two, v.header(v.two), marshal(t, o.answer))
		for n := range answer {
			if err := o.open(v.trust(), answer[:n], o.request.Outstanding); !errors.Is(err, ErrMalformed) {
				t.Fatalf("%s cut at %d: %v; want %v", o.name, n, err, ErrMalformed)
			}
		}
	}
}

// TestOpenForms gives answers whose JWS is another than ela/1 has.
func TestOpenForms(t *testing.T) {
	v := newVendor(t)
	a := v.asked()
	o := a.authorize.Outstanding
	payload := marshal(t, v.authorized(o))
	good := v.sign(v.two, v.header(v.two), payload)
	var parts struct{ Protected, Payload, Signature string }
	if err := json.Unmarshal(good, &parts); err != nil {
		t.Fatal(err)
	}
	header := func(changes members) []byte { return v.sign(v.two, with(v.header(v.two), changes), payload) }
	replaced := func(old, with string) []byte { return []byte(strings.Replace(string(good), old, with, 1)) }
	for _, row := range []struct {
		name   string
		answer []byte
		want   error
	}{
		{"as it should be", good, nil},
		{"white space", fmt.Appendf(nil, " \n%s\t ", good), nil},
		{"unknown member", replaced(`{`, `{"more":[1],`), nil},
		{"unknown header", header(members{"more": 1}), nil},
		{"without thumbprint", header(members{"x5t#S256": nil}), nil},
		{"too long", bytes.Repeat([]byte(" "), MaxMessage+1), ErrTooLong},
		{"empty", nil, ErrMalformed},
		{"null", []byte("null"), ErrMalformed},
		{"list", []byte("[]"), ErrMalformed},
		{"something behind", append(bytes.Clone(good), '{', '}'), ErrMalformed},
		{"compact", []byte(parts.Protected + "." + parts.Payload + "." + parts.Signature), ErrMalformed},
		{"general form", fmt.Appendf(nil, `{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`,
			parts.Payload, parts.Protected, parts.Signature), ErrMalformed},
		{"both forms", replaced(`{`, `{"signatures":[],`), ErrMalformed},
		{"unprotected header", replaced(`{`, `{"header":{},`), ErrMalformed},
		{"name in upper case", replaced(`"payload"`, `"Payload"`), ErrMalformed},
		{"signature twice", replaced(`{`, fmt.Sprintf(`{"signature":%q,`, parts.Signature)), ErrMalformed},
		{"payload twice", replaced(`{`, fmt.Sprintf(`{"payload":%q,`, parts.Payload)), ErrMalformed},
		{"padding", replaced(parts.Signature, parts.Signature+"=="), ErrMalformed},
		{"line end in base64url", replaced(parts.Payload, parts.Payload[:8]+`\n`+parts.Payload[8:]), ErrMalformed},
		{"no signature", replaced(parts.Signature, ""), ErrMalformed},
		{"signature of DER", replaced(parts.Signature, base64.RawURLEncoding.EncodeToString(make([]byte, 70))), ErrSignature},
		{"signature of zeros", replaced(parts.Signature, base64.RawURLEncoding.EncodeToString(make([]byte, 64))), ErrSignature},
		{"alg none", header(members{"alg": "none"}), ErrAlgorithm},
		{"alg missing", header(members{"alg": nil}), ErrAlgorithm},
		{"alg es256", header(members{"alg": "es256"}), ErrAlgorithm},
		{"alg ES384", header(members{"alg": "ES384"}), ErrAlgorithm},
		{"alg HS256 with the public key", v.hmac(payload), ErrAlgorithm},
		{"alg none, no signature", fmt.Appendf(nil, `{"payload":%q,"protected":%q,"signature":""}`, parts.Payload,
			base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"ela+jws","kid":"2"}`))), ErrMalformed},
		{"typ of another protocol", header(members{"typ": "JWT"}), ErrMalformed},
		{"crit", header(members{"crit": []string{"exp"}, "exp": 1}), ErrMalformed},
		{"b64", header(members{"b64": false}), ErrMalformed},
		{"header twice", v.signRaw(v.two, []byte(`{"alg":"none","alg":"ES256","typ":"ela+jws","kid":"2"}`), payload), ErrMalformed},
		{"header no object", v.signRaw(v.two, []byte(`"ES256"`), payload), ErrMalformed},
		{"private key in jwk", header(members{"jwk": members{"kty": "oct", "k": "AAAA"}}), ErrMalformed},
		{"serial number of another", header(members{"kid": "a", "x5t#S256": nil}), ErrSignature},
		{"serial number of nobody", header(members{"kid": "3"}), ErrUnknownSigner},
		{"no serial number", header(members{"kid": nil}), ErrUnknownSigner},
		{"thumbprint of another", header(members{"x5t#S256": v.header(v.ten)["x5t#S256"]}), ErrUnknownSigner},
		{"member of the payload twice", v.sign(v.two, v.header(v.two),
			bytes.Replace(payload, []byte(`{`), []byte(`{"compliance_status":"IC",`), 1)), ErrMalformed},
		{"member of the payload in upper case", v.sign(v.two, v.header(v.two),
			bytes.Replace(payload, []byte(`"expiry"`), []byte(`"Expiry"`), 1)), ErrExpiry},
		{"payload no object", v.sign(v.two, v.header(v.two), []byte(`1`)), ErrMalformed},
	} {
		if _, _, err := v.trust().OpenAuthorized(row.answer, o, Last{}); !errors.Is(err, row.want) {
			t.Errorf("%s: %v; want %v", row.name, err, row.want)
		}
	}
}

// hmac signs with the signing certificate's public key as secret (RFC 8725
// §2.1).
func (v *vendor) hmac(payload []byte) []byte {
	protected := base64.RawURLEncoding.EncodeToString(marshal(v.t, with(v.header(v.two), members{"alg": "HS256"})))
	text := base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, v.two.RawSubjectPublicKeyInfo)
	mac.Write([]byte(protected + "." + text))
	return marshal(v.t, members{"protected": protected, "payload": text, "signature": base64.RawURLEncoding.EncodeToString(mac.Sum(nil))})
}

func BenchmarkOpen(b *testing.B) {
	v := newVendor(b)
	for _, o := range v.openings(v.asked()) {
		answer := v.sign(v.two, v.header(v.two), marshal(b, o.answer))
		trust := v.trust()
		b.Run(o.name, func(b *testing.B) {
			for b.Loop() {
				if err := o.open(trust, answer, o.request.Outstanding); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
