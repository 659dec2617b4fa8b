package access

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"causeway/appliance/config"
)

// The bounds of the policy.
const (
	passwordMin = 8  // characters
	phraseMin   = 16 // characters of one that need not be mixed
	classesMin  = 3  // of the four classes, in one that is shorter
	repeatMax   = 3  // times the same character in a row
)

// allowed is the policy as the command line asks it.
func allowed(a config.Args, password string) error { return checkPassword(a.Text("USER"), password) }

// passwordRules are what a password must keep to, each with what is said of one
// that does not: never anything of the password itself.
var passwordRules = []struct {
	broken func(user, password string) bool
	rule   string
}{
	{func(_, p string) bool { return utf8.RuneCountInString(p) < passwordMin },
		fmt.Sprintf("a password has at least %d characters", passwordMin)},
	{func(_, p string) bool { return isWellKnown(p) },
		"the password is one of those that everybody tries first"},
	{namesUser,
		"the password has the name of the user in it"},
	{func(_, p string) bool { return longestRun(p) > repeatMax },
		fmt.Sprintf("a password has no character more than %d times in a row", repeatMax)},
	{func(_, p string) bool { return utf8.RuneCountInString(p) < phraseMin && classes(p) < classesMin },
		fmt.Sprintf("a password of less than %d characters has three of these four: small letters, capitals, digits, others", phraseMin)},
}

// checkPassword gives the first rule that the password of a user breaks.
func checkPassword(user, password string) error {
	for _, r := range passwordRules {
		if r.broken(user, password) {
			return errors.New(r.rule)
		}
	}
	return nil
}

// wellKnown are the words that guessing begins with, among them those that the
// documents of such products print as examples, without the figures and signs
// that people put around them.
var wellKnown = []string{
	"abc", "abcd", "abcde", "abcdef", "abcdefgh", "admin", "administrator", "asdf", "asdfgh", "asdfghjkl", "avaya", "causeway",
	"changeit", "changeme", "cisco", "cusp", "default", "guest", "hello", "iloveyou", "letmein", "login", "master", "monkey",
	"operator", "pass", "passw", "password", "passwort", "qwer", "qwert", "qwerty", "qwertyuiop", "qwertz", "root", "secret",
	"sftpuser", "sip", "start", "support", "system", "telephone", "temp", "test", "testing", "user", "welcome", "welcometo", "zaq",
}

// isWellKnown reports whether nothing is left of a password but a well-known
// word, figures and signs.
func isWellKnown(password string) bool {
	notLetter := func(r rune) bool { return !unicode.IsLetter(r) }
	return slices.Contains(wellKnown, plainLetters(strings.TrimFunc(password, notLetter))) ||
		slices.Contains(wellKnown, strings.TrimFunc(plainLetters(password), notLetter))
}

// namesUser reports whether the name of the user is in the password, forwards
// or backwards, in capitals or with figures for letters. A name of one or two
// characters is in too many.
func namesUser(user, password string) bool {
	name, text := plainLetters(user), plainLetters(password)
	backwards := []rune(name)
	slices.Reverse(backwards)
	return len(name) > 2 && (strings.Contains(text, name) || strings.Contains(text, string(backwards)))
}

// plainLetters gives the text in small letters, with a letter for each figure
// or sign that people write for one.
func plainLetters(text string) string {
	return strings.NewReplacer("0", "o", "1", "i", "!", "i", "3", "e", "4", "a", "@", "a", "5", "s", "$", "s", "7", "t").
		Replace(strings.ToLower(text))
}

// longestRun is how often one character stands in a row at the most.
func longestRun(text string) (longest int) {
	var last rune
	run := 0
	for _, r := range text {
		if r != last {
			run = 0
		}
		last, run = r, run+1
		longest = max(longest, run)
	}
	return longest
}

// classes counts which of small letters, capitals, digits and others are there.
func classes(text string) (n int) {
	for _, in := range []func(rune) bool{unicode.IsLower, unicode.IsUpper, unicode.IsDigit, isOther} {
		if strings.ContainsFunc(text, in) {
			n++
		}
	}
	return n
}

func isOther(r rune) bool { return !unicode.IsLower(r) && !unicode.IsUpper(r) && !unicode.IsDigit(r) }
