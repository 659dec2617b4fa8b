package licensed

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"causeway/appliance/license/ela"
)

// Errors of what is asked for by name.
var (
	ErrNoAccount  = errors.New("no such virtual account")
	ErrNoProduct  = errors.New("no such product")
	ErrNoInstance = errors.New("no such product instance")
)

// Account is a virtual account, of a smart account.
type Account struct {
	Smart      string         `json:"smart_account"`
	Name       string         `json:"name"`
	Quantities map[string]int `json:"quantities"` // licences that were bought, by product
}

// account is a virtual account with its tokens.
type account struct {
	Account
	Tokens []*Token `json:"tokens"`
}

// Token lets a box register with the virtual account that it was made in.
type Token struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Uses    int       `json:"uses"` // registrations that it is still good for
}

// Status is that of a product instance.
type Status string

// The states of an instance.
const (
	Active   Status = "active"
	Revoked  Status = "revoked"
	Replaced Status = "replaced" // the same box has registered again
	Gone     Status = "gone"     // deregistered
)

// Instance is a box that has registered, as others see it.
type Instance struct {
	ID             string         `json:"product_instance_id"`
	UDI            ela.UDI        `json:"udi"`
	VirtualAccount string         `json:"virtual_account"`
	HostName       string         `json:"hostname,omitempty"`
	Agent          string         `json:"agent,omitempty"`
	Status         Status         `json:"status"`
	Registered     time.Time      `json:"registered"`
	LastContact    time.Time      `json:"last_contact"`
	Seq            uint64         `json:"seq"`      // the highest that was used
	Licenses       map[string]int `json:"licenses"` // what it asked for last, by product (L-30)
}

// instance is a box that has registered.
type instance struct {
	Instance
	Token        string            `json:"token"` // it has registered with
	Key          []byte            `json:"key"`   // of that registration: SHA-256 of the SubjectPublicKeyInfo
	Certificates map[string][]byte `json:"certificates"`
	Knows        []string          `json:"knows"` // serial numbers of signing certificates that it was told
	Replies      []reply           `json:"replies"`
}

// reply is one answer that was given.
type reply struct {
	Time    time.Time `json:"time"`
	Type    string    `json:"type"`
	Request string    `json:"request"` // SHA-256 of its payload, hex
	JWS     []byte    `json:"jws"`
}

// certificate is the ID certificate with that serial number; nil: it has none.
func (i *instance) certificate(serial string) *x509.Certificate {
	certificate, err := x509.ParseCertificate(i.Certificates[serial])
	if err != nil {
		return nil
	}
	return certificate
}

// keepReply remembers the answer, and forgets the oldest when there are many.
func (i *instance) keepReply(r reply) {
	if len(i.Replies) == mostReplies {
		i.Replies = slices.Delete(i.Replies, 0, 1)
	}
	i.Replies = append(i.Replies, r)
}

// AddAccount adds a virtual account. Its name is its own in all the server.
func (s *Server) AddAccount(smart, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if smart == "" || name == "" {
		return errors.New("an account needs the name of the smart account and its own")
	}
	if _, err := s.state.account(name); err == nil {
		return fmt.Errorf("virtual account %s is there already", name)
	}
	s.state.Accounts = append(s.state.Accounts, &account{Account: Account{smart, name, map[string]int{}}})
	return s.save()
}

// Accounts are all virtual accounts.
func (s *Server) Accounts() []Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Account{}
	for _, a := range s.state.Accounts {
		all = append(all, Account{a.Smart, a.Name, maps.Clone(a.Quantities)})
	}
	return all
}

// account finds a virtual account.
func (s *state) account(name string) (*account, error) {
	at := slices.IndexFunc(s.Accounts, func(a *account) bool { return a.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoAccount, name)
	}
	return s.Accounts[at], nil
}

// instance finds a product instance.
func (s *state) instance(id string) (*instance, error) {
	at := slices.IndexFunc(s.Instances, func(i *instance) bool { return i.ID == id })
	if at < 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoInstance, id)
	}
	return s.Instances[at], nil
}

// NewToken makes a token that is valid for that time and number of registrations.
func (s *Server) NewToken(virtualAccount string, valid time.Duration, uses int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.state.account(virtualAccount)
	if err != nil {
		return "", err
	}
	random := make([]byte, 32)
	rand.Read(random)
	t := &Token{Token: hex.EncodeToString(random), Expires: s.now().Add(valid), Uses: uses}
	a.Tokens = append(a.Tokens, t)
	return t.Token, s.save()
}

// Tokens are those of a virtual account, also expired and used ones.
func (s *Server) Tokens(virtualAccount string) ([]Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.state.account(virtualAccount)
	if err != nil {
		return nil, err
	}
	tokens := []Token{}
	for _, t := range a.Tokens {
		tokens = append(tokens, *t)
	}
	return tokens, nil
}

// SetQuantity says how many licences of a product the account has bought.
func (s *Server) SetQuantity(virtualAccount, product string, quantity int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, err := s.state.account(virtualAccount)
	if err != nil {
		return err
	}
	if _, known := catalogue[product]; !known {
		return fmt.Errorf("%w: %s", ErrNoProduct, product)
	}
	if quantity < 0 {
		return fmt.Errorf("%d licences: want 0 or more", quantity)
	}
	a.Quantities[product] = quantity
	return s.save()
}

// Instances are all boxes that have ever registered, in that order.
func (s *Server) Instances() []Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Instance{}
	for _, i := range s.state.Instances {
		one := i.Instance
		one.Licenses = maps.Clone(i.Licenses)
		all = append(all, one)
	}
	return all
}

// Revoke refuses all further requests of an instance and takes its licences back.
func (s *Server) Revoke(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.state.instance(id)
	if err != nil {
		return err
	}
	i.Status = Revoked
	return s.save()
}
