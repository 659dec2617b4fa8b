package message

// class is a set of classes of octets. An octet may be in several.
type class uint16

// The classes.
const (
	tokenClass class = 1 << iota // token (RFC 3261 §25.1)
	lwsClass                     // white space; CR and LF stand for the fold they are part of
	digitClass
	hostClass  // host name or IPv4 address, and the underscore that is found in practice
	hex6Class  // inside the brackets of an IPv6 address
	uriClass   // anything that can stand in a URI without ending or breaking it
	restClass  // the same but @, which ends the user part and may stand nowhere else
	valueClass // parameter value that is not quoted: wider than a token, but nothing that could end it
	wordClass  // Call-ID
	phoneClass // telephone number with its visual separators
)

// classes gives the classes of each octet.
var classes = classTable()

func classTable() (table [256]class) {
	add := func(c class, octets string) {
		for i := range len(octets) {
			table[octets[i]] |= c
		}
	}
	const (
		digits  = "0123456789"
		hexes   = digits + "abcdefABCDEF"
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	add(tokenClass, letters+digits+"-.!%*_+`'~")
	add(lwsClass, " \t\r\n")
	add(digitClass, digits)
	add(hostClass, letters+digits+"-._")
	add(hex6Class, hexes+":.")
	add(phoneClass, digits+"+*#-.()")
	for c := '!'; c <= 0xff; c++ {
		if c == 0x7f {
			continue
		}
		table[c] |= uriClass | restClass | valueClass | wordClass
	}
	for _, c := range []byte(`"<>`) {
		table[c] &^= uriClass | restClass | valueClass
	}
	table['@'] &^= restClass
	for _, c := range []byte(`;,`) {
		table[c] &^= valueClass
	}
	return table
}

// is says whether the octet is in the class.
func is(c class, octet byte) bool { return classes[octet]&c != 0 }

// skip gives the offset of the first octet from at on that is not in the class.
func skip(c class, raw []byte, at, end int) int {
	for at < end && classes[raw[at]]&c != 0 {
		at++
	}
	return at
}

// trim takes the white space off both ends of raw[at:end]; of nothing but white
// space the place before it is left.
func trim(raw []byte, at, end int) Span {
	start := skip(lwsClass, raw, at, end)
	if start == end {
		return span(at, at)
	}
	for is(lwsClass, raw[end-1]) {
		end--
	}
	return span(start, end)
}

func span(start, end int) Span { return Span{uint16(start), uint16(end)} }

// skipQuoted gives the offset after the quoted string that begins at at.
func skipQuoted(raw []byte, at, end int) (int, error) {
	for at++; at < end; at++ {
		switch raw[at] {
		case '"':
			return at + 1, nil
		case '\\':
			at++
		}
	}
	return end, errQuote
}

// equalFold says whether text is lower in any case of its ASCII letters.
func equalFold(text []byte, lower string) bool {
	if len(text) != len(lower) {
		return false
	}
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasPrefixFold says whether text begins with lower in any case.
func hasPrefixFold(text []byte, lower string) bool {
	return len(text) >= len(lower) && equalFold(text[:len(lower)], lower)
}

// IsToken says whether text is a token (RFC 3261 §25.1), as the names of header
// fields and parameters are.
func IsToken(text string) bool {
	for i := range len(text) {
		if !is(tokenClass, text[i]) {
			return false
		}
	}
	return text != ""
}

// sameName says whether two field names are equal in any case.
func sameName(text []byte, name string) bool {
	if len(text) != len(name) {
		return false
	}
	for i, c := range text {
		if c|0x20 != name[i]|0x20 { // exact: no two octets of a token differ in that bit but letters
			return false
		}
	}
	return true
}

// number reads text as 1*DIGIT of at most limit.
func number(text []byte, limit uint64) (uint64, bool) {
	var n uint64
	for _, c := range text {
		if !is(digitClass, c) {
			return 0, false
		}
		if n = n*10 + uint64(c-'0'); n > limit {
			return 0, false
		}
	}
	return n, len(text) > 0
}

// scanHost reads a host: a name, an IPv4 address, or an IPv6 address in
// brackets (which stay in the span). ok is false if there is none.
func scanHost(raw []byte, at, end int) (host Span, next int, ok bool) {
	if at < end && raw[at] == '[' {
		next = skip(hex6Class, raw, at+1, end)
		if next == at+1 || next >= end || raw[next] != ']' {
			return Span{}, at, false
		}
		return span(at, next+1), next + 1, true
	}
	next = skip(hostClass, raw, at, end)
	return span(at, next), next, next > at
}

// scanPort reads the digits of a port, 1–65535.
func scanPort(raw []byte, at, end int) (port uint16, next int, ok bool) {
	next = skip(digitClass, raw, at, end)
	n, ok := number(raw[at:next], 65535)
	return uint16(n), next, ok && n != 0
}
