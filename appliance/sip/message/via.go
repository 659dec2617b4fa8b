package message

// Via is one element of a Via field (RFC 3261 §20.42, RFC 3581). Its branch
// is as written: one without the magic cookie, or with nothing after it, does
// not identify a transaction (RFC 4475 §3.2.1).
type Via struct {
	Value     Span // the element, without the white space around it
	Transport Span // "UDP"
	Host      Span // of sent-by; brackets of an IPv6 address included
	Branch    Span
	Received  Span
	RPort     Span // the value; empty, at its place, when rport has none
	MAddr     Span
	OC        Span   // RFC 7339 §4.1; empty, at its place, when oc has no value
	OCAlgo    Span   // §4.2, with its quotes
	Port      uint16 // of sent-by; 0 when absent
	HasRPort  bool
	HasOC     bool
	Alias     bool // RFC 5923 §5: requests to the sender may come back over the connection
	More      bool // another element follows in the same field
	// Cut is what to remove from Raw to remove just this element: the whole
	// line for Message.Via alone in its field, else the element with the comma
	// after it.
	Cut Span
}

// ParseVia reads the element that begins at.Start in a Via field that goes on
// to at.End. With an error, what was read before the fault is in the Via.
func ParseVia(raw []byte, at Span) (via Via, err error) {
	err = via.parse(raw, at)
	return via, err
}

// parse is ParseVia into a zero Via.
func (v *Via) parse(raw []byte, at Span) error {
	end := int(at.End)
	start := skip(lwsClass, raw, int(at.Start), end)
	next, err := v.scanSentProtocol(raw, start, end)
	if err != nil {
		return err
	}
	last, next, err := v.scanSentBy(raw, next, end)
	if err != nil {
		return err
	}
	for next < end && raw[next] == ';' {
		var p Parameter
		if p, last, next, err = scanParameter(raw, next+1, end); err != nil {
			return err
		}
		if err = v.set(raw, p); err != nil {
			return err
		}
	}
	v.Value = span(start, last)
	v.Cut = v.Value
	following, err := scanComma(raw, next, end)
	if err != nil {
		return err
	}
	if following != 0 {
		v.More = true
		v.Cut.End = uint16(following)
	}
	return nil
}

// scanSentProtocol reads name "/" version "/" transport and the white space
// after it.
func (v *Via) scanSentProtocol(raw []byte, at, end int) (next int, err error) {
	for part := range 3 {
		last := skip(tokenClass, raw, at, end)
		if last == at {
			return at, errProtocol
		}
		v.Transport = span(at, last)
		at = skip(lwsClass, raw, last, end)
		if part == 2 {
			if at == last {
				return at, errSeparator
			}
			break
		}
		if at == end || raw[at] != '/' {
			return at, errProtocol
		}
		at = skip(lwsClass, raw, at+1, end)
	}
	return at, nil
}

// scanSentBy reads host [":" port]; last is the end of its text, next follows
// the white space after it.
func (v *Via) scanSentBy(raw []byte, at, end int) (last, next int, err error) {
	host, last, ok := scanHost(raw, at, end)
	if !ok {
		return at, at, errHost
	}
	v.Host = host
	next = skip(lwsClass, raw, last, end)
	if next < end && raw[next] == ':' {
		at = skip(lwsClass, raw, next+1, end)
		if v.Port, last, ok = scanPort(raw, at, end); !ok {
			return last, last, errPort
		}
		next = skip(lwsClass, raw, last, end)
	}
	return last, next, nil
}

// set notes a parameter of the element.
func (v *Via) set(raw []byte, p Parameter) error {
	name := p.Name.In(raw)
	switch {
	case equalFold(name, "branch"):
		return setOnce(&v.Branch, p.Value)
	case equalFold(name, "received"):
		return setOnce(&v.Received, p.Value)
	case equalFold(name, "maddr"):
		return setOnce(&v.MAddr, p.Value)
	case equalFold(name, "oc-algo"):
		return setOnce(&v.OCAlgo, p.Value)
	case equalFold(name, "rport"):
		return setPlace(&v.RPort, &v.HasRPort, p)
	case equalFold(name, "oc"):
		return setPlace(&v.OC, &v.HasOC, p)
	case equalFold(name, "alias"):
		v.Alias = true
	}
	return nil
}

// setPlace notes a parameter that an answer gives a value, and may have one
// already: the value, or the place for it.
func setPlace(place *Span, has *bool, p Parameter) error {
	if *has {
		return errRepeated
	}
	*has = true
	if *place = p.Value; p.Value.Empty() {
		*place = Span{p.Name.End, p.Name.End}
	}
	return nil
}

// SecondVia gives the Via below the topmost one: where a response goes next.
// It says false when there is none or it cannot be read.
func (m *Message) SecondVia() (Via, bool) {
	index := int(m.first[HeaderVia]) // of the field after the topmost Via
	if index == 0 {
		return Via{}, false
	}
	if m.Via.More {
		via, err := ParseVia(m.Raw, Span{m.Via.Cut.End, m.Fields[index-1].Value.End})
		return via, err == nil
	}
	for _, field := range m.Fields[index:] {
		if field.ID == HeaderVia {
			via, err := ParseVia(m.Raw, field.Value)
			if !via.More {
				via.Cut = field.Line
			}
			return via, err == nil
		}
	}
	return Via{}, false
}
