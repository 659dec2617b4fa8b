package callhome

import (
	"net/mail"
	"strings"
	"testing"
)

// FuzzEmails: what is taken for addresses stands in a header field and in a line
// of SMTP as it is: each is that address to net/mail, and nothing ends a line,
// a list or an address before its end.
func FuzzEmails(f *testing.F) {
	for _, seed := range []string{
		"noc@example.com", "a@example.com,b@example.com", "a+b@[192.0.2.1]", `"a,b"@example.com`, "a@b\r\nBcc: c@d", "Ann <a@b>", "a@xn--bcher-kva.example", "a@b,a@b", ",", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, word string) {
		value, err := emails{}.Parse(word)
		if err != nil {
			return
		}
		all := value.([]string)
		if got := (emails{}).Format(all); got != word || len(all) == 0 || len(word) > copiesMost {
			t.Errorf("Format(Parse(%q)) = %q", word, got)
		}
		for _, address := range all {
			parsed, err := mail.ParseAddress(address)
			if err != nil || parsed.Name != "" || parsed.Address != address || strings.ContainsAny(address, "\x00\r\n\t ,;<>()\"\\") {
				t.Errorf("%q is taken for an address; to net/mail it is %v, %v", address, parsed, err)
			}
			if list, err := mail.ParseAddressList(word); err != nil || len(list) != len(all) {
				t.Errorf("%q is a list of %d; to net/mail it is %v, %v", word, len(all), list, err)
			}
		}
	})
}
