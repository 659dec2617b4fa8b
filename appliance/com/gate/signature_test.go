package gate

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/ssh"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// TestSignatures: what is not signed by a trusted operator for this call, this
// box and this session, just now, has no effect.
func TestSignatures(t *testing.T) {
	const params = `{"b":[1,"ä"],"a":"x"}`
	for _, test := range []struct {
		name   string
		change func(b *box, s *wire.Signed)                       // of what is signed
		alter  func(b *box, m *wire.Meta, params, method *string) // on the way
		before func(b *box)                                       // the call
		by     func(b *box) signer                                // nil: anna
		want   int
	}{
		{name: "good"},
		{name: "good, Ed25519", by: func(b *box) signer { return b.bert }},
		{name: "good, written differently", alter: func(_ *box, _ *wire.Meta, params, _ *string) {
			*params = " { \"a\": \"\\u0078\", \"b\":[1.0,\"\\u00e4\"] } "
		}},
		{name: "wrong device", change: func(_ *box, s *wire.Signed) { s.Audience = "AAAAAAAAAAA" }, want: wire.CodeNotAllowed},
		{name: "wrong session", change: func(_ *box, s *wire.Signed) { s.Session = "second" }, want: wire.CodeNotAllowed},
		{name: "altered params", alter: func(_ *box, _ *wire.Meta, params, _ *string) { *params = `{"b":[1,"ä"],"a":"y"}` }, want: wire.CodeNotAllowed},
		{name: "added params", alter: func(_ *box, _ *wire.Meta, params, _ *string) { *params = `{"b":[1,"ä"],"a":"x","A":"y"}` }, want: wire.CodeNotAllowed},
		{name: "altered method", alter: func(_ *box, _ *wire.Meta, _, method *string) { *method = "command" }, before: func(b *box) {
			b.config.COM.Services = []string{model.COMCLI, model.COMConfig}
			b.Apply(&b.config)
		}, want: wire.CodeNotAllowed},
		{name: "altered idem", alter: func(_ *box, m *wire.Meta, _, _ *string) { m.Idem = idem2 }, want: wire.CodeNotAllowed},
		{name: "altered actor", alter: func(_ *box, m *wire.Meta, _, _ *string) { m.Actor = "bert@partner.example" }, want: wire.CodeNotAllowed},
		{name: "altered exp", alter: func(_ *box, m *wire.Meta, _, _ *string) { m.Expires = m.Expires.Add(time.Second) }, want: wire.CodeNotAllowed},
		{name: "no signature", alter: func(_ *box, m *wire.Meta, _, _ *string) { m.Signature = "" }, want: wire.CodeNotAllowed},
		{name: "not a signature", alter: func(_ *box, m *wire.Meta, _, _ *string) { m.Signature = "e30..e30" }, want: wire.CodeNotAllowed},
		{name: "payload attached", alter: func(b *box, m *wire.Meta, _, _ *string) {
			parts := strings.Split(m.Signature, ".")
			m.Signature = parts[0] + ".e30." + parts[2]
		}, want: wire.CodeNotAllowed},
		{name: "long signature", alter: func(_ *box, m *wire.Meta, _, _ *string) { m.Signature += strings.Repeat("A", 1<<10) }, want: wire.CodeNotAllowed},
		{name: "unknown operator", by: func(b *box) signer { return signer{"carl", b.anna.key, b.anna.alg} }, want: wire.CodeNotAllowed},
		{name: "wrong operator", by: func(b *box) signer { return signer{"bert", b.anna.key, b.anna.alg} }, want: wire.CodeNotAllowed},
		{name: "another key of P-256", by: func(b *box) signer { return newSigner(b.t, "anna", jose.ES256) }, want: wire.CodeNotAllowed},
		{name: "key removed", before: func(b *box) {
			b.config.COM.Operators = b.config.COM.Operators[1:]
			b.Apply(&b.config)
		}, want: wire.CodeNotAllowed},
		{name: "key changed", before: func(b *box) {
			b.config.COM.Operators[0].Key = b.config.COM.Operators[1].Key
			b.Apply(&b.config)
		}, want: wire.CodeNotAllowed},
		{name: "alg none", alter: func(_ *box, m *wire.Meta, _, _ *string) {
			m.Signature = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"anna"}`)) + ".."
		}, want: wire.CodeNotAllowed},
		{name: "alg of another key", alter: func(_ *box, m *wire.Meta, _, _ *string) { // Ed25519 keys do not verify ECDSA
			m.Signature = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"bert"}`)) + m.Signature[strings.Index(m.Signature, ".."):]
		}, want: wire.CodeNotAllowed},
		{name: "alg HMAC with the public key", alter: func(b *box, m *wire.Meta, params, _ *string) {
			public, err := x509.MarshalPKIXPublicKey(b.anna.key.Public())
			if err != nil {
				b.t.Fatal(err)
			}
			m.Signature = hmacSigned(b.t, public, b.signed("change", *params, idem1))
		}, want: wire.CodeNotAllowed},
		{name: "key in the header", alter: func(b *box, m *wire.Meta, params, _ *string) {
			forger := newSigner(b.t, "anna", jose.ES256)
			m.Signature = embedded(b.t, forger, b.signed("change", *params, idem1))
		}, want: wire.CodeNotAllowed},
		{name: "expired", before: func(b *box) { b.pass(time.Minute) }, want: wire.CodeExpired},
		{name: "not yet expired", before: func(b *box) { b.pass(time.Minute - time.Second) }},
		{name: "long lived", change: func(_ *box, s *wire.Signed) { s.Expires += 4*60 + 1 }, want: wire.CodeExpired},
		{name: "as long lived as may be", change: func(_ *box, s *wire.Signed) { s.Expires += 4 * 60 }},
		{name: "no idem", change: func(_ *box, s *wire.Signed) { s.Idem = "" }, want: wire.CodeParams},
		{name: "strange actor", change: func(_ *box, s *wire.Signed) { s.Actor = "anna\x1b[2J" }, want: wire.CodeParams},
		{name: "names twice", alter: func(_ *box, _ *wire.Meta, params, _ *string) { *params = `{"a":{"x":1,"x":2}}` }, want: wire.CodeParams},
		{name: "not an object", alter: func(_ *box, _ *wire.Meta, params, _ *string) { *params = "" }, want: wire.CodeParams},
		{name: "switched off", before: func(b *box) {
			b.config.COM.Services = []string{model.COMCLI}
			b.Apply(&b.config)
		}, want: wire.CodeDisabled},
		{name: "not subscribed", before: func(b *box) { b.subscribed = false }, want: wire.CodeSubscribed},
		{name: "no right", before: func(b *box) {
			b.door.rights = model.Rights{Rules: []model.Rule{{Permit: true, Kind: model.RuleExec, Words: "show"}}}
		}, want: wire.CodeNotAllowed},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBox(t)
			by := b.anna
			if test.by != nil {
				by = test.by(b)
			}
			signed, text, method := b.signed("change", params, idem1), params, "change"
			if test.change != nil {
				test.change(b, &signed)
			}
			meta := b.meta(by, signed)
			if test.alter != nil {
				test.alter(b, &meta, &text, &method)
			}
			if test.before != nil {
				test.before(b)
			}
			message := json.RawMessage("[]") // JSON-RPC 2.0 §4.2 has these, too
			if text != "" {
				m, err := json.Marshal(meta)
				if err != nil {
					t.Fatal(err)
				}
				message = json.RawMessage(strings.TrimSuffix(strings.TrimSpace(text), "}") + `,"_m":` + string(m) + "}")
			}
			_, err := b.Call(t.Context(), link1, method, message)
			if code(err) != test.want || test.want == 0 && err != nil {
				t.Errorf("Call = %v (%d); want code %d", err, code(err), test.want)
			}
			if n := len(b.done()); n != 0 != (test.want == 0) {
				t.Errorf("the call was done %d times; want %v", n, test.want == 0)
			}
			if log := b.door.said(); strings.Contains(log, "refused ") != (test.want != 0) || strings.Contains(log, "\x1b") {
				t.Errorf("the log has\n%s\nwant a refusal: %v", log, test.want != 0)
			}
		})
	}
}

