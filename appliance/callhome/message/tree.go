package message

import (
	"cmp"
	"strconv"
	"strings"

	"causeway/appliance/model"
)

// node is an element of a message: with a text, or with others in it. XML and
// JSON are two ways to write the same tree.
type node struct {
	name  string
	text  string
	nodes []node
	list  bool // nodes are items of a list
}

// What the product is to whoever reads its messages.
const (
	brand   = "Causeway"
	series  = "SIP Proxy"
	builder = "causeway-callhome"
)

// levels are the severities of Smart Call Home, 9 (catastrophic) to 0
// (debugging), that ours and "normal" are.
var levels = map[string]int{
	string(model.Critical): 6, string(model.Major): 5, string(model.Minor): 4, string(model.Warning): 3,
	normal: 1,
}

// normal is the severity of a message that is due, or a test.
const normal = "normal"

// Severity is the word for how urgent the message is, and its level.
func (m *Message) Severity() (word string, level int) {
	word = normal
	if m.Event != nil && m.Kind == Alert {
		word = cmp.Or(string(m.Event.Severity), normal)
	}
	return word, levels[word]
}

// Description is what the message is about, in a line.
func (m *Message) Description() string {
	switch m.Kind {
	case Alert:
		text := m.Event.Name
		if m.Event.Object != "" {
			text += " (" + m.Event.Object + ")"
		}
		return text + ": " + m.Event.Description
	case Test:
		return "Test: " + m.Event.Description
	}
	return element(m.Kind) + " of " + m.Device
}

// element is the name of the element with the fields of a kind.
func element(kind Kind) string {
	return strings.ToUpper(string(kind[:1])) + string(kind[1:])
}

// tree is the message: who and what, and in an element of its kind what it says.
func (m *Message) tree() []node {
	subType := "full"
	switch m.Kind {
	case Alert:
		subType = m.Event.Group
	case Test:
		subType = "test"
	}
	nodes := []node{
		{name: "EventTime", text: moment(m.Time)},
		{name: "MessageDescription", text: m.Description()},
		{name: "Event", nodes: []node{
			{name: "Type", text: string(m.Kind)}, {name: "SubType", text: subType},
			{name: "Brand", text: brand}, {name: "Series", text: series},
		}},
	}
	about := node{name: element(m.Kind), nodes: []node{}}
	if m.Event != nil {
		severity, _ := m.Severity()
		about.nodes = m.Event.tree(severity)
	}
	for _, f := range m.Fields {
		path := strings.Split(f.Name, "/")
		if path[0] == "CustomerData" || path[0] == "SystemInfo" {
			nodes = add(nodes, path, f)
		} else {
			about.nodes = add(about.nodes, path, f)
		}
	}
	return append(nodes, node{name: "Device", text: m.Device}, about)
}

// tree is what an event says.
func (e *Event) tree(severity string) (nodes []node) {
	for _, n := range []node{
		{name: "Name", text: e.Name}, {name: "Type", text: e.Type}, {name: "Group", text: e.Group}, {name: "Object", text: e.Object},
		{name: "Severity", text: severity},
		{name: "Description", text: e.Description}, {name: "Impact", text: e.Impact}, {name: "Remedy", text: e.Remedy},
		{name: "First", text: moment(e.First)}, {name: "Repeated", text: strconv.Itoa(e.Repeated)},
		{name: "Node", text: e.Node},
	} {
		if n.text != "" {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// add puts a field where its path leads. Fields of one element follow each other.
func add(nodes []node, path []string, f Field) []node {
	if len(path) > 1 {
		if len(nodes) == 0 || nodes[len(nodes)-1].name != path[0] {
			nodes = append(nodes, node{name: path[0]})
		}
		last := &nodes[len(nodes)-1]
		last.nodes = add(last.nodes, path[1:], f)
		return nodes
	}
	leaf := node{name: path[0], text: f.Text, list: len(f.Items) > 0}
	for _, item := range f.Items {
		of := node{name: "Item"}
		for _, pair := range item {
			of.nodes = append(of.nodes, node{name: pair.Name, text: pair.Text})
		}
		leaf.nodes = append(leaf.nodes, of)
	}
	return append(nodes, leaf)
}
