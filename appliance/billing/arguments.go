package billing

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// hour is an hour, or an hour and a minute with a colon. Its value is a
// model.TimeOfDay.
type hour struct{}

// Parse reads "22", "7" or "22:30".
func (hour) Parse(word string) (any, error) {
	hours, minutes, both := strings.Cut(word, ":")
	at := model.TimeOfDay{}
	var ok, okToo bool
	at.Hour, ok = clockPart(hours, 23)
	if at.Minute, okToo = clockPart(minutes, 59); !ok || both != okToo {
		return nil, fmt.Errorf("%s is neither an hour from 0 to 23 nor a time of day", word)
	}
	return at, nil
}

// clockPart reads one or two digits.
func clockPart(digits string, most int) (n int, ok bool) {
	n, err := strconv.Atoi(digits)
	return n, err == nil && len(digits) <= 2 && '0' <= digits[0] && digits[0] <= '9' && n <= most
}

// Format prints the hour, and the minute where there is one.
func (hour) Format(value any) string {
	at, _ := value.(model.TimeOfDay)
	if at.Minute == 0 {
		return strconv.Itoa(at.Hour)
	}
	return fmt.Sprintf("%d:%02d", at.Hour, at.Minute)
}

// String gives the notation.
func (hour) String() string { return "HH[:MM]" }

// minute is a minute of an hour. Its value is an int.
type minute struct{}

// Parse reads one or two digits.
func (minute) Parse(word string) (any, error) {
	n, ok := clockPart(word, 59)
	if !ok {
		return nil, fmt.Errorf("%s is not a minute from 0 to 59", word)
	}
	return n, nil
}

// Format prints the minute.
func (minute) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (minute) String() string { return "MM" }

// ipv6 is an IPv6 address without a zone. Its value is a netip.Addr.
type ipv6 struct{}

// Parse reads an address.
func (ipv6) Parse(word string) (any, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" {
		return nil, fmt.Errorf("%s is not an IPv6 address", word)
	}
	return addr, nil
}

// Format prints the address.
func (ipv6) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (ipv6) String() string { return "X:X::X" }

// volumeDirectory is a directory on a volume, as it is typed. Its value is a string.
type volumeDirectory struct{ slash bool } // slash: one below the volume has a slash at the end (seed 003)

var (
	cacheDirectory = volumeDirectory{slash: true}
	cdrDirectory   = volumeDirectory{}
)

// Parse reads a path by the rules of storage.ParsePath.
func (t volumeDirectory) Parse(word string) (any, error) {
	path, err := storage.ParsePath(word)
	switch {
	case err != nil:
		return nil, err
	case t.slash && !path.IsVolume() && !strings.HasSuffix(word, "/"):
		return nil, fmt.Errorf("%s is not a directory: the slash at its end is missing", word)
	}
	return word, nil
}

// Format prints the path.
func (volumeDirectory) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (t volumeDirectory) String() string {
	if t.slash {
		return "VOLUME:[DIRECTORY/]"
	}
	return "VOLUME:DIRECTORY"
}

// sftpURL is a directory that files are sent to. Its value is a string.
type sftpURL struct{}

// sftpURLMax is the longest URL, in octets.
const sftpURLMax = 256

// Parse reads a URL such as "sftp://user@192.0.2.1:2222/cdr/". A password in
// it is refused without repeating it.
func (sftpURL) Parse(word string) (any, error) {
	u, err := url.Parse(word)
	if err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			return nil, fmt.Errorf("a URL has no password: it is typed after it, as password SECRET")
		}
	}
	if err != nil || len(word) > sftpURLMax || u.Scheme != "sftp" || u.User.Username() == "" || u.Path == "" || u.RawQuery+u.Fragment != "" {
		return nil, fmt.Errorf("%s is not a URL such as sftp://user@192.0.2.1/cdr/", word)
	}
	if _, err := (config.Host{}).Parse(u.Hostname()); err != nil {
		return nil, fmt.Errorf("%s names no host: %w", word, err)
	}
	if port := u.Port(); port != "" {
		if _, err := config.Port.Parse(port); err != nil {
			return nil, fmt.Errorf("%s: port %w", word, err)
		}
	}
	return word, nil
}

// Format prints the URL.
func (sftpURL) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (sftpURL) String() string { return "sftp://USER@HOST[:PORT]/DIRECTORY" }

// hostKey is the fingerprint of an SSH host key as OpenSSH prints it: SHA-256
// in base64 without padding (RFC 4648 §3.2). Its value is a string.
type hostKey struct{}

const hostKeyPrefix = "SHA256:"

// Parse reads a fingerprint.
func (hostKey) Parse(word string) (any, error) {
	encoded, ok := strings.CutPrefix(word, hostKeyPrefix)
	octets, err := base64.RawStdEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(octets) != 32 {
		return nil, fmt.Errorf("%s is not a fingerprint: %s and 43 characters of base64", word, hostKeyPrefix)
	}
	return word, nil
}

// Format prints the fingerprint.
func (hostKey) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (hostKey) String() string { return hostKeyPrefix + "FINGERPRINT" }
