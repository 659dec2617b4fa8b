package ela

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// opaque is a key that gives nothing but signatures, as those of a TPM.
type opaque struct{ crypto.Signer }

// unpacked is a JWS as the tests read it.
type unpacked struct {
	header    members
	payload   []byte
	input     []byte // of the signature (RFC 7515 §5.1)
	signature []byte
}

func unpack(t testing.TB, jws []byte) unpacked {
	t.Helper()
	u, err := read(jws)
	if err != nil {
		t.Fatalf("%v: %s", err, jws)
	}
	return u
}

func read(jws []byte) (u unpacked, err error) {
	var raw map[string]string
	if err := json.Unmarshal(jws, &raw); err != nil {
		return u, fmt.Errorf("not a flattened JWS: %w", err)
	}
	if len(raw) != 3 {
		return u, fmt.Errorf("JWS with %d members; want protected, payload and signature", len(raw))
	}
	var header []byte
	for name, part := range map[string]*[]byte{"protected": &header, "payload": &u.payload, "signature": &u.signature} {
		if *part, err = base64.RawURLEncoding.Strict().DecodeString(raw[name]); err != nil {
			return u, fmt.Errorf("%s of the JWS: %w", name, err)
		}
	}
	u.input = []byte(raw["protected"] + "." + raw["payload"])
	if err := json.Unmarshal(header, &u.header); err != nil {
		return u, fmt.Errorf("protected header: %w", err)
	}
	return u, nil
}

// verify checks the signature with the standard library.
func (u unpacked) verify(public *ecdsa.PublicKey) bool {
	digest := sha256.Sum256(u.input)
	return len(u.signature) == 64 &&
		ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(u.signature[:32]), new(big.Int).SetBytes(u.signature[32:]))
}

func TestSign(t *testing.T) {
	a := newVendor(t).asked()
	const url, nonce = "https://license.example.com/ela/v1/authorize", "oFvnlFP1wIhRlYS2jTaXbA"
	signed, err := a.authorize.Sign(Signer{opaque{a.id.key}, a.id.Certificate}, url, nonce)
	if err != nil {
		t.Fatal(err)
	}
	u := unpack(t, signed)
	if !u.verify(&a.id.key.PublicKey) || !bytes.Equal(u.payload, a.authorize.Payload) {
		t.Errorf("Sign: signature or payload are wrong: %s", signed)
	}
	sum := sha256.Sum256(a.id.Raw)
	want := members{
		"alg": "ES256", "typ": "ela+jws", "kid": "ed069", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:]),
		"url": url, "nonce": nonce,
	}
	if got, want := marshal(t, u.header), marshal(t, want); !bytes.Equal(got, want) {
		t.Errorf("header = %s; want %s", got, want)
	}
}

// TestSignRegistration: the key of the CSR stands in the header.
func TestSignRegistration(t *testing.T) {
	a := newVendor(t).asked()
	signed, err := a.register.Sign(Signer{Key: opaque{a.id.key}}, "https://license.example.com/ela/v1/register", "n")
	if err != nil {
		t.Fatal(err)
	}
	u := unpack(t, signed)
	point, err := a.id.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	jwk := members{"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])}
	want := members{"alg": "ES256", "typ": "ela+jws", "jwk": jwk, "url": "https://license.example.com/ela/v1/register", "nonce": "n"}
	if got, want := marshal(t, u.header), marshal(t, want); !bytes.Equal(got, want) {
		t.Errorf("header = %s; want %s", got, want)
	}
	if !u.verify(&a.id.key.PublicKey) {
		t.Error("the signature is wrong")
	}
}

// TestSignShort signs until a half of a signature begins with zeros: it keeps its
// 32 octets (RFC 7518 §3.4).
func TestSignShort(t *testing.T) {
	a := newVendor(t).asked()
	for short := 0; short < 2; {
		signed, err := a.authorize.Sign(Signer{opaque{a.id.key}, a.id.Certificate}, "u", "n")
		if err != nil {
			t.Fatal(err)
		}
		u := unpack(t, signed)
		if !u.verify(&a.id.key.PublicKey) {
			t.Fatalf("the signature %x is wrong", u.signature)
		}
		if u.signature[0] == 0 || u.signature[32] == 0 {
			short++
		}
	}
}

// TestSignOpenSSL has a signature verified by OpenSSL.
func TestSignOpenSSL(t *testing.T) {
	a := newVendor(t).asked()
	signed, err := a.authorize.Sign(Signer{opaque{a.id.key}, a.id.Certificate}, "https://license.example.com/ela/v1/authorize", "n")
	if err != nil {
		t.Fatal(err)
	}
	u := unpack(t, signed)
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(u.signature[:32]), new(big.Int).SetBytes(u.signature[32:])})
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&a.id.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, signature := file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})), file("signature", der)
	verify := func(input []byte) (string, error) {
		output, err := exec.Command("openssl", "dgst", "-sha256", "-verify", key, "-signature", signature, file("input", input)).CombinedOutput()
		return string(output), err
	}
	if output, err := verify(u.input); err != nil {
		t.Errorf("openssl dgst -verify: %v\n%s", err, output)
	}
	u.input[0] ^= 1
	if output, err := verify(u.input); err == nil {
		t.Errorf("openssl dgst -verify of altered input: %s", output)
	}
}

