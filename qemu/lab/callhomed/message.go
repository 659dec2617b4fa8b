package callhomed

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Message is what a box says, read from whatever form it came in. Of an e-mail
// for people only ID and Description are known.
type Message struct {
	ID          string       `json:"id"`
	Kind        string       `json:"kind,omitempty"` // "inventory", "alert", …
	Time        time.Time    `json:"time,omitzero"`
	Device      string       `json:"device,omitempty"` // "MODEL@C@SERIAL"
	Description string       `json:"description"`
	Level       int          `json:"level,omitempty"` // of Smart Call Home's severities, 9 (catastrophic) to 0
	Alert       *Alert       `json:"alert,omitempty"` // of an alert or a test
	Fields      []Field      `json:"fields,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Alert is what an alert is about.
type Alert struct {
	Name        string    `json:"name"`
	Group       string    `json:"group"`
	Object      string    `json:"object,omitempty"`
	Severity    string    `json:"severity"`
	Description string    `json:"description"`
	Impact      string    `json:"impact,omitempty"`
	Remedy      string    `json:"remedy,omitempty"`
	First       time.Time `json:"first,omitzero"`
	Repeated    int       `json:"repeated"`
	Node        string    `json:"node,omitempty"`
}

// Field is one value: "SystemStatus/OSVersion", or "StoragePartitions/2/Name",
// the second of a list.
type Field struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Attachment is what helps with an alert.
type Attachment struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Data   []byte `json:"data,omitempty"`
	Path   string `json:"path,omitempty"`   // on the box, of a trace
	Reason string `json:"reason,omitempty"` // why there is no Data
}

// Serial is the serial number of the box.
func (m *Message) Serial() string {
	parts := idForm.FindStringSubmatch(m.ID)
	if parts == nil {
		return ""
	}
	return parts[1]
}

// idForm is that of IDs: of a box, by its serial number, and a number.
var idForm = regexp.MustCompile(`^CH:([A-Za-z0-9]+):[0-9a-f]+$`)

// The namespaces of XML.
const (
	soapSpace    = "http://www.w3.org/2003/05/soap-envelope"
	sessionSpace = "urn:causeway:callhome:session:1"
	blockSpace   = "urn:causeway:callhome:block:1"
	messageSpace = "urn:causeway:callhome:message:1"
)

// kinds are those of messages; true: of an alert or a test.
var kinds = map[string]bool{"inventory": false, "telemetry": false, "configuration": false, "alert": true, "test": true}

// levels are those of the words that JSON has for severities.
var levels = []string{"debugging", "normal", "notification", "warning", "minor", "major", "critical", "fatal", "disaster", "catastrophic"}

// readXML reads a message in XML.
func readXML(text []byte) (Message, error) {
	root, err := parseXML(text)
	if err != nil {
		return Message{}, err
	}
	block := root.at("Body", "Block")
	about := block.at("Content", "CallHome")
	session := root.at("Header", "Session")
	for _, part := range []struct {
		name, space string
		element     *element
	}{
		{"Envelope", soapSpace, root}, {"Session", sessionSpace, session}, {"Block", blockSpace, block}, {"CallHome", messageSpace, about},
	} {
		if part.element == nil || part.element.name != part.name || part.element.space != part.space {
			return Message{}, fmt.Errorf("want one element %s of %s in its place", part.name, part.space)
		}
	}
	m := Message{ID: session.say("MessageId")}
	if m.Level, err = strconv.Atoi(block.say("Severity")); err != nil || m.Level < 0 || m.Level >= len(levels) {
		return Message{}, fmt.Errorf("severity %q: want 0 to %d", block.say("Severity"), len(levels)-1)
	}
	if id := block.say("Header", "BlockGroup", "GroupId"); id != m.ID {
		return Message{}, fmt.Errorf("the session has ID %q, the block %q", m.ID, id)
	}
	if from := session.say("From"); from != about.say("Device") {
		return Message{}, fmt.Errorf("the session is from %q, the message from %q", from, about.say("Device"))
	}
	return m, m.read(about, block.at("Attachments").all("Attachment"))
}

// readJSON reads a message in JSON.
func readJSON(text []byte) (Message, error) {
	root, err := parseJSON(text)
	if err != nil {
		return Message{}, err
	}
	if version := root.say("schema"); version != "1" {
		return Message{}, fmt.Errorf("schema %q: want 1", version)
	}
	m := Message{ID: root.say("messageId"), Level: slices.Index(levels, root.say("severity"))}
	if m.Level < 0 {
		return Message{}, fmt.Errorf("severity %q: want one of %s", root.say("severity"), strings.Join(levels, ", "))
	}
	return m, m.read(root, root.at("attachments").all(item))
}

// read reads what XML and JSON have alike.
func (m *Message) read(about *element, attachments []*element) (err error) {
	m.Device, m.Description, m.Kind = about.say("Device"), about.say("MessageDescription"), about.say("Event", "Type")
	serial := m.Serial()
	switch ofAlert, known := kinds[m.Kind]; {
	case serial == "":
		return fmt.Errorf("ID %q: want CH:SERIAL:NUMBER", m.ID)
	case !strings.HasSuffix(m.Device, "@C@"+serial):
		return fmt.Errorf("device %q of ID %s: want MODEL@C@%s", m.Device, m.ID, serial)
	case m.Description == "":
		return errors.New("there is no description")
	case !known:
		return fmt.Errorf("there is no message of type %q", m.Kind)
	case about.at(m.Kind) == nil:
		return fmt.Errorf("there is not one element %s in a message of that type", m.Kind)
	case ofAlert:
		if m.Alert, err = readAlert(about.at(m.Kind)); err != nil {
			return err
		}
	}
	if m.Time, err = time.Parse(time.RFC3339, about.say("EventTime")); err != nil {
		return fmt.Errorf("time of the event: %w", err)
	}
	for _, e := range about.elements {
		switch {
		case e.is("CustomerData"), e.is("SystemInfo"):
			m.flatten(e.name, e)
		case e.is(m.Kind):
			m.flatten("", e)
		}
	}
	for _, e := range attachments {
		a := Attachment{Name: e.say("Name"), Type: e.say("Type"), Path: e.say("Path"), Reason: e.say("Reason"), Data: []byte(e.say("Data"))}
		if e.say("Encoding") == "base64" {
			if a.Data, err = base64.StdEncoding.DecodeString(e.say("Data")); err != nil {
				return fmt.Errorf("attachment %q: %w", a.Name, err)
			}
		}
		m.Attachments = append(m.Attachments, a)
	}
	return nil
}

// alertElements are in the element of an alert or a test, beside fields.
var alertElements = []string{
	"Name", "Group", "Object", "Severity", "SeverityLevel", "Description", "Impact", "Remedy", "First", "Repeated", "Node",
}

// readAlert reads what an alert or a test is about.
func readAlert(e *element) (*Alert, error) {
	a := &Alert{
		Name: e.say("Name"), Group: e.say("Group"), Object: e.say("Object"), Severity: e.say("Severity"),
		Description: e.say("Description"), Impact: e.say("Impact"), Remedy: e.say("Remedy"), Node: e.say("Node"),
	}
	var err error
	if first := e.say("First"); first != "" {
		if a.First, err = time.Parse(time.RFC3339, first); err != nil {
			return nil, fmt.Errorf("time of the first alert: %w", err)
		}
	}
	if repeated := e.say("Repeated"); repeated != "" {
		if a.Repeated, err = strconv.Atoi(repeated); err != nil || a.Repeated < 0 {
			return nil, fmt.Errorf("repeated %q: want 0 or more", repeated)
		}
	}
	return a, nil
}

// flatten adds the texts in an element to the fields. What Alert has is left out.
func (m *Message) flatten(path string, e *element) {
	count := 0
	for _, in := range e.elements {
		name := in.name
		if in.is(item) {
			count++
			name = strconv.Itoa(count)
		}
		of := strings.TrimPrefix(path+"/"+name, "/")
		isAlerts := m.Alert != nil && path == "" && slices.ContainsFunc(alertElements, in.is)
		if len(in.elements) == 0 && !isAlerts {
			m.Fields = append(m.Fields, Field{of, in.text})
		}
		m.flatten(of, in)
	}
}

// Field is the text of a field, by its path in any case; empty: there is none.
func (m *Message) Field(name string) string {
	at := slices.IndexFunc(m.Fields, func(f Field) bool { return strings.EqualFold(f.Name, name) })
	if at < 0 {
		return ""
	}
	return m.Fields[at].Text
}
