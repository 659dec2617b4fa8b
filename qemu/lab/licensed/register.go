package licensed

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway/appliance/license/ela"
)

// idRenewAfter is when a box is to renew its ID certificate (L-61).
const idRenewAfter = 180 * day

// register is a registration (L-38).
type register struct{ ela.Register }

func (m *register) common() ela.Common { return m.Common }
func (m *register) instanceID() string { return "" }

func (m *register) check() error {
	if _, ok := splitTag(m.SoftwareTag); !ok {
		return fmt.Errorf("software_tag %q: want regid.YYYY-MM.domain.PRODUCT,version_uuid", m.SoftwareTag)
	}
	if m.Token == "" {
		return errors.New("there is no token")
	}
	return checkUDI(m.UDI)
}

// keyHash tells a CSR's key from others; nil: it cannot be read.
func keyHash(csr []byte) []byte {
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(request.RawSubjectPublicKeyInfo)
	return sum[:]
}

// registered finds the instance that has registered with the same token and key:
// its answer was lost, or it starts anew.
func (s *state) registered(m *register) *instance {
	hash := keyHash(m.CSR)
	at := slices.IndexFunc(s.Instances, func(i *instance) bool {
		return i.Status == Active && i.Token == m.Token && hash != nil && bytes.Equal(i.Key, hash)
	})
	if at < 0 {
		return nil
	}
	return s.Instances[at]
}

// answer registers the box. It takes the place of what it was registered as
// before: one box is one instance.
func (m *register) answer(t *turn) (any, error) {
	public, err := checkCSR(m.CSR)
	if err != nil {
		return nil, refuse(ela.BadCSR, err.Error())
	}
	if !public.Equal(t.jwk.Key) {
		return nil, refuse(ela.BadCSR, "its key is not the one that has signed the request")
	}
	s := &t.server.state
	if t.instance == nil {
		a, token, err := s.token(m.Token, t.now)
		if err != nil {
			return nil, err
		}
		token.Uses--
		for _, i := range s.Instances {
			if i.UDI == m.UDI && i.Status == Active {
				i.Status = Replaced
			}
		}
		t.instance = &instance{
			Instance: Instance{ID: newGUID(), UDI: m.UDI, VirtualAccount: a.Name, Status: Active, Registered: t.now, Licenses: map[string]int{}},
			Token:    m.Token, Key: keyHash(m.CSR), Certificates: map[string][]byte{},
		}
		s.Instances = append(s.Instances, t.instance)
	}
	t.instance.HostName, t.instance.Agent = m.HostName, m.Agent
	return t.identity(public)
}

// token finds a token that is good for one more registration, and its account.
func (s *state) token(text string, now time.Time) (*account, *Token, error) {
	for _, a := range s.Accounts {
		for _, t := range a.Tokens {
			switch {
			case t.Token != text:
			case !now.Before(t.Expires):
				return nil, nil, refuse(ela.TokenExpired, "at "+t.Expires.String())
			case t.Uses <= 0:
				return nil, nil, refuse(ela.BadToken, "it was used as often as it was made for")
			default:
				return a, t, nil
			}
		}
	}
	return nil, nil, refuse(ela.BadToken, "there is no such token")
}

// checkCSR checks a PKCS #10 request and gives its key, which is of P-256.
func checkCSR(der []byte) (*ecdsa.PublicKey, error) {
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, err
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("who made it does not have the key: %w", err)
	}
	public, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, fmt.Errorf("its key is of %s: want P-256", csr.PublicKeyAlgorithm)
	}
	return public, nil
}

// identity issues an ID certificate and tells the instance who it is from now
// on. Certificates that it has are good until they expire: this answer may be
// lost.
func (t *turn) identity(public *ecdsa.PublicKey) (*ela.Registered, error) {
	s, i := &t.server.state, t.instance
	a, err := s.account(i.VirtualAccount)
	if err != nil {
		return nil, err
	}
	certificate, err := t.signer.issueID(s.NextID, t.now, i.ID, a.Name, i.UDI, public)
	if err != nil {
		return nil, fmt.Errorf("issue the ID certificate of %s: %w", i.ID, err)
	}
	s.NextID++
	serial := certificate.SerialNumber.Text(16)
	i.Certificates[serial] = certificate.Raw
	answer := &ela.Registered{
		Answered:       t.opening(),
		Instance:       i.ID,
		IDCertificate:  encodePEM(certificate),
		Chain:          encodePEM(t.signer.Certificate),
		IDSerial:       serial,
		SigningSerial:  t.signer.serial(),
		SignatureType:  "SHA256",
		RenewInterval:  int64(idRenewAfter / time.Second),
		NotAfter:       certificate.NotAfter,
		SmartAccount:   a.Smart,
		VirtualAccount: a.Name,
	}
	answer.SigningPEM, i.Knows = s.Authority.announced(t.signer)
	return answer, nil
}

// newGUID makes a random identifier (RFC 9562 §5.4).
func newGUID() string {
	var id [16]byte
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// renewID asks for a new ID certificate.
type renewID struct{ ela.RenewID }

func (m *renewID) common() ela.Common { return m.Common }
func (m *renewID) instanceID() string { return m.Instance }

func (m *renewID) check() error {
	if m.Instance == "" {
		return errNoInstanceID
	}
	return checkUDI(m.UDI)
}

func (m *renewID) answer(t *turn) (any, error) {
	if err := t.sameBox(m.UDI); err != nil {
		return nil, err
	}
	public, err := checkCSR(m.CSR)
	if err != nil {
		return nil, refuse(ela.BadCSR, err.Error())
	}
	return t.identity(public)
}

// deregister gives the licences back.
type deregister struct{ ela.Deregister }

func (m *deregister) common() ela.Common { return m.Common }
func (m *deregister) instanceID() string { return m.Instance }

func (m *deregister) check() error {
	if m.Instance == "" {
		return errNoInstanceID
	}
	return checkUDI(m.UDI)
}

func (m *deregister) answer(t *turn) (any, error) {
	if err := t.sameBox(m.UDI); err != nil {
		return nil, err
	}
	t.instance.Status = Gone
	return &ela.Gone{Answered: t.opening()}, nil
}

var errNoInstanceID = errors.New("there is no product_instance_id")

// sameBox refuses a box that has the identity of another.
func (t *turn) sameBox(udi ela.UDI) error {
	if udi != t.instance.UDI {
		return refuse(ela.BadRequest, fmt.Sprintf("udi %s: the instance is %s", udi, t.instance.UDI))
	}
	return nil
}
