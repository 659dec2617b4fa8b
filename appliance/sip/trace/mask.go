package trace

import "bytes"

// mask overwrites what must not be known to who reads a trace, in place: so
// all lengths stay true. It reads messages of any shape, since who sends one
// may have got it wrong.
//
//   - In Authorization and Proxy-Authorization (RFC 3261 §20.7, §20.28) and the
//     infos that answer them, each parameter that is not in harmless, above all
//     the response; of a scheme other than Digest everything.
//   - In SDP the keys of media (RFC 4568, 4567, 8839; k= of RFC 4566).
func mask(message []byte) {
	for len(message) > 0 {
		line := wholeLine(message)
		if value, digest := credentials(line); value != nil {
			if digest {
				maskParameters(value)
			} else {
				blot(value)
			}
		} else {
			maskSDP(line)
		}
		message = message[len(line):]
	}
}

// wholeLine gives the first line with its end, and the lines that continue it.
func wholeLine(message []byte) []byte {
	end := 0
	for {
		end += lineLength(message[end:])
		if end == len(message) || message[end] != ' ' && message[end] != '\t' {
			return message[:end]
		}
	}
}

// lineLength is that of the first line with its end, which is CRLF or one of
// the two.
func lineLength(text []byte) int {
	end := len(text)
	if feed := bytes.IndexByte(text, '\n'); feed >= 0 {
		end = feed + 1
	}
	if cr := bytes.IndexByte(text[:end], '\r'); cr >= 0 && cr+2 != end {
		end = cr + 1
	}
	return end
}

// fieldsWithCredentials are in lower case. Those that begin with a scheme have
// the value true.
var fieldsWithCredentials = []struct {
	name   string
	scheme bool
}{
	{"authorization", true},
	{"proxy-authorization", true},
	{"authentication-info", false},
	{"proxy-authentication-info", false},
}

// credentials gives what follows the scheme in a header field that has some,
// and whether it has the form of Digest (RFC 7616 §3.4).
func credentials(line []byte) (value []byte, digest bool) {
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found {
		return nil, false
	}
	name = bytes.TrimRight(name, " \t\r\n")
	for _, field := range fieldsWithCredentials {
		if !bytes.EqualFold(name, []byte(field.name)) {
			continue
		}
		if !field.scheme {
			return value, true
		}
		value = bytes.TrimLeft(value, blanks)
		scheme := value[:token(value)]
		return value[len(scheme):], bytes.EqualFold(scheme, []byte("digest"))
	}
	return nil, false
}

const blanks = " \t\r\n"

// harmless are the parameters of Digest that tell no secret, in lower case.
var harmless = []string{"username", "realm", "nonce", "nextnonce", "uri", "qop", "nc", "cnonce", "algorithm", "opaque", "stale", "userhash"}

// maskParameters masks the values of parameters that are not harmless, and all
// that follows the first fault.
func maskParameters(text []byte) {
	for {
		text = bytes.TrimLeft(text, blanks+",")
		if len(text) == 0 {
			return
		}
		name := text[:token(text)]
		rest := bytes.TrimLeft(text[len(name):], blanks)
		if len(name) == 0 || len(rest) == 0 || rest[0] != '=' {
			blot(text)
			return
		}
		rest = bytes.TrimLeft(rest[1:], blanks)
		length, ok := parameterValue(rest)
		if !ok {
			blot(rest)
			return
		}
		switch {
		case isHarmless(name):
		case rest[0] == '"':
			blot(rest[1 : length-1]) // the message keeps its shape
		default:
			blot(rest[:length])
		}
		text = rest[length:]
	}
}

// parameterValue gives the length of the token or quoted string that text
// begins with. Before the next parameter there must be a comma.
func parameterValue(text []byte) (length int, ok bool) {
	if length = token(text); length == 0 {
		if length = quoted(text); length == 0 {
			return 0, false
		}
	}
	next := bytes.TrimLeft(text[length:], blanks)
	return length, len(next) == 0 || next[0] == ','
}

// token gives the length of the token that text begins with (RFC 3261 §25.1).
func token(text []byte) int {
	for i, c := range text {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && bytes.IndexByte([]byte("-.!%*_+`'~"), c) < 0 {
			return i
		}
	}
	return len(text)
}

// quoted gives the length of the quoted string that text begins with; 0 if
// there is none.
func quoted(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		return 0
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1
		case '\\':
			i++
		}
	}
	return 0
}

func isHarmless(name []byte) bool {
	for _, known := range harmless {
		if len(name) == len(known) && bytes.EqualFold(name, []byte(known)) {
			return true
		}
	}
	return false
}

// secretsOfSDP say where the secret begins in a line: after what it begins
// with, or after the word that follows that.
var secretsOfSDP = []struct{ line, word string }{
	{"a=crypto:", "inline:"},
	{"a=key-mgmt:", " "},
	{"a=ice-pwd:", ""},
	{"k=", ""},
}

func maskSDP(line []byte) {
	for _, secret := range secretsOfSDP {
		if len(line) < len(secret.line) || !bytes.EqualFold(line[:len(secret.line)], []byte(secret.line)) {
			continue
		}
		rest := line[len(secret.line):]
		if _, after, found := bytes.Cut(rest, []byte(secret.word)); found {
			rest = after
		}
		blot(rest)
	}
}

// blot overwrites text with asterisks, but for line ends: the message keeps its
// lines.
func blot(text []byte) {
	for i, c := range text {
		if c != '\r' && c != '\n' {
			text[i] = '*'
		}
	}
}
