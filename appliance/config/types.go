package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"causeway/appliance/model"
)

// Integer is a decimal number from Min to Max. Its value is an int.
type Integer struct{ Min, Max int }

// Port is a TCP or UDP port number.
var Port = Integer{1, 65535}

// Parse reads a number in the range, as Format writes it: "007" and "+5060" are
// slips of the hand.
func (t Integer) Parse(word string) (any, error) {
	n, err := strconv.Atoi(word)
	switch digits := strings.TrimPrefix(word, "-"); {
	case digits == "" || strings.Trim(digits, "0123456789") != "":
		return nil, fmt.Errorf("%s is not a number from %d to %d", word, t.Min, t.Max)
	case err != nil || n < t.Min || n > t.Max:
		return nil, fmt.Errorf("%s is not between %d and %d", word, t.Min, t.Max)
	case strconv.Itoa(n) != word:
		return nil, fmt.Errorf("%s is not a number from %d to %d without leading zeros", word, t.Min, t.Max)
	}
	return n, nil
}

// Format prints the number.
func (t Integer) Format(value any) string { return fmt.Sprint(value) }

// String gives the range.
func (t Integer) String() string { return fmt.Sprintf("<%d-%d>", t.Min, t.Max) }

// IPv4 is an IPv4 address in dotted notation. Its value is a netip.Addr.
type IPv4 struct{}

// Parse reads an IPv4 address.
func (IPv4) Parse(word string) (any, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil || !addr.Is4() {
		return nil, fmt.Errorf("%s is not an IPv4 address", word)
	}
	return addr, nil
}

// Format prints the address.
func (IPv4) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (IPv4) String() string { return "A.B.C.D" }

// Address is an IPv4 or IPv6 address without a zone. Its value is a netip.Addr.
type Address struct{}

// Parse reads an address; an IPv4-mapped one becomes the IPv4 address that it is.
func (Address) Parse(word string) (any, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil || addr.Zone() != "" {
		return nil, fmt.Errorf("%s is not an IP address", word)
	}
	return addr.Unmap(), nil
}

// Format prints the address.
func (Address) Format(value any) string { return fmt.Sprint(value) }

// String gives the notations.
func (Address) String() string { return "A.B.C.D|X:X::X" }

// Mask is a contiguous IPv4 mask. Its value is the prefix length, an int from 0 to 32.
type Mask struct{}

// Parse reads a mask such as 255.255.255.0.
func (Mask) Parse(word string) (any, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil || !addr.Is4() {
		return nil, fmt.Errorf("%s is not a mask", word)
	}
	octets := addr.As4()
	ones, size := net.IPMask(octets[:]).Size()
	if size == 0 {
		return nil, fmt.Errorf("%s is not a contiguous mask", word)
	}
	return ones, nil
}

// Format prints the mask of that length.
func (Mask) Format(value any) string {
	length, _ := value.(int)
	return net.IP(net.CIDRMask(length, 32)).String()
}

// String gives the notation.
func (Mask) String() string { return "MASK" }

// Label is one label of a host name (RFC 1123 §2.1): 1–63 letters, digits and
// inner hyphens. Its value is a string.
type Label struct{}

// Parse reads a label.
func (Label) Parse(word string) (any, error) {
	if !isLabel(word) {
		return nil, fmt.Errorf("%s is not a host name of 1 to 63 letters, digits and inner hyphens", word)
	}
	return word, nil
}

// Format prints the label.
func (Label) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Label) String() string { return "LABEL" }

// Host is an IP address or a host name with or without a domain (RFC 1123
// §2.1). Its value is a string.
type Host struct{}

// hostNameMax is the longest host name, in characters (RFC 1123 §2.1).
const hostNameMax = 253

// Parse reads an address or a host name. A name whose last label is a number
// would be taken for a mistyped address, and is refused as one.
func (Host) Parse(word string) (any, error) {
	if addr, err := netip.ParseAddr(word); err == nil && addr.Zone() == "" {
		return addr.Unmap().String(), nil
	}
	labels := strings.Split(word, ".")
	last := labels[len(labels)-1]
	valid := len(word) <= hostNameMax && strings.Trim(last, "0123456789") != ""
	for _, label := range labels {
		valid = valid && isLabel(label)
	}
	if !valid {
		return nil, fmt.Errorf("%s is neither an IP address nor a host name", word)
	}
	return word, nil
}

