package config

import "fmt"

// Token is a secret that a command of EXEC hands on and nobody keeps: printable
// characters without blanks. It is not repeated in errors, remembered by the
// console or noted in the access log. Args.Token gives it; it is for commands
// of EXEC.
type Token struct {
	Max int // the longest, in octets
}

// token is the value of a Token.
type token string

// String keeps the token out of messages.
func (token) String() string { return "(token)" }

// Parse takes the word as it is.
func (t Token) Parse(word string) (any, error) {
	if len(word) > t.Max {
		return nil, fmt.Errorf("a token has 1 to %d octets, this one has %d", t.Max, len(word))
	}
	return token(word), nil
}

// Format does not print it.
func (Token) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Token) String() string { return "TOKEN" }

// Token gives the value of a Token.
func (a Args) Token(name string) string { return string(value[token](a, name)) }
