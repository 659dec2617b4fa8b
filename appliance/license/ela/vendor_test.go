package ela

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// now is the time of all tests.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	year     = 365 * 24 * time.Hour
	instance = "c2d100c0-c268-49ad-ad8c-9519d2b823c2"
)

var box = UDI{PID: "CAUSEWAY", SN: "aB3dE6gH9jK"}

// pair is a certificate and its key.
type pair struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func (p pair) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Raw}))
}

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a certificate by an authority; the zero pair: by itself.
func issue(t testing.TB, by pair, template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(year)
	}
	template.BasicConstraintsValid = true
	parent := by.Certificate
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// authority makes that of a root (by is the zero pair) or a signing certificate.
func authority(t testing.TB, by pair, serial int64, change ...func(*x509.Certificate)) pair {
	t.Helper()
	p := pair{key: newKey(t, elliptic.P256())}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "authority"}, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	for _, f := range change {
		f(template)
	}
	if by.key == nil {
		by.key = p.key
	}
	p.Certificate = issue(t, by, template, &p.key.PublicKey)
	return p
}

// vendor is a licence server's keys. It signs with nothing but the standard
// library.
type vendor struct {
	t        testing.TB
	root     pair
	two, ten pair // signing certificates, serial numbers 2 and a
	tls      pair
	logical  string // account
}

func newVendor(t testing.TB) *vendor {
	v := &vendor{t: t, root: authority(t, pair{}, 1), logical: "CUSP TEST"}
	v.two, v.ten = authority(t, v.root, 2), authority(t, v.root, 10)
	v.tls.key = newKey(t, elliptic.P256())
	v.tls.Certificate = issue(t, v.root, &x509.Certificate{
		SerialNumber: big.NewInt(7), DNSNames: []string{"license.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &v.tls.key.PublicKey)
	return v
}

func (v *vendor) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(v.root.Certificate)
	return pool
}

// trust is a box that knows both signing certificates.
func (v *vendor) trust() Trust {
	return Trust{Roots: v.roots(), Signing: []*x509.Certificate{v.two.Certificate, v.ten.Certificate}, Now: now}
}

// idTemplate is the ID certificate of the box.
func (v *vendor) idTemplate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(970857), NotBefore: now.Add(-time.Minute), NotAfter: now.Add(360 * 24 * time.Hour),
		Subject: pkix.Name{
			CommonName: instance, SerialNumber: "PID:CAUSEWAY,SN:aB3dE6gH9jK",
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: domainComponent, Value: v.account()}},
		},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// account is the DC, computed by other means than AccountDC.
func (v *vendor) account() string {
	hash := sha256.Sum256([]byte(v.logical))
	return hex.EncodeToString(hash[:16])
}

// members are an object of JSON.
type members map[string]any

// header is the protected header of an answer by a signing certificate.
func (v *vendor) header(by pair) members {
	sum := sha256.Sum256(by.Raw)
	return members{
		"alg": "ES256", "typ": "ela+jws", "kid": by.SerialNumber.Text(16),
		"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
}

// sign makes a JWS (RFC 7515 §7.2.2, RFC 7518 §3.4).
func (v *vendor) sign(by pair, header members, payload []byte) []byte {
	v.t.Helper()
	return v.signRaw(by, marshal(v.t, header), payload)
}

func (v *vendor) signRaw(by pair, header, payload []byte) []byte {
	v.t.Helper()
	protected, text := base64.RawURLEncoding.EncodeToString(header), base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(protected + "." + text))
	r, s, err := ecdsa.Sign(rand.Reader, by.key, digest[:])
	if err != nil {
		v.t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return marshal(v.t, members{"protected": protected, "payload": text, "signature": base64.RawURLEncoding.EncodeToString(signature)})
}

// answered are the members of every answer to a request.
func (v *vendor) answered(o Outstanding, kind string) members {
	return members{
		"typ": kind, "cnonce": o.CNonce, "seq": o.Seq, "req_sha256": o.SHA256, "ts": now.Format(time.RFC3339),
	}
}

// registered are those of a registration for the key of a request.
func (v *vendor) registered(o Outstanding, kind string, id *x509.Certificate) members {
	m := v.answered(o, kind)
	for name, value := range (members{
		"product_instance_id": instance, "id_cert_pem": pair{Certificate: id}.pem(), "chain_pem": v.ten.pem(),
		"id_cert_sn": id.SerialNumber.Text(16), "signing_cert_pem": v.two.pem() + v.ten.pem(), "signing_cert_sn": "a",
		"signature_type": "SHA256", "renew_interval": 15552000, "not_after": id.NotAfter.Format(time.RFC3339),
		"smart_account": "Example", "virtual_account": v.logical,
	}) {
		m[name] = value
	}
	return m
}

// authorized are those of an authorisation.
func (v *vendor) authorized(o Outstanding) members {
	m := v.answered(o, "mmi-resp")
	for name, value := range (members{
		"start_date": now.Format(time.RFC3339), "compliance_status": "OOC", "expiry": 7775673, "renew_interval": 2592000,
		"retry_interval": 43200, "entitlements": []members{{"tag": "regid.example", "count": 2, "status": "OOC"}},
		"crl_seq": 4,
	}) {
		m[name] = value
	}
	return m
}

func marshal(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// newCSR makes a request for a certificate.
func newCSR(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: box.SN}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// request makes one of a message.
func request(t testing.TB, m Message) Request {
	t.Helper()
	r, err := NewRequest(m)
	if err != nil {
		t.Fatalf("NewRequest(%T): %v", m, err)
	}
	return r
}

// asked is a box that has sent each kind of request, with its key and ID
// certificate.
type asked struct {
	id                                       pair
	register, authorize, renewID, deregister Request
}

func (v *vendor) asked() asked {
	a := asked{id: pair{key: newKey(v.t, elliptic.P256())}}
	a.id.Certificate = issue(v.t, v.ten, v.idTemplate(), &a.id.key.PublicKey)
	csr := newCSR(v.t, a.id.key)
	common := func(seq uint64) Common { return Common{Seq: seq, Time: now} }
	a.register = request(v.t, Register{Common: common(1), Token: "token", SoftwareTag: "regid.example", UDI: box, CSR: csr})
	a.authorize = request(v.t, Authorize{Common: common(2), Instance: instance, SigningSerial: "a", UDI: box,
		Entitlements: []Entitlement{{Tag: "regid.example", Version: "1.0", Count: 2, Requested: now}}})
	a.renewID = request(v.t, RenewID{Common: common(3), Instance: instance, UDI: box, CSR: csr})
	a.deregister = request(v.t, Deregister{Common: common(4), Instance: instance, UDI: box})
	return a
}
