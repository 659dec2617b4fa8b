// Package message makes Call Home messages, and writes them as XML, JSON, and
// text. What a message says is a table (fields): one row a
// field of CH-T1, CH-T2 and CH-18, with the kinds that have it and the modes that
// may. A message takes its fields from Facts by that table alone when it is made,
// so that an Anonymous one has never known what it must not tell.
//
// XML has the structure that Smart Call Home uses, in namespaces of our own; JSON
// has the same names. docs/callhome.xsd is what XML is held against.
package message

import (
	"time"

	"causeway/appliance/model"
)

// Kind is what a message is about.
type Kind string

// The kinds.
const (
	Inventory     Kind = model.GroupInventory
	Telemetry     Kind = model.GroupTelemetry
	Configuration Kind = model.GroupConfiguration
	Alert         Kind = "alert"
	Test          Kind = model.GroupTest
)

// Message is one message, whole: what is kept until it is delivered.
type Message struct {
	ID          string       `json:"id"` // unique; a repetition has the same
	Kind        Kind         `json:"kind"`
	Mode        string       `json:"mode"`            // model.CallHomeSmart or model.CallHomeAnonymous
	Time        time.Time    `json:"time"`            // with the zone of the box
	Device      string       `json:"device"`          // "MODEL@C@SERIAL"
	Fields      []Field      `json:"fields"`          // in the order of the table
	Event       *Event       `json:"event,omitempty"` // of an alert or a test
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Field is one value, or a list.
type Field struct {
	Name  string `json:"name"` // the name of its element
	Text  string `json:"text,omitempty"`
	Items []Item `json:"items,omitempty"`
}

// Item is one of a list: names and their values.
type Item []Pair

// Pair is a name and a value.
type Pair struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// The types of alerts: something has failed, or will unless
// somebody does something about it.
const (
	Reactive  = "reactive"
	Proactive = "proactive"
)

// Event is what an alert is about.
type Event struct {
	Name        string         `json:"name"` // "Coredumpfilefound" (CH-22, CH-45)
	Type        string         `json:"type"` // Reactive or Proactive; empty: a test
	Group       string         `json:"group"`
	Object      string         `json:"object"`
	Severity    model.Severity `json:"severity"`
	Description string         `json:"description"` // what is the matter
	Impact      string         `json:"impact"`      // what that means (CH-4)
	Remedy      string         `json:"remedy"`      // what to do about it
	First       time.Time      `json:"first"`
	Repeated    int            `json:"repeated"` // since the one told before
	Node        string         `json:"node"`     // the box by its host name (CH-21)
}

// Attachment is something that helps with an alert (CH-34, CH-35).
type Attachment struct {
	Name string `json:"name"`           // "show processes", "harddisk:crash/20260102-proxy.txt"
	Type string `json:"type"`           // "command" or "trace"
	Text string `json:"text,omitempty"` // of a command: what it printed
	// Path is where a trace is on the box; File is the same for this process.
	// It is read when the message goes out, if it has at most InlineMost octets
	// then; otherwise the message has the path only.
	Path string `json:"path,omitempty"`
	File string `json:"file,omitempty"`
}

// InlineMost is the longest trace that a message carries, in octets before
// they are encoded (CH-35).
const InlineMost = 3 << 20
