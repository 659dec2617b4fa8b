package message

import (
	"bytes"
	"math"
)

// Parse makes m the view of datagram, which must not change while m is in
// use. It is the cheap scan: it finds what a transaction needs and no more.
//
// An error means that nothing can be answered and the datagram is to be
// dropped: one of the Err values of this package. A request with a fault that
// can be answered parses, and Validate says how; a response with such a fault
// is ErrMalformed.
func (m *Message) Parse(datagram []byte) error {
	fields := m.Fields[:0]
	*m = Message{}
	m.Raw, m.Fields, m.MaxForwards, m.ContentLength = datagram, fields, -1, -1
	if len(datagram) > math.MaxUint16 {
		return ErrTooLong
	}
	for bytes.HasPrefix(m.Raw, []byte("\r\n")) { // RFC 3261 §7.5
		m.Raw = m.Raw[2:]
	}
	if len(m.Raw) < 8 && len(bytes.Trim(m.Raw, "\r\n\x00")) == 0 {
		return ErrKeepAlive
	}
	header, ok := m.parseStartLine()
	if !ok {
		return ErrNotSIP
	}
	m.FirstHeader = uint16(header)
	body := m.parseHeader(header)
	if !m.parseVia() {
		return ErrNoVia
	}
	m.parseMandatory()
	if !m.IsResponse {
		m.parseMaxForwards()
	}
	m.parseBody(body)
	if m.IsResponse && (m.fault.err != nil || m.repeated != HeaderOther) {
		return ErrMalformed
	}
	return nil
}

// parseStartLine reads the request or status line and gives the offset of the
// line after it.
func (m *Message) parseStartLine() (next int, ok bool) {
	end := bytes.IndexByte(m.Raw, '\n')
	if end < 0 {
		return 0, false
	}
	next = end + 1
	if end > 0 && m.Raw[end-1] == '\r' {
		end--
	} else {
		m.blame("Start line", errLineEnd)
	}
	if end >= 4 && equalFold(m.Raw[:4], "sip/") {
		return next, m.parseStatusLine(end)
	}
	return next, m.parseRequestLine(end)
}

// parseStatusLine reads SIP/2.0 SP 3DIGIT SP Reason-Phrase; a status without
// the second SP has only one reading and is taken.
func (m *Message) parseStatusLine(end int) bool {
	line := m.Raw[:end]
	if len(line) < 11 || !equalFold(line[:8], "sip/2.0 ") || len(line) > 11 && line[11] != ' ' {
		return false
	}
	status, ok := number(line[8:11], 699)
	if !ok || status < 100 {
		return false
	}
	m.IsResponse = true
	m.Version = Span{0, 7}
	m.Status = int(status)
	m.Reason = span(min(12, end), end)
	return true
}

// parseRequestLine reads Method SP Request-URI SP SIP-Version. More white
// space than that leaves the message answerable.
func (m *Message) parseRequestLine(end int) bool {
	method := skip(tokenClass, m.Raw, 0, end)
	if method == 0 || method == end || m.Raw[method] != ' ' {
		return false
	}
	versionEnd := end
	for m.Raw[versionEnd-1] == ' ' && versionEnd > method {
		versionEnd--
	}
	if versionEnd < end {
		m.blame("Request line", errStartLine)
	}
	space := bytes.LastIndexByte(m.Raw[:versionEnd], ' ')
	if space <= method || versionEnd-space < 5 || !equalFold(m.Raw[space+1:space+5], "sip/") {
		return false
	}
	m.MethodName = span(0, method)
	m.Method = methodOf(m.Raw[:method])
	m.URI = span(method+1, space)
	m.Version = span(space+1, versionEnd)
	return true
}

// parseHeader reads all header fields and gives the offset of the body.
func (m *Message) parseHeader(at int) (body int) {
	raw := m.Raw
	lines, closed := 1, 1 // lines, and those that end with CRLF; the start line has its own blame
	for {
		if at == len(raw) {
			m.blame("Header", errNoEmptyLine)
			break
		}
		if raw[at] == '\r' && at+1 < len(raw) && raw[at+1] == '\n' {
			at += 2
			lines++
			closed++
			break
		}
		start := at
		for more := true; more; more = at < len(raw) && (raw[at] == ' ' || raw[at] == '\t') {
			end := bytes.IndexByte(raw[at:], '\n')
			if end < 0 {
				at = len(raw)
				m.blame("Header", errNoEmptyLine)
				break
			}
			if end > 0 && raw[at+end-1] == '\r' {
				closed++
			}
			at += end + 1
			lines++
		}
		if at == start+1 && raw[start] == '\n' {
			break // an empty line by the other reading; the count below blames it
		}
		if len(m.Fields) == MaxFields {
			m.blame("Header", errTooMany)
			return at
		}
		m.parseField(start, at)
	}
	if closed != lines || bytes.Count(raw[:at], []byte("\r")) != lines { // else no CR and no LF is bare
		m.blame("Header", errLineEnd)
	}
	return at
}

