package console

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Keys by the octets that x/term understands, and three of our own that it
// does not: those are seen by its callback.
const (
	ctrlC, ctrlD, ctrlV, ctrlZ = 0x03, 0x04, 0x16, 0x1a
	escape                     = 0x1b

	keyEnter     = "\r"
	keyAbandon   = "\x03"
	keyLeave     = "\x1a"
	keyUp        = "\x1b[A"
	keyDown      = "\x1b[B"
	keyRight     = "\x1b[C"
	keyLeft      = "\x1b[D"
	keyHome      = "\x1b[H"
	keyEnd       = "\x1b[F"
	keyDelete    = "\x1b[3~"
	keyWordRight = "\x1b[1;3C"
	keyWordLeft  = "\x1b[1;3D"
	keyHelp      = "\x1f" // ? where it is no text
	keyComplete  = "\t"   // Tab where it is no text
)

// sequences are what terminals send after Escape. Others mean nothing.
var sequences = map[string]string{
	"[A": keyUp, "[B": keyDown, "[C": keyRight, "[D": keyLeft,
	"OA": keyUp, "OB": keyDown, "OC": keyRight, "OD": keyLeft,
	"[H": keyHome, "[1~": keyHome, "[7~": keyHome, "OH": keyHome,
	"[F": keyEnd, "[4~": keyEnd, "[8~": keyEnd, "OF": keyEnd,
	"[3~": keyDelete,
	"b":   keyWordLeft, "[1;3D": keyWordLeft, "[1;5D": keyWordLeft,
	"f": keyWordRight, "[1;3C": keyWordRight, "[1;5C": keyWordRight,
}

// Around text that the terminal pastes, if it was told to mark it.
const pasteBegins, pasteEnds = "[200~", "[201~"

// controls are the control characters that edit a line as they are (x/term):
// Ctrl-A B E F H K L N P T U W and Delete.
const controls = "\x01\x02\x05\x06\x08\x0b\x0c\x0e\x10\x14\x15\x17\x7f"

// ending is how a line ended.
type ending uint8

const (
	entered   ending = iota
	abandoned        // Ctrl-C: the line is to be forgotten
	leaving          // Ctrl-Z: the line, then out of where it was typed
)

// What stands on the screen at the end of a line that was not entered. It
// comes back as part of the line.
const abandonedMark, leavingMark = "^C", "^Z"

// keys makes key strokes of what a terminal sends. x/term reads them from it,
// a whole key at a time, so that nothing of the next line is read with it.
type keys struct {
	from    *input
	unread  []byte // what Read gives next: the rest of a key, or what completion types
	held    []byte // taken from from and not used
	last    byte   // the octet before
	ended   ending // of the last line that Read gave
	pasting bool
	quoted  bool // by Ctrl-V: the next character is text
	hidden  bool // what is typed is a secret: all of it is text
}

// Read gives one key, for x/term.
func (k *keys) Read(p []byte) (int, error) {
	if len(k.unread) == 0 {
		key, err := k.next()
		if err != nil {
			return 0, err
		}
		switch key {
		case keyEnter:
			k.ended = entered
		case keyAbandon:
			k.ended, key = abandoned, keyEnd+abandonedMark+keyEnter
			k.pasting = false // its end may have been lost
		case keyLeave:
			k.ended, key = leaving, keyEnd+leavingMark+keyEnter
		}
		k.unread = append(k.unread, key...)
	}
	n := copy(p, k.unread)
	k.unread = k.unread[n:]
	return n, nil
}

// next waits for the next key that means something.
func (k *keys) next() (string, error) {
	for {
		b, err := k.octet()
		if err != nil {
			return "", err
		}
		literal := k.quoted || k.pasting || k.hidden
		k.quoted = false
		key := ""
		switch {
		case b == escape:
			key, err = k.sequence()
		case b >= utf8.RuneSelf:
			key, err = k.character(b)
		case literal && b == '?':
			key = "?"
		case literal && b == '\t':
			key = " "
		default:
			key = k.control(b)
		}
		if err != nil || key != "" {
			return key, err
		}
	}
}

// octet waits for the next one.
func (k *keys) octet() (byte, error) {
	if len(k.held) > 0 {
		b := k.held[0]
		k.held = k.held[1:]
		return b, nil
	}
	return k.from.readByte()
}

// control is the key that an octet below 0x80 is; empty for none.
func (k *keys) control(b byte) string {
	afterReturn := k.last == '\r'
	k.last = b
	switch {
	case b == '\n' && afterReturn: // some send both
	case b == '\r' || b == '\n':
		return keyEnter
	case b == '?':
		return keyHelp
	case b == ctrlD:
		return keyDelete
	case b == ctrlV:
		k.quoted = true
	case b == '\t', b == ctrlC, b == ctrlZ, ' ' <= b && b < 0x7f, strings.IndexByte(controls, b) >= 0:
		return string(rune(b))
	}
	return ""
}

// character takes the rest of a character beyond ASCII. What is no character,
// or would drive the terminal, is no key.
func (k *keys) character(first byte) (string, error) {
	text := []byte{first}
	for !utf8.FullRune(text) {
		b, err := k.octet()
		if err != nil {
			return "", err
		}
		text = append(text, b)
	}
	r, size := utf8.DecodeRune(text)
	k.held = append(text[size:], k.held...)
	switch {
	case unicode.Is(unicode.Zs, r): // no-break spaces come with what was copied from documents
		return " ", nil
	case r == utf8.RuneError || !unicode.IsPrint(r):
		return "", nil
	}
	return string(r), nil
}

// sequenceMax is the longest sequence that is waited for, in octets.
const sequenceMax = 16

// sequence takes what follows Escape. A control character is none of it: so
// Escape alone never holds back Return.
func (k *keys) sequence() (string, error) {
	var text []byte
	for len(text) < sequenceMax {
		b, err := k.octet()
		if err != nil {
			return "", err
		}
		if b < ' ' || b >= 0x7f {
			k.held = append([]byte{b}, k.held...)
			break
		}
		text = append(text, b)
		introduces := b == '[' || b == 'O'
		if len(text) == 1 && !introduces || len(text) > 1 && b >= '@' {
			break
		}
	}
	switch string(text) {
	case pasteBegins:
		k.pasting = true
	case pasteEnds:
		k.pasting = false
	}
	return sequences[string(text)], nil
}
