package message

import "math"

// Span is a part of Message.Raw: the octets from Start up to, not including,
// End.
type Span struct{ Start, End uint16 }

// Empty says whether the span holds no octet.
func (s Span) Empty() bool { return s.Start >= s.End }

// Len is the number of octets.
func (s Span) Len() int { return int(s.End) - int(s.Start) }

// In gives the span's octets within raw, without copying them.
func (s Span) In(raw []byte) []byte { return raw[s.Start:s.End:s.End] }

// Field is one header field. A folded field is one Field.
type Field struct {
	ID    HeaderID
	Name  Span // as written, without white space
	Value Span // without the white space around it; folds inside stay; if empty, the place for one
	Line  Span // the whole line or lines, CRLF included
}

// MaxFields bounds the header fields of one message.
const MaxFields = 128

// Message is the view of one datagram. The caller owns it and uses it again
// for the next one: Parse resets everything, keeps the capacity of Fields and
// allocates nothing once that has grown. All spans are offsets into Raw.
type Message struct {
	// Raw is the message inside the datagram: without line ends before the
	// start line and without octets after the body. It is the caller's buffer.
	Raw []byte

	IsResponse bool
	Method     Method // of the request line; MethodOther in a response
	MethodName Span
	URI        Span // Request-URI
	Status     int  // 100–699; 0 in a request
	Reason     Span // may be empty
	Version    Span // "SIP/2.0" in any case; Validate refuses others

	FirstHeader uint16 // offset of the first header line: where a new Via or Record-Route goes
	Fields      []Field

	Via              Via  // topmost
	CallID, From, To Span // values
	FromURI, ToURI   Span // without angle brackets
	FromTag, ToTag   Span // empty when absent
	CSeq             uint32
	CSeqMethod       Method
	CSeqMethodName   Span
	MaxForwards      int // -1 when absent, not a number of 0–255, or in a response
	MaxForwardsValue Span
	ContentLength    int // octets; -1 when absent or not a number
	Body             Span

	first    [headerCount]uint8 // 1 + index into Fields of the topmost field with that id; 0 if there is none
	repeated HeaderID           // the first id found to stand more than once although it is single
	fault    fault
}

// fault is the first thing that Parse found wrong without having to give up.
type fault struct {
	part string // of the message: "From"
	err  error
}

// blame keeps the first fault.
func (m *Message) blame(part string, err error) {
	if m.fault.err == nil {
		m.fault = fault{part, err}
	}
}

// Get gives the octets of a span of this message, without copying them.
func (m *Message) Get(s Span) []byte { return s.In(m.Raw) }

// First gives the topmost field with that id.
func (m *Message) First(id HeaderID) (Field, bool) {
	if m.first[id] == 0 {
		return Field{}, false
	}
	return m.Fields[m.first[id]-1], true
}

// Lookup gives the topmost field with that name, in its long or compact form
// and any case.
func (m *Message) Lookup(name string) (Field, bool) {
	if id := HeaderIDOf(name); id != HeaderOther {
		return m.First(id)
	}
	for _, field := range m.Fields {
		if field.ID == HeaderOther && sameName(m.Get(field.Name), name) {
			return field, true
		}
	}
	return Field{}, false
}

// RetryAfter gives the seconds of Retry-After (RFC 3261 §20.33), its comment
// and parameters left out; ok is false when there is none or it is no number.
func (m *Message) RetryAfter() (seconds int, ok bool) {
	return m.seconds(HeaderRetryAfter)
}

// SessionExpires gives how long a session lasts unless it is refreshed, in
// seconds (RFC 4028 §4); ok is false when the message has no such field or a
// senseless one.
func (m *Message) SessionExpires() (seconds int, ok bool) {
	return m.seconds(HeaderSessionExpires)
}

// seconds reads the number that the topmost field of that name begins with.
func (m *Message) seconds(id HeaderID) (seconds int, ok bool) {
	field, found := m.First(id)
	if !found {
		return 0, false
	}
	start, end := int(field.Value.Start), int(field.Value.End)
	digits := skip(digitClass, m.Raw, start, end)
	if digits < end && !is(lwsClass, m.Raw[digits]) && m.Raw[digits] != ';' && m.Raw[digits] != '(' {
		return 0, false
	}
	n, ok := number(m.Raw[start:digits], math.MaxInt32)
	return int(n), ok
}
