// Package kmsg reads the kernel's ring of log lines, in which init writes its
// own and those of every service. The ring is the store: nothing is kept here
// but a place in it.
package kmsg

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Record is one line of the ring.
type Record struct {
	Seq      uint64
	Priority int           // facility*8 + severity (RFC 5424 §6.2.1)
	Time     time.Duration // since the kernel started
	Text     string        // printable, without line ends
}

// errFormat marks what is no record.
var errFormat = errors.New("not a record of the kernel log")

// Parse reads what one read of /dev/kmsg gives: "priority,sequence,µs,flags;text"
// and perhaps more lines that begin with a blank and name the device, which
// are left out (Documentation/ABI/testing/dev-kmsg). Octets outside ASCII
// stand there as \xNN.
func Parse(line []byte) (Record, error) {
	head, text, found := bytes.Cut(line, []byte(";"))
	fields := strings.Split(string(head), ",")
	if !found || len(fields) < 4 { // there may be more one day
		return Record{}, errFormat
	}
	priority, err := strconv.ParseUint(fields[0], 10, 11)
	if err != nil {
		return Record{}, fmt.Errorf("%w: priority: %w", errFormat, err)
	}
	seq, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return Record{}, fmt.Errorf("%w: sequence number: %w", errFormat, err)
	}
	micros, err := strconv.ParseUint(fields[2], 10, 53)
	if err != nil {
		return Record{}, fmt.Errorf("%w: time: %w", errFormat, err)
	}
	text, _, _ = bytes.Cut(text, []byte("\n"))
	return Record{seq, int(priority), time.Duration(micros) * time.Microsecond, clean(unescape(text))}, nil
}

// sequence reads the number of a record and nothing else: a reader passes
// thousands of records that it does not want.
func sequence(line []byte) (uint64, error) {
	_, rest, _ := bytes.Cut(line, []byte(","))
	number, _, _ := bytes.Cut(rest, []byte(","))
	return strconv.ParseUint(string(number), 10, 64)
}

// unescape puts the octets back that the kernel wrote as \xNN.
func unescape(text []byte) []byte {
	const escape = len(`\xNN`)
	plain := make([]byte, 0, len(text))
	for len(text) > 0 {
		if len(text) >= escape && text[0] == '\\' && text[1] == 'x' {
			if octet, err := strconv.ParseUint(string(text[2:escape]), 16, 8); err == nil {
				plain, text = append(plain, byte(octet)), text[escape:]
				continue
			}
		}
		plain, text = append(plain, text[0]), text[1:]
	}
	return plain
}

// clean makes text that can be shown on one line: what cannot be printed
// becomes a blank or "?".
func clean(text []byte) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return '?'
	}, strings.ToValidUTF8(string(text), "?")), " ")
}