// Format prints the host.
func (Host) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Host) String() string { return "HOST" }

func isLabel(s string) bool {
	if len(s) < 1 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return consistsOf(s, "-")
}

// Name is the name of something configured: letters, digits, dots, hyphens
// and underscores; upper and lower case differ. Its value is a string.
type Name struct {
	Max int // the longest, in characters; 32 if zero
}

// Parse reads a name.
func (t Name) Parse(word string) (any, error) {
	longest := cmp.Or(t.Max, 32)
	if !isName(word, longest) {
		return nil, fmt.Errorf("%s is not a name of 1 to %d letters, digits, dots, hyphens and underscores", word, longest)
	}
	return word, nil
}

// Format prints the name.
func (Name) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (Name) String() string { return "NAME" }

func isName(s string, longest int) bool { return len(s) <= longest && consistsOf(s, "._-") }

// consistsOf reports whether s holds ASCII letters, digits and others only.
func consistsOf(s, others string) bool {
	for _, r := range s {
		alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !alphanumeric && !strings.ContainsRune(others, r) {
			return false
		}
	}
	return true
}

// Choice is one of a few words; upper and lower case are the same, and a
// beginning that fits only one of them stands for it. Its value is the word as
// declared.
type Choice []string

// Parse reads one of the words.
func (t Choice) Parse(word string) (any, error) {
	var found []string
	for _, choice := range t {
		if strings.EqualFold(choice, word) {
			return choice, nil
		}
		if hasPrefixFold(choice, word) {
			found = append(found, choice)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s is not one of %v", word, t)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%s is ambiguous: %s", word, strings.Join(found, ", "))
}

// Format prints the word.
func (t Choice) Format(value any) string { return fmt.Sprint(value) }

// String gives the words in braces.
func (t Choice) String() string { return "{" + strings.Join(t, "|") + "}" }

// Known gives the words, for completion.
func (t Choice) Known() []string { return t }

// LAN is a port of the appliance, or a VLAN on it as in "LAN1.100". Its value
// is a model.Port.
type LAN struct{}

// Parse reads the name of a port.
func (LAN) Parse(word string) (any, error) {
	port, err := model.ParsePort(strings.ToUpper(word))
	if err != nil {
		return nil, err
	}
	return port, nil
}

// Format prints the name.
func (LAN) Format(value any) string { return fmt.Sprint(value) }

// String gives the names.
func (LAN) String() string { return "{LAN1|LAN2}[.VLAN]" }

// Known gives the ports without VLANs, for completion.
func (LAN) Known() []string { return []string{model.LAN1.String(), model.LAN2.String()} }

// Prefix6 is an IPv6 address with a prefix length. Its value is a netip.Prefix
// that keeps the host's part.
type Prefix6 struct{}

// Parse reads an address and a prefix length.
func (Prefix6) Parse(word string) (any, error) {
	prefix, err := netip.ParsePrefix(word)
	if err != nil || !prefix.Addr().Is6() || prefix.Addr().Is4In6() {
		return nil, fmt.Errorf("%s is not an IPv6 address with a prefix length", word)
	}
	return prefix, nil
}

// Format prints address and length.
func (Prefix6) Format(value any) string { return fmt.Sprint(value) }

// String gives the notation.
func (Prefix6) String() string { return "X:X::X/<0-128>" }

// Line is the rest of the line, blanks included. Its value is a string.
type Line struct {
	// Quoted says that quotes around the whole text are not part of it, so that
	// "" stands for an empty one.
	Quoted bool
}

// Parse takes the text as it is.
func (t Line) Parse(text string) (any, error) {
	if t.Quoted && inQuotes(text) {
		return text[1 : len(text)-1], nil
	}
	return text, nil
}

// Format prints the text.
func (t Line) Format(value any) string {
	text := fmt.Sprint(value)
	if t.Quoted && (text == "" || inQuotes(text) || strings.Trim(text, " \t") != text) {
		return `"` + text + `"`
	}
	return text
}

func inQuotes(s string) bool {
	return len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"'
}

// String gives the placeholder.
func (Line) String() string { return "LINE" }