// parseField notes one header field, its line or lines being Raw[at:end].
func (m *Message) parseField(at, end int) {
	raw := m.Raw
	name := skip(tokenClass, raw, at, end)
	colon := name
	for colon < end && (raw[colon] == ' ' || raw[colon] == '\t') {
		colon++
	}
	if name == at || colon == end || raw[colon] != ':' {
		m.blame("Header", errFieldName)
		return
	}
	id := headerOf(raw[at:name])
	m.Fields = append(m.Fields, Field{
		ID:    id,
		Name:  span(at, name),
		Value: trim(raw, colon+1, end),
		Line:  span(at, end),
	})
	switch {
	case m.first[id] == 0:
		m.first[id] = uint8(len(m.Fields))
	case headerNames[id].single && m.repeated == HeaderOther:
		m.repeated = id
	}
}

// parseVia reads the topmost Via and says whether an answer could go there
// (RFC 3261 §18.2.2).
func (m *Message) parseVia() bool {
	field, found := m.First(HeaderVia)
	if !found {
		return false
	}
	if err := m.Via.parse(m.Raw, field.Value); err != nil {
		m.blame("Via", err)
	}
	if !m.Via.More {
		m.Via.Cut = field.Line
	}
	return !m.Via.Host.Empty()
}

// parseMandatory reads the other fields that every answer is made from and
// matched by (RFC 3261 §8.2.6.2, §17.2.3).
func (m *Message) parseMandatory() {
	m.From, m.FromURI, m.FromTag = m.parseParty(HeaderFrom)
	m.To, m.ToURI, m.ToTag = m.parseParty(HeaderTo)
	m.CallID = m.mandatory(HeaderCallID)
	if skip(wordClass, m.Raw, int(m.CallID.Start), int(m.CallID.End)) != int(m.CallID.End) {
		m.blame("Call-ID", errOctet)
	}
	if cseq := m.mandatory(HeaderCSeq); !cseq.Empty() {
		m.parseCSeq(cseq)
	}
}

// mandatory gives the value of a field that may not be missing.
func (m *Message) mandatory(id HeaderID) Span {
	field, _ := m.First(id)
	if field.Value.Empty() {
		m.blame(id.String(), errMissing)
	}
	return field.Value
}

// parseParty reads From or To.
func (m *Message) parseParty(id HeaderID) (value, uri, tag Span) {
	value = m.mandatory(id)
	if value.Empty() {
		return value, uri, tag
	}
	address, err := ParseNameAddr(m.Raw, value)
	if err == nil && address.Next != 0 {
		err = errRepeated
	}
	if err == nil {
		tag, err = address.tag(m.Raw)
	}
	if err != nil {
		m.blame(id.String(), err)
	}
	return value, address.URI, tag
}

// parseCSeq reads 1*DIGIT LWS Method.
func (m *Message) parseCSeq(value Span) {
	at, end := int(value.Start), int(value.End)
	digits := skip(digitClass, m.Raw, at, end)
	method := skip(lwsClass, m.Raw, digits, end)
	n, ok := number(m.Raw[at:digits], math.MaxUint32)
	if !ok {
		m.blame("CSeq", errNumber)
	}
	if method == digits || method == end || skip(tokenClass, m.Raw, method, end) != end {
		m.blame("CSeq", errMethod)
	}
	m.CSeq = uint32(n)
	m.CSeqMethodName = span(method, end)
	m.CSeqMethod = methodOf(m.Raw[method:end])
}

func (m *Message) parseMaxForwards() {
	field, found := m.First(HeaderMaxForwards)
	if !found {
		return
	}
	m.MaxForwardsValue = field.Value
	n, ok := number(m.Get(field.Value), 255) // RFC 3261 §20.22
	if !ok {
		m.blame("Max-Forwards", errNumber)
		return
	}
	m.MaxForwards = int(n)
}

// parseBody finds the body, which begins at offset at. Octets after its
// Content-Length are not part of the message (RFC 3261 §18.3).
func (m *Message) parseBody(at int) {
	m.Body = span(at, len(m.Raw))
	field, found := m.First(HeaderContentLength)
	if !found {
		return
	}
	n, ok := number(m.Get(field.Value), math.MaxInt32)
	if !ok {
		m.blame("Content-Length", errNumber)
		return
	}
	m.ContentLength = int(n)
	if m.ContentLength > m.Body.Len() {
		m.blame("Content-Length", errTruncated)
		return
	}
	m.Body.End = uint16(at + m.ContentLength)
	m.Raw = m.Raw[:m.Body.End]
}
