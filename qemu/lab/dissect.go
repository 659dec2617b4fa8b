package lab

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Packet is a packet as tshark reads it: its fields in their order.
type Packet []Field

// Field is one field of it.
type Field struct {
	Name string // "radius.code"
	Show string // its value: "4"
	Text string // with its meaning: "Code: Accounting-Request (4)"
}

// Find gives the values of all fields of that name.
func (p Packet) Find(name string) (values []string) {
	for _, f := range p {
		if f.Name == name {
			values = append(values, f.Show)
		}
	}
	return values
}

// Malformed says what tshark finds wrong with the packet; empty: nothing.
func (p Packet) Malformed() string {
	for _, f := range p {
		if f.Name == "_ws.malformed" || f.Name == "_ws.expert.severity" && strings.Contains(f.Text, "Error") {
			return f.Text
		}
	}
	return ""
}

// Dissect has tshark (Debian package tshark) read a capture file of RADIUS on
// that port, whose parties share a secret.
func Dissect(ctx context.Context, capture string, port uint16, secret string) ([]Packet, error) {
	command := exec.CommandContext(ctx, "tshark", "-r", capture, "-T", "pdml",
		"-d", fmt.Sprintf("udp.port==%d,radius", port),
		"-o", "radius.shared_secret:"+secret, "-o", "radius.validate_authenticator:TRUE")
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("dissect %s: %w: %s", capture, err, &complaint)
	}
	return parseDissection(output.Bytes())
}

// layer is a protocol or a field in tshark's PDML.
type layer struct {
	Name   string  `xml:"name,attr"`
	Show   string  `xml:"show,attr"`
	Text   string  `xml:"showname,attr"`
	Fields []layer `xml:"field"`
}

func (l layer) appendTo(p Packet) Packet {
	p = append(p, Field{l.Name, l.Show, l.Text})
	for _, field := range l.Fields {
		p = field.appendTo(p)
	}
	return p
}

func parseDissection(text []byte) (packets []Packet, err error) {
	var document struct {
		Packets []struct {
			Protocols []layer `xml:"proto"`
		} `xml:"packet"`
	}
	if err := xml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("read what tshark prints: %w", err)
	}
	for _, packet := range document.Packets {
		var p Packet
		for _, protocol := range packet.Protocols {
			p = protocol.appendTo(p)
		}
		packets = append(packets, p)
	}
	return packets, nil
}

// Dissected is an event message as tshark reads it.
type Dissected struct {
	Type   string // "Signaling_Start (1)"
	Fields Packet // from its header to that of the next one
}

// EventMessages are the event messages of an accounting request. It fails
// unless each has as many attributes as its header says.
func (p Packet) EventMessages() (messages []Dissected, err error) {
	const vendorSpecific = "26"
	var fields Packet
	count, open := 0, -1 // attributes since the header; where the attribute in hand begins
	end := func() {
		if len(messages) == 0 {
			return
		}
		last := &messages[len(messages)-1]
		last.Fields = fields
		if said := fields.Find("packetcable_avps.emh.ac"); len(said) != 1 || said[0] != fmt.Sprint(count) {
			err = errors.Join(err, fmt.Errorf("a %s has %d attributes; its Attribute_Count is %v", last.Type, count, said))
		}
	}
	for i, f := range p {
		switch {
		case f.Name == "radius.avp":
			open = i
		case f.Name == "radius.avp.type" && f.Show == vendorSpecific:
			count++
		case f.Name == "packetcable_avps.emh.vid": // a header: the attribute in hand is its
			count--
			end()
			messages, fields, count = append(messages, Dissected{}), append(Packet(nil), p[open:i]...), 0
		case f.Name == "packetcable_avps.emh.emt":
			_, messages[len(messages)-1].Type, _ = strings.Cut(f.Text, ": ")
		}
		fields = append(fields, f)
	}
	end()
	return messages, err
}
