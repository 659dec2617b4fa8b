package callhomed

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// element is a part of a message, as XML and JSON have it both: with a text, or
// with others in it. JSON has its names with other cases, and no name for what
// is in an array.
type element struct {
	space    string // namespace; empty: JSON has none
	name     string
	text     string
	elements []*element
}

// item is the name of what is in a list.
const item = "Item"

// mostDeep bounds how deep elements may lie in each other.
const mostDeep = 16

// is says whether the element has that name.
func (e *element) is(name string) bool { return strings.EqualFold(e.name, name) }

// all are the elements of that name.
func (e *element) all(name string) (found []*element) {
	if e == nil {
		return nil
	}
	for _, in := range e.elements {
		if in.is(name) {
			found = append(found, in)
		}
	}
	return found
}

// at is the element that a path of names leads to; nil: there is none, or more
// than one.
func (e *element) at(path ...string) *element {
	for _, name := range path {
		found := e.all(name)
		if len(found) != 1 {
			return nil
		}
		e = found[0]
	}
	return e
}

// say is the text that a path leads to; where there is none it is empty.
func (e *element) say(path ...string) string {
	if found := e.at(path...); found != nil {
		return found.text
	}
	return ""
}

// parseXML reads one XML document. It has no DTD, no processing instruction but
// its declaration, and text in elements or elements, not both.
func parseXML(text []byte) (*element, error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var root *element
	var open []*element
	var said []bytes.Buffer // by those that are open
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			if root == nil {
				return nil, errors.New("there is no element")
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{space: token.Name.Space, name: token.Name.Local}
			switch {
			case len(open) == mostDeep:
				return nil, fmt.Errorf("element %s lies too deep", e.name)
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.elements = append(parent.elements, e)
			case root != nil:
				return nil, fmt.Errorf("element %s is behind the end", e.name)
			default:
				root = e
			}
			open, said = append(open, e), append(said, bytes.Buffer{})
		case xml.EndElement:
			last := len(open) - 1
			e, text := open[last], said[last].String()
			if len(e.elements) == 0 {
				e.text = text
			} else if strings.TrimSpace(text) != "" {
				return nil, fmt.Errorf("element %s has text beside elements", e.name)
			}
			open, said = open[:last], said[:last]
		case xml.CharData:
			switch {
			case len(open) > 0:
				said[len(open)-1].Write(token)
			case len(bytes.TrimSpace(token)) > 0:
				return nil, errors.New("there is text outside of the elements")
			}
		case xml.Directive:
			return nil, errors.New("there is a DTD, or something like it")
		case xml.ProcInst:
			if token.Target != "xml" {
				return nil, fmt.Errorf("there is an instruction for %s", token.Target)
			}
		}
	}
}

// parseJSON reads one object of JSON, in which no member comes twice.
func parseJSON(text []byte) (*element, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not in UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	root := &element{}
	if err := root.readJSON(decoder, 0); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("there is something behind the end")
	}
	if root.elements == nil {
		return nil, errors.New("it is no object, or an empty one")
	}
	return root, nil
}

// readJSON reads the value of an element.
func (e *element) readJSON(decoder *json.Decoder, deep int) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if deep > mostDeep {
		return fmt.Errorf("%s lies too deep", e.name)
	}
	switch token := token.(type) {
	case string:
		e.text = token
	case json.Number:
		e.text = token.String()
	case json.Delim:
		for decoder.More() {
			in := &element{name: item}
			if token == '{' {
				name, err := decoder.Token()
				if err != nil {
					return err
				}
				if in.name = name.(string); len(e.all(in.name)) > 0 { // the decoder takes nothing but strings there
					return fmt.Errorf("member %q comes twice", in.name)
				}
			}
			if err := in.readJSON(decoder, deep+1); err != nil {
				return err
			}
			e.elements = append(e.elements, in)
		}
		_, err = decoder.Token() // its end
	default:
		return fmt.Errorf("%s is %v: want a text, a number, an object or an array", e.name, token)
	}
	return err
}