// hmacSigned signs with a public key as if it were a secret.
func hmacSigned(t *testing.T, secret []byte, signed wire.Signed) string {
	t.Helper()
	return compact(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: secret, KeyID: "anna"}}, nil, signed)
}

// embedded signs with a key that it brings along.
func embedded(t *testing.T, by signer, signed wire.Signed) string {
	t.Helper()
	options := (&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", by.name)
	return compact(t, jose.SigningKey{Algorithm: by.alg, Key: by.key}, options, signed)
}

func compact(t *testing.T, key jose.SigningKey, options *jose.SignerOptions, signed wire.Signed) string {
	t.Helper()
	text, err := payload(signed)
	if err != nil {
		t.Fatal(err)
	}
	with, err := jose.NewSigner(key, options)
	if err != nil {
		t.Fatal(err)
	}
	object, err := with.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	detached, err := object.DetachedCompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return detached
}

// TestOpenSSLSigns has the input of a JWS (RFC 7515 §5.1), written by hand, signed by openssl.
func TestOpenSSLSigns(t *testing.T) {
	b := newBox(t)
	dir := t.TempDir()
	der, err := x509.MarshalECPrivateKey(b.anna.key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := opensslOutput(t, []byte(`{"lines":["hostname a"],"n":10}`), "dgst", "-sha256", "-r")
	hexSum := strings.Fields(string(sum))[0]
	const text = `{"actor":"anna@partner.example","aud":"qzHWUdZfXhQ","exp":1795399260,"idem":"` + idem1 +
		`","method":"change","sha256":"SUM","sid":"first"}`
	encode := base64.RawURLEncoding.EncodeToString
	header := encode([]byte(`{"alg":"ES256","kid":"anna"}`))
	input := header + "." + encode([]byte(strings.Replace(text, "SUM", hexSum, 1)))
	var parts struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(opensslOutput(t, []byte(input), "dgst", "-sha256", "-sign", key), &parts); err != nil {
		t.Fatal(err)
	}
	signature := header + ".." + encode(append(parts.R.FillBytes(make([]byte, 32)), parts.S.FillBytes(make([]byte, 32))...))
	meta := `"_m":{"idem":"` + idem1 + `","exp":"2026-11-23T02:01:00Z","actor":"anna@partner.example","sig":"` + signature + `"}`
	result, err := b.Call(t.Context(), link1, "change", json.RawMessage(`{"n":1e1, "lines":["hostname\u0020a"],`+meta+`}`))
	if got, _ := json.Marshal(result); err != nil || string(got) != `{"text":"done 1"}` {
		t.Errorf("Call with a signature by openssl = %s, %v; want it done", got, err)
	}
}

func opensslOutput(t *testing.T, input []byte, args ...string) []byte {
	t.Helper()
	command := exec.CommandContext(t.Context(), "openssl", args...)
	command.Stdin = bytes.NewReader(input)
	output, err := command.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v", args, err)
	}
	return output
}

// TestKey: only keys that sign as JWS has it are operators'.
func TestKey(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := authorized(t, newSigner(t, "a", jose.EdDSA).key.Public())
	for _, test := range []struct {
		text string
		want string // of the error; empty: none
	}{
		{good, ""},
		{good + " anna's", ""},
		{authorized(t, newSigner(t, "a", jose.ES256).key.Public()), ""},
		{authorized(t, p384.Public()), "this one of ecdsa-sha2-nistp384"},
		{authorized(t, long.Public()), "this one of ssh-rsa"},
		{`command="x" ` + good, "not a public key"},
		{good + "\n" + good, "not a public key"},
		{"ssh-ed25519 AAAA", "not a public key"},
		{"", "not a public key"},
	} {
		_, err := Key(test.text)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("Key(%s) = %v; want %q", test.text, err, test.want)
		}
	}
}

