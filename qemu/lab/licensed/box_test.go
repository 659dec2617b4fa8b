package licensed

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"causeway/appliance/license/ela"
)

const (
	softwareTag    = "regid.2026-11.com.example.CUSP,1.0_5548940b-3dff-4353-b418-10e29cb7493b"
	entitlementTag = "regid.2026-11.com.example.CUSP-5,1.0_8f106f12-4d11-44b7-8f36-f7aeaae3dfaa"
)

// world is a server that listens.
type world struct {
	*Server
	t    testing.TB
	url  string
	http *http.Client
}

// newWorld starts a server.
func newWorld(t testing.TB, options Options) *world {
	t.Helper()
	options.Names = []string{"127.0.0.1"}
	s, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewUnstartedServer(s.Handler())
	listening.TLS = s.TLS()
	listening.Config.ErrorLog = log.New(io.Discard, "", 0)
	listening.StartTLS()
	t.Cleanup(listening.Close)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(s.Root()) {
		t.Fatal("the root is not PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &world{s, t, "https://" + listening.Listener.Addr().String(), &http.Client{Transport: transport}}
}

// token makes a token of the first account.
func (w *world) token() string {
	w.t.Helper()
	token, err := w.NewToken(FirstAccount, time.Hour, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// nonce asks for one.
func (w *world) nonce() string {
	w.t.Helper()
	answer, err := w.http.Get(w.url + ela.PathNonce)
	if err != nil {
		w.t.Fatal(err)
	}
	answer.Body.Close()
	return answer.Header.Get(ela.NonceHeader)
}

// box is a plain client.
type box struct {
	*world
	udi         ela.UDI
	key         *ecdsa.PrivateKey
	seq         uint64
	instance    string
	certificate *x509.Certificate
}

func newBox(w *world, serial string) *box {
	w.t.Helper()
	return &box{world: w, udi: ela.UDI{PID: "CAUSEWAY", SN: serial}, key: newKey(w.t)}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// common opens the next request.
func (b *box) common(typ string) ela.Common {
	b.seq++
	return ela.Common{Type: typ, CNonce: hex.EncodeToString([]byte(rand.Text()[:16])), Seq: b.seq, Time: b.Now()}
}

func (b *box) csr(key *ecdsa.PrivateKey) []byte {
	b.t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		b.t.Fatal(err)
	}
	return der
}

func (b *box) registration(token string) ela.Register {
	return ela.Register{Common: b.common(ela.TypeRegister), Token: token, SoftwareTag: softwareTag, UDI: b.udi, CSR: b.csr(b.key)}
}

func (b *box) mayI(count int) ela.Authorize {
	return ela.Authorize{Common: b.common(ela.TypeAuthorize), Instance: b.instance, SigningSerial: "2", UDI: b.udi,
		Entitlements: []ela.Entitlement{{Tag: entitlementTag, Version: "1.0", Count: count, Requested: b.Now()}}}
}

// header is what the box protects of a request that goes there.
func (b *box) header(url, nonce string) map[jose.HeaderKey]any {
	header := map[jose.HeaderKey]any{"typ": ela.JWSType, "url": url}
	if nonce != "" {
		header["nonce"] = nonce
	}
	if b.certificate == nil {
		header["jwk"] = jose.JSONWebKey{Key: b.key.Public()}
	} else {
		header["kid"] = b.certificate.SerialNumber.Text(16)
		header["x5t#S256"] = thumbprint(b.certificate)
	}
	return header
}

// sign makes a JWS.
func (b *box) sign(header map[jose.HeaderKey]any, message any) []byte {
	b.t.Helper()
	payload, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: b.key}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		b.t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		b.t.Fatal(err)
	}
	return []byte(jws.FullSerialize())
}

// send sends a message as a box should.
func (b *box) send(path string, message any) ([]byte, error) {
	return b.post(path, b.sign(b.header(b.url+path, b.nonce()), message))
}

// post sends a JWS. A problem comes as a refusal.
func (b *box) post(path string, jws []byte) ([]byte, error) {
	answer, err := b.http.Post(b.url+path, ela.MediaType, bytes.NewReader(jws))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.Header.Get(ela.NonceHeader) == "" {
		return nil, fmt.Errorf("%s: the answer has no nonce", answer.Status)
	}
	if answer.StatusCode == http.StatusOK {
		return text, nil
	}
	var problem ela.Problem
	if err := json.Unmarshal(text, &problem); err != nil {
		return nil, fmt.Errorf("%s: %w", answer.Status, err)
	}
	if problem.Status != answer.StatusCode {
		return nil, fmt.Errorf("%s, and the problem says %d", answer.Status, problem.Status)
	}
	return nil, refuse(problem.Type, problem.Detail)
}

// open checks that an answer is signed by that signing certificate of the server
// and gives its payload.
func (w *world) open(text []byte, serial string, into any) error {
	jws, err := jose.ParseSignedJSON(string(text), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	if kid := jws.Signatures[0].Protected.KeyID; kid != serial {
		return fmt.Errorf("the answer is signed by %s; want %s", kid, serial)
	}
	for _, c := range w.SigningCertificates() {
		if c.SerialNumber.Text(16) == serial {
			payload, err := jws.Verify(c.PublicKey)
			if err != nil {
				return err
			}
			return json.Unmarshal(payload, into)
		}
	}
	return fmt.Errorf("the server has no signing certificate %s", serial)
}

// register registers the box and takes its identity.
func (b *box) register() ela.Registered {
	b.t.Helper()
	text, err := b.send(ela.PathRegister, b.registration(b.token()))
	if err != nil {
		b.t.Fatal(err)
	}
	var answer ela.Registered
	if err := b.open(text, "2", &answer); err != nil {
		b.t.Fatal(err)
	}
	b.takeIdentity(answer)
	return answer
}

func (b *box) takeIdentity(answer ela.Registered) {
	b.t.Helper()
	b.instance, b.certificate = answer.Instance, parsePEM(b.t, answer.IDCertificate)[0]
}

// authorize asks for licences and gives the compliance that it was told.
func (b *box) authorize(count int) string {
	b.t.Helper()
	text, err := b.send(ela.PathAuthorize, b.mayI(count))
	if err != nil {
		b.t.Fatal(err)
	}
	var answer ela.Authorized
	if err := b.open(text, "2", &answer); err != nil {
		b.t.Fatal(err)
	}
	return answer.Compliance
}

// parsePEM reads the certificates in a text.
func parsePEM(t testing.TB, text string) (all []*x509.Certificate) {
	t.Helper()
	for rest := []byte(text); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("this is not PEM: %q", text)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
