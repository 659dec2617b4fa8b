package ela

import "errors"

// Why a request cannot be made.
var (
	ErrKey        = errors.New("the key cannot sign for the licence server: it takes EC keys on P-256")
	ErrOtherKey   = errors.New("the key that signs is another than that of the certificate or of its request")
	ErrCSR        = errors.New("the certificate request does not prove that the box has the key")
	ErrURL        = errors.New("the address of the licence server is not https://host[:port][/path]")
	ErrNoRoots    = errors.New("no authority is trusted for licences: see crypto pki authenticate license")
	ErrRequestAge = errors.New("the request is older than 30 days: write a new one")
)

// ErrTime means that a certificate has not begun or has ended by the clock of the
// box. While that is not synchronised, this is no failure of the licence.
var ErrTime = errors.New("TIME: a certificate is not valid at the time of this box")

// Why an answer is not believed, in the order in which answers are checked.
var (
	ErrTooLong       = errors.New("the answer is longer than 64 KiB")
	ErrMalformed     = errors.New("the answer is not a signed message of ela/1")
	ErrAlgorithm     = errors.New("the answer is not signed with ES256")
	ErrUnknownSigner = errors.New("the answer is signed with a certificate that this box does not know")
	ErrSignature     = errors.New("the signature of the answer is wrong")
	ErrSigner        = errors.New("the certificate that signed the answer may not do so")
	ErrUntrusted     = errors.New("the certificate does not lead to an authority that is trusted for licences")
	ErrType          = errors.New("the answer is of another kind than the request")
	ErrNonce         = errors.New("the answer is to another request: its nonce differs")
	ErrHash          = errors.New("the answer is to another request: the hash of the request differs")
	ErrSequence      = errors.New("the answer is to another request: its sequence number differs")
	ErrReplay        = errors.New("the answer is an old one: a later one was taken already")
	ErrStart         = errors.New("the answer is an old one: its start_date is before that of the last")
	ErrExpiry        = errors.New("the answer is for longer than 90 days, or for no time")
	ErrContent       = errors.New("the answer lacks something or contradicts itself")
	ErrIdentity      = errors.New("the ID certificate is not for this box")
)
