package message

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// schema is the version of what messages look like.
const schema = 1

// JSON writes the message as one object. Members are named as the elements of
// XML, in lower camel case, lists are arrays, and numbers are numbers. Traces
// are opened and read now.
func (m *Message) JSON(open Opener) ([]byte, error) {
	severity, _ := m.Severity()
	nodes := append([]node{
		{name: "Schema", text: strconv.Itoa(schema)},
		{name: "MessageId", text: m.ID},
		{name: "Severity", text: severity},
	}, m.tree()...)
	if len(m.Attachments) > 0 {
		attachments := node{name: "Attachments", list: true}
		for i := range m.Attachments {
			attachments.nodes = append(attachments.nodes, m.Attachments[i].tree(open))
		}
		nodes = append(nodes, attachments)
	}
	var compact, out bytes.Buffer
	if err := (node{nodes: nodes}).json(&compact); err != nil {
		return nil, err
	}
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// json writes the value of an element: its members stay in their order, which
// encoding/json's maps do not.
func (n node) json(out *bytes.Buffer) error {
	if n.nodes == nil {
		if n.isNumber() {
			out.WriteString(n.text)
			return nil
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false) // nobody puts it into a page as it is
		return encoder.Encode(n.text)
	}
	brackets := "{}"
	if n.list {
		brackets = "[]"
	}
	out.WriteByte(brackets[0])
	for i, member := range n.nodes {
		if i > 0 {
			out.WriteByte(',')
		}
		if !n.list {
			out.WriteString(strconv.Quote(lowerCamel(member.name)))
			out.WriteByte(':')
		}
		if err := member.json(out); err != nil {
			return err
		}
	}
	out.WriteByte(brackets[1])
	return nil
}

// isNumber says whether the element is one of those that are numbers.
func (n node) isNumber() bool {
	return slices.ContainsFunc(numbers, func(end string) bool { return strings.HasSuffix(n.name, end) })
}

// lowerCamel is the name of an element as JSON has it: "osVersion" of
// "OSVersion", "dns" of "DNS".
func lowerCamel(name string) string {
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsUpper(r) || i > 0 && i+1 < len(runes) && unicode.IsLower(runes[i+1]) {
			break
		}
		runes[i] = unicode.ToLower(r)
	}
	return string(runes)
}
