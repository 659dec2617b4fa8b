package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Word is anything without blanks. Its value is a string.
type Word struct {
	Max int // the longest, in octets
}

// Parse takes the word as it is.
func (t Word) Parse(word string) (any, error) {
	if len(word) > t.Max {
		return nil, fmt.Errorf("%s has more than %d octets", word, t.Max)
	}
	return word, nil
}

// Format prints the word.
func (Word) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Word) String() string { return "WORD" }

// HTTPS is the address of a server that is reached over HTTPS: host, port and
// path, and nothing that could carry a secret. Its value is a string.
type HTTPS struct{}

// httpsMax is the longest address, in octets.
const httpsMax = 256

// Parse reads an address.
func (HTTPS) Parse(word string) (any, error) {
	if err := checkHTTPS(word); err != nil {
		return nil, fmt.Errorf("%s is not like https://server.example.com: %w", word, err)
	}
	return word, nil
}

// checkHTTPS says which rule an address breaks.
func checkHTTPS(word string) error {
	u, err := url.Parse(word)
	switch {
	case err != nil:
		return errors.New("it is no URL")
	case len(word) > httpsMax:
		return fmt.Errorf("it has more than %d octets", httpsMax)
	case u.Scheme != "https":
		return errors.New("it does not begin with https://")
	case u.User != nil || u.ForceQuery || u.RawQuery != "" || strings.Contains(word, "#"):
		return errors.New("it has more than a host, a port and a path")
	}
	if _, err := (Host{}).Parse(u.Hostname()); err != nil {
		return err
	}
	if u.Port() != "" {
		_, err = Port.Parse(u.Port())
	}
	return err
}

// Format prints the address.
func (HTTPS) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (HTTPS) String() string { return "URL" }

// Expression is a regular expression in the syntax of RE2, without blanks. Its
// value is a string.
type Expression struct{}

// expressionMax is the longest expression, in octets.
const expressionMax = 256

// Parse reads an expression.
func (Expression) Parse(word string) (any, error) {
	if len(word) > expressionMax {
		return nil, fmt.Errorf("%s has more than %d octets", word, expressionMax)
	}
	if _, err := regexp.Compile(word); err != nil {
		return nil, fmt.Errorf("%s is not a regular expression: %w", word, err)
	}
	return word, nil
}

// Format prints the expression.
func (Expression) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Expression) String() string { return "REGEX" }

// QValue is a preference from 0.0 to 1.0 with three digits at most (RFC 3261
// §25.1). Its value is an int, in thousandths.
type QValue struct{}

var qValue = regexp.MustCompile(`^(?:0(?:\.[0-9]{1,3})?|1(?:\.0{1,3})?)$`)

// Parse reads a preference.
func (QValue) Parse(word string) (any, error) {
	if !qValue.MatchString(word) {
		return nil, fmt.Errorf("%s is not between 0.0 and 1.0 with three digits at most", word)
	}
	whole, fraction, _ := strings.Cut(word, ".")
	n, err := strconv.Atoi(whole + (fraction + "000")[:3])
	return n, err
}

// Format prints the preference with one digit at least.
func (QValue) Format(value any) string {
	n, _ := value.(int)
	fraction := strings.TrimRight(fmt.Sprintf("%03d", n%1000), "0")
	return fmt.Sprintf("%d.%s", n/1000, fraction+"0"[min(1, len(fraction)):])
}

// String gives the bounds.
func (QValue) String() string { return "<0.0-1.0>" }

// HostPort is a host with or without a port: "192.0.2.1", "gw.example.com:5070",
// "[2001:db8::1]:5060". The host is not looked at further. Its value is a HostAndPort.
type HostPort struct{}

// HostAndPort is the value of a HostPort.
type HostAndPort struct {
	Host string
	Port int // 0: none
}

// Parse reads a host and its port.
func (HostPort) Parse(word string) (any, error) {
	v := HostAndPort{Host: word}
	if strings.HasPrefix(word, "[") && strings.HasSuffix(word, "]") {
		v.Host = word[1 : len(word)-1]
	}
	if host, port, err := net.SplitHostPort(word); err == nil {
		n, err := Port.Parse(port)
		if err != nil {
			return nil, fmt.Errorf("the port of %s is not between 1 and 65535", word)
		}
		v = HostAndPort{host, n.(int)}
	}
	host, err := Host{}.Parse(v.Host)
	switch {
	case err == nil:
		v.Host = host.(string)
	case v.Host != word || v.Port != 0 || !isName(v.Host, serverNameMax):
		return nil, fmt.Errorf("%s is neither a host nor a host and a port", word)
	}
	return v, nil
}

// serverNameMax is the longest name of a server group, which may stand for a host.
const serverNameMax = 64

// Format prints the host and, if there is one, the port.
func (HostPort) Format(value any) string {
	v, _ := value.(HostAndPort)
	if v.Port == 0 {
		return v.Host
	}
	return net.JoinHostPort(v.Host, strconv.Itoa(v.Port))
}

// String gives the notation.
func (HostPort) String() string { return "HOST[:PORT]" }

// HostPort gives the value of a HostPort.
func (a Args) HostPort(name string) HostAndPort { return value[HostAndPort](a, name) }

// Prefix is an address or a network in either family: "192.0.2.0/24". Its
// value is a netip.Prefix without host bits.
type Prefix struct{}

// Parse reads an address or a network.
func (Prefix) Parse(word string) (any, error) {
	if addr, err := netip.ParseAddr(word); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(word)
	if err != nil || prefix.Addr().Is4In6() {
		return nil, fmt.Errorf("%s is neither an IP address nor a network", word)
	}
	if prefix != prefix.Masked() {
		return nil, fmt.Errorf("%s has bits of a host; the network is %v", word, prefix.Masked())
	}
	return prefix, nil
}

// Format prints the network, or the address alone where it is one.
func (Prefix) Format(value any) string {
	prefix, _ := value.(netip.Prefix)
	if prefix.IsSingleIP() {
		return prefix.Addr().String()
	}
	return prefix.String()
}

// String gives the notation.
func (Prefix) String() string { return "ADDRESS[/LENGTH]" }

// TimeOfDay is a time from 00:00 to 23:59. Its value is an int, the minutes
// since midnight.
type TimeOfDay struct{}

// Parse reads a time.
func (TimeOfDay) Parse(word string) (any, error) {
	at, err := time.Parse("15:04", word)
	if err != nil {
		return nil, fmt.Errorf("%s is not a time of day from 00:00 to 23:59", word)
	}
	return at.Hour()*60 + at.Minute(), nil
}

// Format prints the time.
func (TimeOfDay) Format(value any) string {
	minutes, _ := value.(int)
	return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
}

// String gives the notation.
func (TimeOfDay) String() string { return "HH:MM" }

// DateTime is a date with a time in the form of iCalendar (RFC 5545 §3.3.5):
// local, or UTC with a Z behind it. Its value is a string.
type DateTime struct{}

// Parse reads a date with a time.
func (DateTime) Parse(word string) (any, error) {
	if _, err := time.Parse("20060102T150405", strings.TrimSuffix(word, "Z")); err != nil {
		return nil, fmt.Errorf("%s is not a date and time such as 20260131T235959", word)
	}
	return word, nil
}

// Format prints it.
func (DateTime) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (DateTime) String() string { return "YYYYMMDDTHHMMSS[Z]" }
