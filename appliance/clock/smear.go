package clock

import (
	"fmt"
	"strings"
)

// smear is how a server brings a leap second about.
type smear uint8

// The ways.
const (
	leaps      smear = iota // at once, announced by the leap indicator: what NTP means
	noonToNoon              // linear over 24 h, from noon to noon UTC around it
	afterwards              // over many hours that begin with it
	notTheSame = "their times differ by up to a second around a leap second (NET-13)"
)

// String says what it does.
func (s smear) String() string {
	switch s {
	case noonToNoon:
		return "smears a leap second from noon to noon"
	case afterwards:
		return "smears a leap second after it"
	}
	return "does not smear leap seconds"
}

// smearing are the public services that smear. All others count as servers
// that do not.
var smearing = map[string]smear{
	"time.google.com":    noonToNoon,
	"time1.google.com":   noonToNoon,
	"time2.google.com":   noonToNoon,
	"time3.google.com":   noonToNoon,
	"time4.google.com":   noonToNoon,
	"time.android.com":   noonToNoon,
	"216.239.35.0":       noonToNoon, // time1 to time4.google.com
	"216.239.35.4":       noonToNoon,
	"216.239.35.8":       noonToNoon,
	"216.239.35.12":      noonToNoon,
	"2001:4860:4806::":   noonToNoon,
	"2001:4860:4806:4::": noonToNoon,
	"2001:4860:4806:8::": noonToNoon,
	"2001:4860:4806:c::": noonToNoon,
	"time.aws.com":       noonToNoon,
	"0.time.aws.com":     noonToNoon,
	"1.time.aws.com":     noonToNoon,
	"2.time.aws.com":     noonToNoon,
	"3.time.aws.com":     noonToNoon,
	"169.254.169.123":    noonToNoon, // inside Amazon's cloud
	"fd00:ec2::123":      noonToNoon,
	"time.facebook.com":  afterwards,
	"time1.facebook.com": afterwards,
	"time2.facebook.com": afterwards,
	"time3.facebook.com": afterwards,
	"time4.facebook.com": afterwards,
	"time5.facebook.com": afterwards,
}

// smearOf says what a configured server does.
func smearOf(server string) smear {
	return smearing[strings.TrimSuffix(strings.ToLower(server), ".")]
}

// notMixed reports that server cannot be in one set with the first of it.
func notMixed(first, server string) error {
	if a, b := smearOf(first), smearOf(server); a != b {
		return fmt.Errorf("%s %v and %s %v: %s", first, a, server, b, notTheSame)
	}
	return nil
}
