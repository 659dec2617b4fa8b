package callhome

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"causeway/appliance/config"
)

// emailMost is the longest e-mail address, in octets (RFC 5321 §4.5.3.1.3,
// without the angle brackets).
const emailMost = 254

// email is an e-mail address without a name beside it (RFC 5322 §3.4.1): its
// local part of ASCII and without quotes, its domain a host name. Its value is a
// string.
type email struct{}

// Parse reads an address.
func (email) Parse(word string) (any, error) {
	if err := checkEmail(word); err != nil {
		return nil, fmt.Errorf("%s is not like name@example.com: %w", word, err)
	}
	return word, nil
}

// checkEmail says which rule an address breaks. What it lets through can stand in
// a line of SMTP and in a header field as it is.
func checkEmail(word string) error {
	if len(word) > emailMost {
		return fmt.Errorf("it has more than %d octets", emailMost)
	}
	if strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) }) {
		return errors.New("there is a character in it that has no place there")
	}
	local, domain, _ := strings.Cut(word, "@")
	if parsed, err := mail.ParseAddress(word); err != nil || parsed.Address != local+"@"+domain {
		return errors.New("it is no e-mail address")
	}
	_, err := config.Host{}.Parse(domain)
	return err
}

// Format prints the address.
func (email) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (email) String() string { return "EMAIL" }

// emails are e-mail addresses with commas between. Its value is a []string.
type emails struct{}

// Parse reads the addresses.
func (emails) Parse(word string) (any, error) {
	if len(word) > copiesMost {
		return nil, fmt.Errorf("%s has more than %d characters", word, copiesMost)
	}
	var all []string
	for address := range strings.SplitSeq(word, ",") {
		if err := checkEmail(address); err != nil {
			return nil, fmt.Errorf("%q of %s is not like name@example.com: %w", address, word, err)
		}
		if slices.Contains(all, address) {
			return nil, fmt.Errorf("%s is twice in %s", address, word)
		}
		all = append(all, address)
	}
	return all, nil
}

// Format prints the addresses.
func (emails) Format(value any) string {
	all, _ := value.([]string)
	return strings.Join(all, ",")
}

// String gives the notation.
func (emails) String() string { return "EMAIL[,EMAIL...]" }
