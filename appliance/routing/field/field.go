// Package field finds the parts of a message that lookups, trigger conditions
// and normalisation are about: a component of the Request-URI, a header field,
// a parameter, or a fact of the message's way such as its network.
//
// In comes a model.Field, once, at a commit; out comes a Reader that any
// number of threads use on the call path. It allocates nothing and changes
// nothing.
package field

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// Scratch is the capacity of a buffer in which every fact has room that does
// not stand in the message.
const Scratch = 64

// Reader reads one part of messages. Make it with Compile.
type Reader struct {
	kind      model.FieldKind
	component component
	header    message.HeaderID // HeaderOther: known by its name only
	name      []byte           // of the header field; nil: the Request-URI is meant
	param     []byte
}

// Compile makes the Reader of f. The error says what f lacks.
func Compile(f model.Field) (Reader, error) {
	component, known := components[f.Component]
	switch {
	case !known:
		return Reader{}, fmt.Errorf("a URI has no component %q", f.Component)
	case f.Kind == model.FieldTime:
		return Reader{}, errors.New("a time policy is no part of a message")
	case f.Header == "" && (f.Kind == model.FieldHeader || f.Kind == model.FieldHeaderParam):
		return Reader{}, errors.New("no header field is named")
	case f.Param == "" && (f.Kind == model.FieldURIParam || f.Kind == model.FieldHeaderParam):
		return Reader{}, errors.New("no parameter is named")
	}
	r := Reader{kind: f.Kind, component: component, param: []byte(f.Param)}
	if f.Header != "" {
		r.header, r.name = message.HeaderIDOf(f.Header), []byte(f.Header)
	}
	return r, nil
}

// Read gives the part of the message in hand; ok is false when it has none. What
// stands in the message is given in place; other facts are appended to scratch.
// A parameter without a value is there with an empty text. out is the next hop,
// or nil while none is known.
func (r *Reader) Read(scratch []byte, in *hop.Incoming, out *hop.Target) (text []byte, ok bool) {
	m := in.Message
	var at message.Span
	switch r.kind {
	case model.FieldRequestURI:
		at, ok = r.ofURI(m.Raw, &in.URI, m.URI)
	case model.FieldURIParam, model.FieldHeader, model.FieldHeaderParam:
		if r.name == nil {
			at, ok = r.ofURI(m.Raw, &in.URI, m.URI)
		} else if index, found := r.Next(m, 0); found {
			at, ok = r.within(m, index)
		}
	case model.FieldMethod:
		if at, ok = m.MethodName, true; m.IsResponse {
			at = m.CSeqMethodName
		}
	default:
		return r.fact(scratch, in, out)
	}
	return m.Get(at), ok
}

// fact appends what does not stand in the message.
func (r *Reader) fact(b []byte, in *hop.Incoming, out *hop.Target) (text []byte, ok bool) {
	switch r.kind {
	case model.FieldInNetwork:
		return append(b, in.Network...), true
	case model.FieldOutNetwork:
		if out == nil {
			return b, false
		}
		return append(b, out.Network...), true
	case model.FieldLocalIP:
		return in.Local.Addr().AppendTo(b), true
	case model.FieldLocalPort:
		return strconv.AppendUint(b, uint64(in.Local.Port()), 10), true
	case model.FieldRemoteIP:
		return in.Remote.Addr().AppendTo(b), true
	case model.FieldRemotePort:
		return strconv.AppendUint(b, uint64(in.Remote.Port()), 10), true
	case model.FieldProtocol:
		return append(b, in.Transport.String()...), true
	case model.FieldMessage:
		if in.Message.IsResponse {
			return append(b, "response"...), true
		}
		return append(b, "request"...), true
	case model.FieldMidDialog:
		return strconv.AppendBool(b, in.MidDialog), true
	case model.FieldResponseCode:
		return strconv.AppendInt(b, int64(in.Message.Status), 10), in.Message.IsResponse
	}
	return b, false
}

// Next gives the index of the first header field from that index on that the
// Reader is about.
func (r *Reader) Next(m *message.Message, from int) (index int, found bool) {
	for i := from; i < len(m.Fields); i++ {
		field := &m.Fields[i]
		if field.ID == r.header && (r.header != message.HeaderOther || bytes.EqualFold(m.Get(field.Name), r.name)) {
			return i, true
		}
	}
	return 0, false
}

// within gives the part of the header field with that index: all of it, or a
// component or parameter of its first element.
func (r *Reader) within(m *message.Message, index int) (at message.Span, ok bool) {
	value := m.Fields[index].Value
	if r.kind == model.FieldHeader && r.component == whole {
		return value, true
	}
	element, err := message.ParseNameAddr(m.Raw, value)
	if err != nil {
		return message.Span{}, false
	}
	if r.kind == model.FieldHeaderParam {
		return r.among(m.Raw, element.Parameters(m.Raw))
	}
	uri, err := message.ParseURI(m.Raw, element.URI)
	if err != nil {
		return message.Span{}, false
	}
	return r.ofURI(m.Raw, &uri, element.URI)
}
