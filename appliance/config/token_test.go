package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestToken: a command gets it, and nothing else shows it.
func TestToken(t *testing.T) {
	v, err := NewVocabulary([]Form{{
		Syntax: "register TOKEN [force]", Help: "Register",
		Args: []Argument{argument("TOKEN", Token{Max: 8})},
	}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := v.Match("register tök+n/=")
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Args.Token("TOKEN"); got != "tök+n/=" || strings.Contains(fmt.Sprint(m.Args), got) {
		t.Errorf("the token is %q of %v; want tök+n/=, which is not printed", got, m.Args)
	}
	_, err = v.Match("register " + strings.Repeat("x", 9))
	if err == nil || !strings.HasSuffix(err.Error(), "a token has 1 to 8 octets, this one has 9") {
		t.Errorf("Match of a token of 9 octets = %v; want it refused without its text", err)
	}
	for line, want := range map[string]string{
		"register tök+n/=":       "register *******",
		"reg secret force":       "reg ****** force",
		"register secret now":    "register ****** now",
		"register 123456789":     "register *********",
		"register 123456789 now": "register ********* now",
		"register":               "register",
	} {
		if got := v.Blot(line); got != want {
			t.Errorf("Blot(%q) = %q; want %q", line, got, want)
		}
	}
}

// TestNoCommands: where there is no command, no word is known, and none a secret.
func TestNoCommands(t *testing.T) {
	v, err := NewVocabulary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := v.Match("register"); err == nil {
		t.Errorf("Match = %v; want an error", m)
	}
	if got := v.Blot("register"); got != "register" {
		t.Errorf("Blot = %q; want the line as it is", got)
	}
}