// TestCanonical has examples of RFC 8785 §3.2.
func TestCanonical(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", "{}"},
		{
			`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`,
			`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		},
		{
			`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
			"{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
		},
		{`{"a":1,"a":1}`, ""},
		{"\"\xff\"", ""},
		{`{"a":}`, ""},
	} {
		got, err := canonical(json.RawMessage(test.in))
		if err == nil != (test.want != "") || err == nil && string(got) != test.want {
			t.Errorf("canonical(%s) = %s, %v; want %s", test.in, got, err, test.want)
		}
	}
}

// FuzzCall: what was not signed by an operator is never done, whatever COM sends.
func FuzzCall(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		f.Fatal(err)
	}
	done := 0
	method := Method{Name: "change", Service: model.COMConfig, Signed: true, Handle: func(context.Context, Caller, json.RawMessage) (any, error) {
		done++
		return nil, nil
	}}
	g := New(Options{
		Methods: []Method{method}, Streams: []Stream{echoes}, Door: &door{rights: everything, open: map[uint64]chan struct{}{}},
		Serial: func() (string, error) { return serial, nil }, Allows: func(string) bool { return true },
		Idempotency: filepath.Join(f.TempDir(), "idem.db"), Now: func() time.Time { return at }, Uptime: func() time.Duration { return 0 },
		Log: slog.New(slog.DiscardHandler),
	})
	g.Apply(&model.Config{COM: model.COM{
		Services:  []string{model.COMConfig, model.COMCLI},
		Operators: []model.COMOperator{{Name: "anna", Key: string(ssh.MarshalAuthorizedKey(public))}},
	}})
	seed := func(header, signature string) {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + ".." + signature
		f.Add([]byte(`{"lines":["x"],"_m":{"idem":"` + idem1 + `","exp":"2026-11-23T02:01:00Z","actor":"anna@partner.example","sig":"` + text + `"}}`))
	}
	zero := base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	seed(`{"alg":"ES256","kid":"anna"}`, zero)
	seed(`{"alg":"none","kid":"anna"}`, "")
	seed(`{"alg":"EdDSA","kid":"anna"}`, zero)
	seed(`{"alg":"HS256","kid":"anna"}`, zero)
	seed(`{"alg":"ES256","kid":"anna","b64":false,"crit":["b64"]}`, zero)
	seed(`{"alg":"ES256","kid":"anna","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`, zero)
	f.Add([]byte(`{"_m":null}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, params []byte) {
		if result, err := g.Call(t.Context(), link1, "change", params); code(err) == 0 || done > 0 {
			t.Errorf("Call(%s) = %v, %v; want a refusal", params, result, err)
		}
		if rest, err := canonical(params); err == nil {
			if again, err := canonical(rest); err != nil || !bytes.Equal(again, rest) {
				t.Errorf("canonical(%s) = %s, %v; want it as it is", rest, again, err)
			}
		}
		if meta, rest, err := wire.Split(params); err == nil {
			h := wire.Header{Service: wire.StreamCLI, Version: 1, Params: rest, Meta: &meta}
			var answered bytes.Buffer
			g.Stream(t.Context(), link1, h, unread{&answered})
			if !bytes.Contains(answered.Bytes(), []byte(`"ok":false`)) {
				t.Errorf("a stream of %s = %s; want a refusal", params, answered.Bytes())
			}
		}
	})
}

// unread is a stream that nothing comes from.
type unread struct{ io.Writer }

func (unread) Read([]byte) (int, error) { return 0, io.EOF }
func (unread) Close() error             { return nil }
