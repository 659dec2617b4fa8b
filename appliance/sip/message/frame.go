package message

import (
	"bytes"
	"math"
)

// MaxHeader is the most that start line and header may take in a stream, in
// octets: what a peer can make us keep before it has said how long its message
// is.
const MaxHeader = 32 << 10

// ping is the keep-alive that a client sends in a stream; the answer is one
// line end (RFC 5626 §3.5.1, §4.4.1).
const ping = "\r\n\r\n"

// Frame finds the first message in b, the octets of a stream that are not
// consumed yet (RFC 3261 §18.3). n is its length, with a line end before it,
// or 0 while more octets are needed; b[:n] is for Parse. Two line ends are a
// ping and a frame of their own.
//
// An error means that nobody can tell where the next message begins: the
// connection is to be closed. If a Content-Length is to blame, n is the length
// of the header, and b[:n] a message that Validate gives the last answer for;
// else n is 0.
func Frame(b []byte) (n int, err error) {
	if bytes.HasPrefix(b, []byte(ping)) {
		return len(ping), nil
	}
	start := 0
	if bytes.HasPrefix(b, []byte("\r\n")) {
		start = len("\r\n")
	}
	if first := bytes.IndexByte(b[start:], '\n'); first >= 0 && !isStartLine(b[start:start+first]) {
		return 0, ErrNotSIP // the peer has lost its place, or never had one
	}
	header := bytes.Index(b[start:], []byte(ping))
	switch {
	case header < 0 && len(b)-start <= MaxHeader:
		return 0, nil
	case header < 0 || header > MaxHeader-len(ping):
		return 0, ErrTooLong
	}
	header += start + len(ping)
	length, err := framedLength(b[start:header])
	switch {
	case err == errLineEnd || err == errNoLength:
		return 0, err
	case err != nil:
		return header, err
	case header+length > math.MaxUint16:
		return header, ErrTooLong
	case header+length > len(b):
		return 0, nil
	}
	return header + length, nil
}

// isStartLine says whether the line names SIP, in any version, where a request
// or status line does.
func isStartLine(line []byte) bool {
	line = bytes.TrimRight(line, " \r")
	last := line[bytes.LastIndexByte(line, ' ')+1:]
	return hasPrefixFold(line, "sip/") || hasPrefixFold(last, "sip/")
}

// framedLength gives the Content-Length in a header, which ends with its empty
// line. Who reads a bare CR or LF as a line end may see another header than we
// do, and so another length.
func framedLength(header []byte) (length int, err error) {
	length = -1
	lines := 0
	for at := 0; at < len(header); lines++ {
		next := at + bytes.IndexByte(header[at:], '\n') + 1
		if next-at < 2 || header[next-2] != '\r' {
			return 0, errLineEnd
		}
		if value, found := lengthField(header, at, next); found && err == nil {
			length, err = sameLength(length, value)
		}
		at = next
	}
	switch {
	case bytes.Count(header, []byte("\r")) != lines:
		return 0, errLineEnd
	case length < 0 && err == nil:
		return 0, errNoLength
	}
	return length, err
}

// lengthField gives the value of the field that begins with the line
// header[at:next] if it is Content-Length.
func lengthField(header []byte, at, next int) (value []byte, found bool) {
	if first := header[at] | 0x20; first != 'c' && first != 'l' {
		return nil, false
	}
	name := skip(tokenClass, header, at, next)
	colon := skip(lwsClass, header, name, next)
	if colon == next || header[colon] != ':' || headerOf(header[at:name]) != HeaderContentLength {
		return nil, false
	}
	for next < len(header) && (header[next] == ' ' || header[next] == '\t') { // folded
		next += bytes.IndexByte(header[next:], '\n') + 1
	}
	return trim(header, colon+1, next).In(header), true
}

// sameLength reads a Content-Length, of which there was one before unless that
// is negative.
func sameLength(before int, value []byte) (length int, err error) {
	n, ok := number(value, math.MaxInt32)
	switch {
	case !ok:
		return before, errNumber
	case before >= 0 && before != int(n):
		return before, errRepeated
	}
	return int(n), nil
}