func TestSignRefuses(t *testing.T) {
	a := newVendor(t).asked()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the TPM is busy")
	for _, row := range []struct {
		name    string
		request Request
		signer  Signer
		want    error
	}{
		{"RSA", a.authorize, Signer{rsaKey, a.id.Certificate}, ErrKey},
		{"P-384", a.authorize, Signer{newKey(t, elliptic.P384()), a.id.Certificate}, ErrKey},
		{"key of another than the certificate", a.authorize, Signer{newKey(t, elliptic.P256()), a.id.Certificate}, ErrOtherKey},
		{"key of another than the CSR", a.register, Signer{Key: newKey(t, elliptic.P256())}, ErrOtherKey},
		{"authorisation without certificate", a.authorize, Signer{Key: a.id.key}, ErrOtherKey},
		{"key that fails", a.authorize, Signer{failing{a.id.key, broken}, a.id.Certificate}, broken},
	} {
		if signed, err := row.request.Sign(row.signer, "u", "n"); !errors.Is(err, row.want) {
			t.Errorf("%s: %s, %v; want %v", row.name, signed, err, row.want)
		}
	}
}

// failing is a key that does not sign.
type failing struct {
	crypto.Signer
	err error
}

func (f failing) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, f.err }

func TestNewRequest(t *testing.T) {
	a := newVendor(t).asked()
	for _, row := range []struct {
		request            Request
		kind, path         string
		instance, keySHA   bool
		members, forbidden []string
	}{
		{a.register, "reg-req", "/ela/v1/register", false, true, []string{"token", "software_tag", "udi", "csr"}, []string{"hostname", "agent"}},
		{a.authorize, "mmi-req", "/ela/v1/authorize", false, false, []string{"product_instance_id", "signing_cert_sn", "udi", "entitlements"}, []string{"hostname"}},
		{a.renewID, "idr-req", "/ela/v1/renew-id", true, true, []string{"product_instance_id", "udi", "csr"}, nil},
		{a.deregister, "dereg-req", "/ela/v1/deregister", false, false, []string{"product_instance_id", "udi"}, nil},
	} {
		r := row.request
		var payload members
		if err := json.Unmarshal(r.Payload, &payload); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(r.Payload)
		if r.Type != row.kind || r.Path != row.path || r.SHA256 != hex.EncodeToString(sum[:]) || len(r.CNonce) != 32 ||
			(r.Instance != "") != row.instance || (r.KeySHA256 != "") != row.keySHA {
			t.Errorf("NewRequest = %+v; want %s to %s", r.Outstanding, row.kind, row.path)
		}
		if payload["typ"] != row.kind || payload["cnonce"] != r.CNonce || payload["seq"] != float64(r.Seq) || payload["ts"] != "2026-11-22T12:00:00Z" {
			t.Errorf("payload of %s = %s", row.kind, r.Payload)
		}
		for _, name := range row.members {
			if payload[name] == nil {
				t.Errorf("payload of %s has no %s: %s", row.kind, name, r.Payload)
			}
		}
		for _, name := range row.forbidden {
			if payload[name] != nil {
				t.Errorf("payload of %s has %s: %s", row.kind, name, r.Payload)
			}
		}
	}
	if one, two := a.authorize.CNonce, newVendor(t).asked().authorize.CNonce; one == two {
		t.Errorf("two requests have the nonce %s", one)
	}
}

func TestNewRequestCSR(t *testing.T) {
	good := newCSR(t, newKey(t, elliptic.P256()))
	bad := bytes.Clone(good)
	bad[len(bad)-1] ^= 1
	for _, row := range []struct {
		name string
		csr  []byte
		want error
	}{
		{"P-256", good, nil},
		{"P-384", newCSR(t, newKey(t, elliptic.P384())), ErrKey},
		{"signature altered", bad, ErrCSR},
		{"none", nil, ErrCSR},
		{"cut", good[:len(good)/2], ErrCSR},
	} {
		for _, m := range []Message{Register{CSR: row.csr}, RenewID{CSR: row.csr}} {
			if _, err := NewRequest(m); !errors.Is(err, row.want) {
				t.Errorf("NewRequest(%T with a CSR: %s): %v; want %v", m, row.name, err, row.want)
			}
		}
	}
}

func BenchmarkSign(b *testing.B) {
	a := newVendor(b).asked()
	for b.Loop() {
		if _, err := a.authorize.Sign(Signer{a.id.key, a.id.Certificate}, "https://license.example.com/ela/v1/authorize", "n"); err != nil {
			b.Fatal(err)
		}
	}
}
