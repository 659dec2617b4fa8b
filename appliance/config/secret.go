package config

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Secret is a password or key that the appliance itself must know in plain
// text: up to 128 octets of printable characters without blanks. Typed so, it is brought
// into its stored form by the box key that the grammar holds; the stored form
// stands for itself. Its value is the stored form, a string, and nothing else
// is ever printed, but by Reveal. It is for commands of the configuration.
type Secret struct {
	Min    int    // the shortest, in octets; 1 if zero
	Reader string // the process that is told it, beside control: "billing"
}

// secretMax is the longest secret, in octets.
const secretMax = 128

// sealedPrefix begins the stored form; the sealed octets follow in base64url.
const sealedPrefix = "sealed:"

// plainText is the value of a secret between parsing and sealing.
type plainText string

// String keeps the secret out of messages.
func (plainText) String() string { return "(secret)" }

// Parse reads a secret in plain text or in its stored form. The errors do not
// repeat the word.
func (t Secret) Parse(word string) (any, error) {
	if strings.HasPrefix(word, sealedPrefix) {
		_, err := sealedOctets(word)
		return word, err
	}
	if len(word) < t.Min || len(word) > secretMax {
		return nil, fmt.Errorf("a secret has %d to %d octets, this one has %d", max(t.Min, 1), secretMax, len(word))
	}
	return plainText(word), nil
}

// Format prints the stored form.
func (Secret) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Secret) String() string { return "SECRET" }

// sealedOctets takes a stored form apart.
func sealedOctets(stored string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(stored, sealedPrefix)
	octets, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(octets) <= gcmOverhead || len(octets) > gcmOverhead+secretMax {
		return nil, fmt.Errorf("what follows %s is damaged", sealedPrefix)
	}
	return octets, nil
}

// gcmOverhead is what sealing adds: a nonce of 12 octets and a tag of 16.
const gcmOverhead = 12 + 16

// BoxKey seals the secrets of one appliance (AES-256-GCM, NIST SP 800-38D). It
// is safe for concurrent use.
type BoxKey struct {
	aead   cipher.AEAD
	secret []byte // other keys are derived from it
}

// NewBoxKey takes the key, 32 octets.
func NewBoxKey(key []byte) (*BoxKey, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("a box key has 32 octets, this one has %d", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("box key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("box key: %w", err)
	}
	return &BoxKey{aead, slices.Clone(key)}, nil
}

// Derive gives a key of 32 octets for another purpose (HKDF, RFC 5869), always
// the same; nil if there is no box key.
func (k *BoxKey) Derive(purpose string) []byte {
	if k == nil {
		return nil
	}
	key, err := hkdf.Key(sha256.New, k.secret, nil, "causeway "+purpose, 32)
	if err != nil {
		panic("derive a key: " + err.Error()) // 32 octets can always be had
	}
	return key
}

// BoxKeyFile is the name of the file that holds the box key: 32 octets.
const BoxKeyFile = "box.key"

// ReadBoxKey reads the key of this box from the directory that it is kept in.
func ReadBoxKey(dir string) (*BoxKey, error) {
	key, err := os.ReadFile(filepath.Join(dir, BoxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read the box key: %w", err)
	}
	return NewBoxKey(key)
}

// Seal gives the stored form of a secret, a different one each time.
func (k *BoxKey) Seal(secret string) string {
	return sealedPrefix + base64.RawURLEncoding.EncodeToString(k.aead.Seal(nil, nil, []byte(secret), nil))
}

// Open gives the secret of a stored form. The error says that the form is
// damaged or was sealed under another key, or that there is none (nil).
func (k *BoxKey) Open(stored string) (string, error) {
	if k == nil {
		return "", errors.New("open a secret: the appliance has no key")
	}
	octets, err := sealedOctets(stored)
	if err != nil {
		return "", err
	}
	secret, err := k.aead.Open(nil, nil, octets, nil)
	if err != nil {
		return "", fmt.Errorf("open a secret: it was sealed by another appliance or changed since: %w", err)
	}
	return string(secret), nil
}

// Sealing gives the grammar that takes secrets in plain text and seals them
// under the key. Without a key they are taken in their stored form only.
func (g *Grammar) Sealing(key *BoxKey) *Grammar {
	sealing := *g
	sealing.key = key
	return &sealing
}

// seal brings the secrets and passwords of a line of the mode into their stored
// form, and blots them out in the line itself, which errors show.
func (g *Grammar) seal(mode *modeGrammar, match Match, line string) (string, error) {
	for name, value := range match.Args {
		if !isPlain(value) {
			continue
		}
		line = mode.vocabulary.Blot(line)
		stored, err := g.stored(value, match.Args)
		if err != nil {
			return line, BadArgument(name, "%v", err)
		}
		match.Args[name] = stored
	}
	return line, nil
}

// stored gives the stored form of a value in plain text.
func (g *Grammar) stored(value any, a Args) (string, error) {
	if password, ok := value.(plainPassword); ok {
		return password.stored(g.hasher, a)
	}
	if g.key == nil {
		return "", errors.New("a secret in plain text can be typed on the appliance only, which seals it")
	}
	return g.key.Seal(string(value.(plainText))), nil
}

// isPlain reports whether the value is a secret, a password or a token in plain
// text.
func isPlain(value any) bool {
	switch value.(type) {
	case plainText, plainPassword, token:
		return true
	}
	return false
}

// Blot gives the line with asterisks where a secret, a password or a token was typed in
// plain text, even if the line does not fit because of what stands behind it.
// Behind one that ends the line every word is taken for more of it.
func (v *Vocabulary) Blot(line string) string {
	words, _ := split(line)
	states := v.start
	for i, w := range words {
		next, wrong := v.step(states, w)
		switch {
		case wrong == nil && isPlain(next[0].trail.value), wrong != nil && v.expectsSecret(states):
			line = blotWord(line, w)
		case wrong != nil && v.endsWithSecret(states):
			for _, more := range words[i:] {
				line = blotWord(line, more)
			}
		}
		if wrong != nil {
			break
		}
		states = next
	}
	return line
}

func blotWord(line string, w word) string {
	characters := []rune(line)
	for i := range []rune(w.text) {
		characters[w.column-1+i] = '*'
	}
	return string(characters)
}

// endsWithSecret reports whether the last word was a secret or a password in
// plain text, and nothing may follow it.
func (v *Vocabulary) endsWithSecret(states []state) bool {
	return len(v.alternatives(states)) == 0 && len(states) > 0 && states[0].trail != nil && isPlain(states[0].trail.value)
}

// expectsSecret reports whether a secret or a password may be typed next.
func (v *Vocabulary) expectsSecret(states []state) bool {
	return slices.ContainsFunc(states, func(s state) bool {
		it := v.item(s)
		if it == nil {
			return false
		}
		switch it.argType().(type) {
		case Secret, Password, Token:
			return true
		}
		return false
	})
}
