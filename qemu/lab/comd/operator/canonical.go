package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Canonical gives JSON in canonical form (RFC 8785). A name that stands twice in
// an object is refused, as is text that is not UTF-8.
func Canonical(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("canonical JSON: not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	canonical, err := appendValue(nil, decoder, 0)
	if err == nil {
		if _, more := decoder.Token(); more != io.EOF {
			err = errors.New("there is more behind the value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return canonical, nil
}

// deepest is how deep values may lie in each other.
const deepest = 100

// appendValue appends the next value.
func appendValue(to []byte, from *json.Decoder, depth int) ([]byte, error) {
	token, err := from.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case nil:
		return append(to, "null"...), nil
	case bool:
		return strconv.AppendBool(to, token), nil
	case string:
		return appendString(to, token), nil
	case json.Number:
		return appendNumber(to, token)
	}
	if depth == deepest {
		return nil, errors.New("it is too deep")
	}
	if token == json.Delim('[') {
		return appendArray(to, from, depth)
	}
	return appendObject(to, from, depth)
}

func appendArray(to []byte, from *json.Decoder, depth int) (_ []byte, err error) {
	to = append(to, '[')
	for first := true; from.More(); first = false {
		if !first {
			to = append(to, ',')
		}
		if to, err = appendValue(to, from, depth+1); err != nil {
			return nil, err
		}
	}
	_, err = from.Token()
	return append(to, ']'), err
}

// appendObject sorts members by their names as UTF-16 (§3.2.3).
func appendObject(to []byte, from *json.Decoder, depth int) ([]byte, error) {
	members := map[string][]byte{}
	for from.More() {
		token, err := from.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // the decoder takes nothing else for a name
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("the member %q stands there twice", name)
		}
		if members[name], err = appendValue(nil, from, depth+1); err != nil {
			return nil, err
		}
	}
	if _, err := from.Token(); err != nil {
		return nil, err
	}
	to = append(to, '{')
	for i, name := range slices.SortedFunc(maps.Keys(members), byUTF16) {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(append(appendString(to, name), ':'), members[name]...)
	}
	return append(to, '}'), nil
}

func byUTF16(a, b string) int {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

// escapes are those with a letter (§3.2.2.2).
var escapes = map[rune]string{'\b': `\b`, '\t': `\t`, '\n': `\n`, '\f': `\f`, '\r': `\r`, '"': `\"`, '\\': `\\`}

func appendString(to []byte, text string) []byte {
	to = append(to, '"')
	for _, r := range text {
		switch escape, special := escapes[r]; {
		case special:
			to = append(to, escape...)
		case r < ' ':
			to = fmt.Appendf(to, `\u%04x`, r)
		default:
			to = utf8.AppendRune(to, r)
		}
	}
	return append(to, '"')
}

// appendNumber writes a number as ECMAScript does (§3.2.2.3): the shortest digits
// that give the same double, with an exponent from 1e21 on and below 1e-6.
func appendNumber(to []byte, number json.Number) ([]byte, error) {
	f, err := number.Float64()
	if err != nil {
		return nil, err
	}
	size := math.Abs(f)
	if size == 0 {
		return append(to, '0'), nil
	}
	if size >= 1e-6 && size < 1e21 {
		return strconv.AppendFloat(to, f, 'f', -1, 64), nil
	}
	// Go writes at least two digits of the exponent, ECMAScript no leading zero.
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	return append(to, digits+"e"+exponent[:1]+strings.TrimLeft(exponent[1:], "0")...), nil
}
