package license

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/appliance/license/ela"
)

// authority is a certificate with its key.
type authority struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func (a authority) pem() string { return pemOf(a.Certificate) }

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// server is a licence server with one account. It is of the same clock as the
// box.
type server struct {
	t             testing.TB
	clock         *fakeClock
	root, signing authority
	http          *httptest.Server

	mu       sync.Mutex
	quantity int                                     // licences that there are
	lifetime time.Duration                           // of ID certificates
	refuses  *ela.Problem                            // nil: nothing
	wait     string                                  // Retry-After with that
	spoils   func(kind string, answer []byte) []byte // nil: answers are as they should be
	serial   int64
	sequence uint64
	requests []string // types, as they came
	last     map[string]any
}

const instanceID = "c2d100c0-c268-49ad-ad8c-9519d2b823c2"

func newServer(t testing.TB, clock *fakeClock) *server {
	s := &server{t: t, clock: clock, quantity: 100, lifetime: 360 * day, serial: 969365}
	s.root = s.issue(authority{}, &x509.Certificate{Subject: pkix.Name{CommonName: "root"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	s.signing = s.issue(s.root, &x509.Certificate{
		Subject: pkix.Name{CommonName: "sub CA"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	web := s.issue(s.root, &x509.Certificate{DNSNames: []string{"license.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	s.http = httptest.NewUnstartedServer(s)
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{web.Raw}, PrivateKey: web.key}}}
	s.http.StartTLS()
	t.Cleanup(s.http.Close)
	return s
}

// roots are whom a box has to trust.
func (s *server) roots() []*x509.Certificate { return []*x509.Certificate{s.root.Certificate} }

// issue makes a certificate for a new key, valid for 20 years.
func (s *server) issue(by authority, template *x509.Certificate) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template.NotBefore, template.NotAfter = s.clock.now().Add(-day), s.clock.now().Add(20*365*day)
	if by.key == nil {
		by = authority{template, key}
	}
	return authority{s.sign(by, template, &key.PublicKey), key}
}

func (s *server) sign(by authority, template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	s.serial++
	template.SerialNumber, template.BasicConstraintsValid = big.NewInt(s.serial), true
	der, err := x509.CreateCertificate(rand.Reader, template, by.Certificate, public, by.key)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// set changes how the server answers.
func (s *server) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// seen are the types of the requests that came, and forgets them.
func (s *server) seen() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, s.requests = s.requests, nil
	return list
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set(ela.NonceHeader, "nonce")
	if r.Method == http.MethodGet {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	if s.refuses != nil {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", s.wait)
		w.WriteHeader(s.refuses.Status)
		json.NewEncoder(w).Encode(s.refuses)
		return
	}
	w.Header().Set("Content-Type", ela.MediaType)
	w.Write(s.answer(body))
}

// answer answers a request, from the network or from a file.
func (s *server) answer(request []byte) []byte {
	var jws struct{ Payload string }
	if err := json.Unmarshal(request, &jws); err != nil {
		s.t.Errorf("the request is %s", request)
	}
	payload, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err != nil {
		s.t.Error(err)
	}
	var asked struct {
		ela.Common
		UDI          ela.UDI
		CSR          []byte
		Entitlements []ela.Entitlement
	}
	if err := json.Unmarshal(payload, &asked); err != nil {
		s.t.Errorf("the payload is %s: %v", payload, err)
	}
	if asked.Seq <= s.sequence {
		s.t.Errorf("sequence number %d after %d", asked.Seq, s.sequence)
	}
	s.sequence = asked.Seq
	s.requests = append(s.requests, asked.Type)
	s.last = nil
	json.Unmarshal(payload, &s.last)

	hash := sha256.Sum256(payload)
	answered := ela.Answered{CNonce: asked.CNonce, Seq: asked.Seq, RequestSHA256: hex.EncodeToString(hash[:]), Time: s.clock.real()}
	var answer any
	switch asked.Type {
	case ela.TypeRegister:
		answered.Type = ela.TypeRegistered
		answer = s.registered(answered, asked.UDI, asked.CSR)
	case ela.TypeRenewID:
		answered.Type = ela.TypeRenewedID
		answer = s.registered(answered, asked.UDI, asked.CSR)
	case ela.TypeAuthorize:
		answered.Type = ela.TypeAuthorized
		compliance := ela.InCompliance
		if asked.Entitlements[0].Count > s.quantity {
			compliance = ela.OutOfCompliance
		}
		answer = ela.Authorized{
			Answered: answered, Start: s.clock.real(), Compliance: compliance, Expiry: int64(authorizationPeriod / time.Second),
			RenewInterval: int64(30 * day / time.Second), RetryInterval: 43200,
		}
	case ela.TypeDeregister:
		answered.Type = ela.TypeGone
		answer = ela.Gone{Answered: answered}
	}
	signed := s.jws(answer)
	if s.spoils != nil {
		signed = s.spoils(asked.Type, signed)
	}
	return signed
}

func (s *server) registered(answered ela.Answered, udi ela.UDI, der []byte) ela.Registered {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		s.t.Error(err)
	}
	id := s.sign(s.signing, &x509.Certificate{
		NotBefore: s.clock.real().Add(-time.Minute), NotAfter: s.clock.real().Add(s.lifetime),
		Subject: pkix.Name{
			CommonName: instanceID, SerialNumber: udi.SerialNumber(),
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: ela.AccountDC("CUSP TEST")}},
		},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, csr.PublicKey)
	return ela.Registered{
		Answered: answered, Instance: instanceID, IDCertificate: pemOf(id), Chain: s.signing.pem(), IDSerial: ela.Serial(id),
		SigningPEM: s.signing.pem(), SigningSerial: ela.Serial(s.signing.Certificate), SignatureType: "SHA256",
		RenewInterval: int64(s.lifetime / 2 / time.Second), NotAfter: id.NotAfter, SmartAccount: "Example", VirtualAccount: "CUSP TEST",
	}
}

// jws signs an answer (RFC 7515 §7.2.2).
func (s *server) jws(answer any) []byte {
	payload, err := json.Marshal(answer)
	if err != nil {
		s.t.Error(err)
	}
	header := fmt.Sprintf(`{"alg":"ES256","typ":"ela+jws","kid":%q}`, ela.Serial(s.signing.Certificate))
	protected, text := base64.RawURLEncoding.EncodeToString([]byte(header)), base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(protected + "." + text))
	r, v, err := ecdsa.Sign(rand.Reader, s.signing.key, digest[:])
	if err != nil {
		s.t.Error(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...)
	signed, err := json.Marshal(map[string]string{"protected": protected, "payload": text, "signature": base64.RawURLEncoding.EncodeToString(signature)})
	if err != nil {
		s.t.Error(err)
	}
	return signed
}

// flip changes one character of the payload of an answer.
func flip(answer []byte) []byte {
	i := strings.Index(string(answer), `"payload":"`) + len(`"payload":"`) + 40
	spoilt := append([]byte(nil), answer...)
	if spoilt[i] = 'A'; answer[i] == 'A' {
		spoilt[i] = 'B'
	}
	return spoilt
}
