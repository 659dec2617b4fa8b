// Package store is what COM knows: partners and their customers, boxes with
// their subscriptions, how they are, what they have told, and who has done what
// to them. Bolt keeps it in one file; the interface is made so that PostgreSQL
// can take its place: a call is a transaction, values go in and out as records,
// and nobody holds on to anything in between.
package store

import (
	"errors"
	"time"

	"causeway/appliance/com/wire"
)

// Store keeps the records. Its methods may be called at any time, by many.
type Store interface {
	// Setting reads a value that there is one of; ErrNotFound: never put.
	Setting(name string, into any) error
	PutSetting(name string, value any) error

	PutPartner(Partner) error
	Partners() ([]Partner, error)
	// Token finds who has a token, by its SHA-256 in hexadecimal.
	Token(hash string) (Token, error)
	PutToken(hash string, token Token) error

	Customer(id string) (Customer, error)
	Customers() ([]Customer, error)
	PutCustomer(Customer) error

	Box(serial string) (Box, error)
	Boxes() ([]Box, error) // in the order of their serial numbers
	// UpdateBox changes a box, which is made if there is none yet. What change
	// makes of it is kept unless it fails. It may be called more than once for one
	// update, each time with the box as it was.
	UpdateBox(serial string, change func(*Box) error) error

	// State is ErrNotFound of a box that was never connected.
	State(serial string) (State, error)
	States() ([]State, error)
	PutStates([]State) error // in one transaction

	// AddEntries keeps what a box has pushed. An entry that is there already, by
	// box and sequence number, is left as it is.
	AddEntries(serial string, entries []wire.Entry) error
	// Entries are the newest ones, at most so many, oldest first.
	Entries(serial string, most int) ([]wire.Entry, error)

	AddAudit(Audit) error
	AuditTrail(most int) ([]Audit, error) // the newest ones, oldest first

	Close() error
}

// ErrNotFound says that there is no such record.
var ErrNotFound = errors.New("there is none such")

// Bounds of what is kept; the oldest go.
const (
	MostEntries = 2000   // of a box
	MostAudit   = 100000 // in all
)

// Partner looks after customers.
type Partner struct {
	Name string `json:"name"`
}

// Token is what an operator of a partner shows.
type Token struct {
	Name    string `json:"name"`              // of the operator
	Partner string `json:"partner,omitempty"` // empty: all customers, and what only who runs COM may do
}

// Customer has boxes.
type Customer struct {
	ID      string `json:"id"` // what the box is given as com customer-id
	Partner string `json:"partner"`
}

// Box is one appliance.
type Box struct {
	Serial   string `json:"serial"`
	Customer string `json:"customer"` // its ID
	Approved bool   `json:"approved"`
	// Key is the one that the box signs its own certificate with, pinned at first
	// use: SHA-256 of the public key, in hexadecimal. Rival is another one that
	// came under this serial number, and was refused.
	Key   string `json:"key,omitempty"`
	Rival string `json:"rival,omitempty"`
	// Certificates are those that COM issued and that are good: their serial
	// numbers in hexadecimal, the newest last.
	Certificates  []string            `json:"certificates,omitempty"`
	Subscriptions []wire.Subscription `json:"subscriptions,omitempty"`
	Wanted        []wire.Wanted       `json:"wanted,omitempty"` // what it has asked for last
	HostName      string              `json:"host_name,omitempty"`
	Firmware      string              `json:"firmware,omitempty"`
	Model         string              `json:"model,omitempty"`
	Revision      int                 `json:"revision,omitempty"`
	Services      []string            `json:"services,omitempty"` // that are switched on
}

// State is how a box was when it was last heard of, to the minute.
type State struct {
	Serial  string         `json:"serial"`
	Up      bool           `json:"up"`
	Since   time.Time      `json:"since"` // of being up, or not
	Heard   time.Time      `json:"heard"`
	Gateway string         `json:"gateway,omitempty"`
	Address string         `json:"address,omitempty"` // that it came from
	Session string         `json:"session,omitempty"` // wire.Signed.Session
	Beat    wire.Heartbeat `json:"beat"`
}

// Audit is one call of an operator.
type Audit struct {
	Time    time.Time `json:"time"`
	Who     string    `json:"who"`
	Partner string    `json:"partner,omitempty"`
	From    string    `json:"from"` // address
	What    string    `json:"what"` // "POST /boxes/X/call config.commit as anna"
	Result  string    `json:"result"`
}
