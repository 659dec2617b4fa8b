package config

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Password is what somebody logs in with: printable characters without blanks,
// up to 128 octets. Typed so, it is brought into its stored form by the Hasher
// that the grammar holds; the stored form stands for itself. Its value is the
// stored form, a string, and nothing else is ever printed. It is for commands
// of the configuration.
type Password struct {
	// Allowed says what a policy has against a password in plain text; a are
	// the values of its line. Its error does not repeat the password.
	Allowed func(a Args, password string) error
}

// plainPassword is the value of a password between parsing and hashing.
type plainPassword struct {
	text    string
	allowed func(a Args, password string) error
}

// String keeps the password out of messages.
func (plainPassword) String() string { return "(password)" }

// Parse reads a password in plain text or in its stored form. The errors do
// not repeat the word.
func (t Password) Parse(word string) (any, error) {
	if strings.HasPrefix(word, hashMark) {
		_, err := parseHash(word)
		return word, err
	}
	if len(word) > secretMax {
		return nil, fmt.Errorf("a password has up to %d octets, this one has %d", secretMax, len(word))
	}
	return plainPassword{word, t.Allowed}, nil
}

// Format prints the stored form.
func (Password) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Password) String() string { return "PASSWORD" }

// stored gives the stored form of the password in a line with these values.
func (p plainPassword) stored(h *Hasher, a Args) (string, error) {
	if h == nil {
		return "", errors.New("a password in plain text can be typed on the appliance only, which hashes it")
	}
	if p.allowed != nil {
		if err := p.allowed(a, p.text); err != nil {
			return "", err
		}
	}
	return h.Hash(p.text), nil
}

// What argon2id (RFC 9106) is given: 19 MiB, two passes, one lane. A stored form
// with other figures is refused: it could ask for all the memory there is.
const (
	hashMemory = 19 << 10 // KiB
	hashTime   = 2
	hashLanes  = 1
)

// The stored form is hashMark, the figures, and salt and digest in base64
// without padding (the PHC string format).
const hashMark = "$argon2id$"

var hashPrefix = fmt.Sprintf("%sv=%d$m=%d,t=%d,p=%d$", hashMark, argon2.Version, hashMemory, hashTime, hashLanes)

// hash is a stored form taken apart. The zero value is that of no password.
type hash struct {
	salt   [16]byte
	digest [32]byte
}

func parseHash(stored string) (h hash, err error) {
	salt, digest, _ := strings.Cut(strings.TrimPrefix(stored, hashPrefix), "$")
	if !strings.HasPrefix(stored, hashPrefix) || !decodeInto(h.salt[:], salt) || !decodeInto(h.digest[:], digest) {
		return hash{}, fmt.Errorf("what follows %s is damaged, or of another firmware", hashMark)
	}
	return h, nil
}

// phcEncoding is the base64 of the PHC string format.
var phcEncoding = base64.RawStdEncoding.Strict()

// decodeInto reports whether text stands for as many octets as b has, and puts
// them there.
func decodeInto(b []byte, text string) bool {
	if phcEncoding.EncodedLen(len(b)) != len(text) {
		return false
	}
	n, err := phcEncoding.Decode(b, []byte(text))
	return err == nil && n == len(b) // it skips line feeds
}

// String is the stored form.
func (h hash) String() string {
	return hashPrefix + phcEncoding.EncodeToString(h.salt[:]) + "$" + phcEncoding.EncodeToString(h.digest[:])
}

// of is the digest of a password. Its 19 MiB are given back at once: on the
// smallest box there is no room for those of several logins in a row.
func (h hash) of(password string) []byte {
	defer runtime.GC()
	return argon2.IDKey([]byte(password), h.salt[:], hashTime, hashMemory, hashLanes, uint32(len(h.digest)))
}

// Hasher hashes passwords and tells whether one is right. It does one after the
// other, since each takes 19 MiB. It is safe for concurrent use.
type Hasher struct{ turn chan struct{} }

// NewHasher makes the Hasher of a process.
func NewHasher() *Hasher { return &Hasher{make(chan struct{}, 1)} }

// Alone does what takes much memory, too, while no password is hashed.
func (h *Hasher) Alone(do func()) {
	h.turn <- struct{}{}
	defer func() { <-h.turn }()
	do()
}

// Hash gives the stored form of a password, a different one each time.
func (h *Hasher) Hash(password string) string {
	var made hash
	rand.Read(made.salt[:]) // never fails (crypto/rand)
	h.Alone(func() { copy(made.digest[:], made.of(password)) })
	return made.String()
}

// Verify reports whether password is the one of the stored form. It takes as
// long for an empty stored form, which no password fits. The error is that of
// ctx, which ended before its turn came, or that the stored form is damaged.
func (h *Hasher) Verify(ctx context.Context, stored, password string) (bool, error) {
	var want hash
	if stored != "" {
		var err error
		if want, err = parseHash(stored); err != nil {
			return false, err
		}
	}
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	defer func() { <-h.turn }()
	right := subtle.ConstantTimeCompare(want.of(password), want.digest[:]) == 1
	return right && stored != "", nil
}

// Hashing gives the grammar that takes passwords in plain text and hashes them.
// Without a Hasher they are taken in their stored form only.
func (g *Grammar) Hashing(h *Hasher) *Grammar {
	hashing := *g
	hashing.hasher = h
	return &hashing
}
