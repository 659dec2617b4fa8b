package message

import (
	"bytes"
	"encoding/xml"
	"strconv"
)

// The namespaces: ours, for what is ours only looks like Smart Call Home.
const (
	soapSpace    = "http://www.w3.org/2003/05/soap-envelope"
	sessionSpace = "urn:causeway:callhome:session:1"
	blockSpace   = "urn:causeway:callhome:block:1"
	messageSpace = "urn:causeway:callhome:message:1"
)

// receiver is whom messages are for, wherever they go.
const receiver = "urn:causeway:callhome"

// XML writes the message as docs/callhome.xsd has it: a SOAP 1.2 envelope whose
// header is the session, and whose body is one block with the message and its
// attachments. Traces are opened and read now.
func (m *Message) XML(open Opener) ([]byte, error) {
	_, level := m.Severity()
	block := []node{
		{name: "Header", nodes: []node{
			{name: "Type", text: messageSpace + ":" + string(m.Kind)},
			{name: "CreationDate", text: moment(m.Time)},
			{name: "Builder", nodes: []node{{name: "Name", text: builder}, {name: "Version", text: strconv.Itoa(schema)}}},
			{name: "BlockGroup", nodes: []node{
				{name: "GroupId", text: m.ID}, {name: "Number", text: "0"}, {name: "IsLast", text: "true"},
				{name: "IsPrimary", text: "true"}, {name: "WaitForPrimary", text: "false"},
			}},
		}},
		{name: "Severity", text: strconv.Itoa(level)},
	}
	var out bytes.Buffer
	out.WriteString(xml.Header)
	w := writer{Encoder: xml.NewEncoder(&out)}
	w.Indent("", "  ")
	w.start("soap:Envelope", "xmlns:soap", soapSpace)
	w.start("soap:Header")
	w.start("session:Session", "xmlns:session", sessionSpace)
	w.write("session:", []node{
		{name: "To", text: receiver},
		{name: "Path", nodes: []node{{name: "Via", text: m.Device}}},
		{name: "From", text: m.Device},
		{name: "MessageId", text: m.ID},
	})
	w.end("session:Session")
	w.end("soap:Header")
	w.start("soap:Body")
	w.start("block:Block", "xmlns:block", blockSpace)
	w.write("block:", block)
	w.start("block:Content")
	w.start("ch:CallHome", "xmlns:ch", messageSpace)
	w.write("ch:", m.tree())
	w.end("ch:CallHome")
	w.end("block:Content")
	if len(m.Attachments) > 0 {
		w.start("block:Attachments")
		for i := range m.Attachments {
			w.write("block:", []node{m.Attachments[i].tree(open)})
		}
		w.end("block:Attachments")
	}
	w.end("block:Block")
	w.end("soap:Body")
	w.end("soap:Envelope")
	if w.err == nil {
		w.err = w.Close()
	}
	out.WriteByte('\n')
	return out.Bytes(), w.err
}

// writer writes elements, and keeps the first error.
type writer struct {
	*xml.Encoder
	err error
}

// start begins an element; attributes are names and values by turns.
func (w *writer) start(name string, attributes ...string) {
	start := xml.StartElement{Name: xml.Name{Local: name}}
	for i := 0; i < len(attributes); i += 2 {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: attributes[i]}, Value: attributes[i+1]})
	}
	w.token(start)
}

func (w *writer) end(name string) { w.token(xml.EndElement{Name: xml.Name{Local: name}}) }

func (w *writer) token(t xml.Token) {
	if w.err == nil {
		w.err = w.EncodeToken(t)
	}
}

// write writes elements, with the prefix of a namespace.
func (w *writer) write(prefix string, nodes []node) {
	for _, n := range nodes {
		w.start(prefix + n.name)
		if n.nodes == nil {
			w.token(xml.CharData(n.text))
		}
		w.write(prefix, n.nodes)
		w.end(prefix + n.name)
	}
}
