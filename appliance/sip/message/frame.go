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
	header, length, err := frameHeader(b[start:])
	if header == 0 {
		return 0, err
	}
	header += start
	switch {
	case err != nil:
		return header, err
	case header+length > math.MaxUint16:
		return header, ErrTooLong
	case header+length > len(b):
		return 0, nil
	}
	return header + length, nil
}

// frameHeader gives the length of start line and header, 0 while they are not
// whole, and the Content-Length. Where a peer reads a bare CR or LF as a line
// end it may see another header than we do, and so another length.
func frameHeader(b []byte) (header, length int, err error) {
	length = -1
	for at, lines := 0, 1; ; lines++ {
		next := at + bytes.IndexByte(b[at:], '\n') + 1
		switch {
		case next == at && len(b) > MaxHeader || next > MaxHeader:
			return 0, 0, ErrTooLong
		case next == at:
			return 0, 0, nil
		case next-at == 1 || b[next-2] != '\r':
			return 0, 0, errLineEnd
		case at == 0 && !isStartLine(b[:next]):
			return 0, 0, ErrNotSIP // the peer has lost its place, or never had one
		case next-at == 2:
			if bytes.Count(b[:next], []byte("\r")) != lines {
				return 0, 0, errLineEnd
			}
			if length < 0 && err == nil {
				return 0, 0, errNoLength
			}
			return next, length, err
		}
		if value, found := lengthField(b, at, next); found && err == nil {
			length, err = sameLength(length, value)
		}
		at = next
	}
}

// isStartLine says whether the line names SIP, in any version, where a request
// or status line does.
func isStartLine(line []byte) bool {
	line = bytes.TrimRight(line, " \r\n")
	last := line[bytes.LastIndexByte(line, ' ')+1:]
	return hasPrefixFold(line, "sip/") || hasPrefixFold(last, "sip/")
}

// lengthField gives the value of the field that begins with the line b[at:next]
// if it is Content-Length; only a part of it while the header is not whole.
func lengthField(b []byte, at, next int) (value []byte, found bool) {
	if first := b[at] | 0x20; first != 'c' && first != 'l' {
		return nil, false
	}
	name := skip(tokenClass, b, at, next)
	colon := skip(lwsClass, b, name, next)
	if colon == next || b[colon] != ':' || headerOf(b[at:name]) != HeaderContentLength {
		return nil, false
	}
	for next < len(b) && (b[next] == ' ' || b[next] == '\t') { // folded
		more := bytes.IndexByte(b[next:], '\n') + 1
		if more == 0 {
			break
		}
		next += more
	}
	return bytes.Trim(b[colon+1:next], " \t\r\n"), true
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
