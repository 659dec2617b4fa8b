package lab

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"causeway/appliance/billing/packetcable"
)

// Stored is an accounting request as a record keeper has it.
type Stored struct {
	Attributes []StoredAttribute
}

// StoredAttribute is one attribute of it, as FreeRADIUS prints it.
type StoredAttribute struct {
	Name  string // "Acct-Session-Id"; "Attr-26.4491.1" of one that it does not know by name
	Value string
}

// Get gives the value of the first attribute of that name; empty: there is none.
func (s Stored) Get(name string) string {
	for _, a := range s.Attributes {
		if a.Name == name {
			return strings.Trim(a.Value, `"`)
		}
	}
	return ""
}

// Messages are the event messages that came in the request. The server must
// not know their attributes by name.
func (s Stored) Messages() (messages []packetcable.Message, err error) {
	var octets []byte
	for _, a := range s.Attributes {
		numbers, ok := strings.CutPrefix(a.Name, "Attr-26.")
		if !ok {
			continue
		}
		if octets, err = appendStored(octets, numbers, a.Value); err != nil {
			return nil, fmt.Errorf("%s = %s: %w", a.Name, a.Value, err)
		}
	}
	for len(octets) > 0 {
		var m packetcable.Message
		if m, octets, err = packetcable.Decode(octets); err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// appendStored appends the attribute "VENDOR.TYPE = 0x…" as it was on the wire.
func appendStored(b []byte, numbers, value string) ([]byte, error) {
	first, second, _ := strings.Cut(numbers, ".")
	vendor, err := strconv.ParseUint(first, 10, 32)
	kind, kindErr := strconv.ParseUint(second, 10, 8)
	octets, valueErr := hex.DecodeString(strings.TrimPrefix(value, "0x"))
	if err := errors.Join(err, kindErr, valueErr); err != nil {
		return nil, err
	}
	b = append(b, 26, byte(8+len(octets)), byte(vendor>>24), byte(vendor>>16), byte(vendor>>8), byte(vendor), byte(kind), byte(2+len(octets)))
	return append(b, octets...), nil
}

// DetailFile is where in its folder a server stores.
const DetailFile = "detail"

// Stored gives all requests that the server has stored, in their order.
func (r *RADIUS) Stored() ([]Stored, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, DetailFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is made with the first request
		return nil, fmt.Errorf("read what FreeRADIUS has stored: %w", err)
	}
	return parseDetail(string(text)), nil
}

// parseDetail reads a detail file: a line that says when, a line for each
// attribute behind a tab, an empty line. A request without the empty line was
// being written when the server ended: it is not stored.
func parseDetail(text string) (requests []Stored) {
	var request Stored
	for line := range strings.Lines(text) {
		attribute, inside := strings.CutPrefix(line, "\t")
		switch name, value, ok := strings.Cut(strings.TrimSuffix(attribute, "\n"), " = "); {
		case inside && ok:
			request.Attributes = append(request.Attributes, StoredAttribute{name, value})
		case line == "\n" && len(request.Attributes) > 0:
			requests = append(requests, request)
			request = Stored{}
		default:
			request = Stored{}
		}
	}
	return requests
}
