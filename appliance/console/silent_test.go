package console_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"causeway/appliance/console"
	"causeway/appliance/model"
)

// TestSilent: where nobody follows a session, it prints answers alone, and
// questions with their answers are what it asks for.
func TestSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, t.TempDir(), "call-home", " mode none", " exit") // of which sessions are reminded
		typed := "show numbers 2\nfrob\nenable\nconfigure\nhostname other\nabort\nwipe\ny\nshow numbers 1"
		var out bytes.Buffer
		s, err := console.New(console.Settings{
			In: strings.NewReader(typed), Out: &out, Silent: true, Login: b.login,
			Grammar: grammar, Commands: b.commands(), Call: b.call,
		})
		if err == nil {
			err = s.Run(t.Context())
		}
		const want = "number 1\nnumber 2\n" +
			"^\n% frob is not a command here\n" +
			"Wipe everything? [confirm]wiped by ann on ttyS0\n" +
			"number 1\n"
		if got := out.String(); err != nil || got != want {
			t.Errorf("Run = %q, %v; want %q", got, err, want)
		}
	})
}

// TestGuestIsAudited: what somebody looks at who came over COM is written down as
// well, and secrets are not.
func TestGuestIsAudited(t *testing.T) {
	for user, want := range map[string][]string{
		"ann":          {"redeem *****"},
		model.COMAdmin: {"enable", "show numbers 2", "redeem *****"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBox(t, t.TempDir())
			login := *b.login
			login.Operator.User = user
			s, err := console.New(console.Settings{
				In: strings.NewReader("enable\nshow numbers 2\nredeem abcde\nterminal length 0\nexit\n"), Out: io.Discard, Silent: true,
				Login: &login, Grammar: grammar, Commands: b.commands(), Call: b.call,
			})
			if err == nil {
				err = s.Run(t.Context())
			}
			if err != nil || !slices.Equal(b.audit, want) {
				t.Errorf("of %s control is told %q, %v; want %q", user, b.audit, err, want)
			}
		})
	}
}
