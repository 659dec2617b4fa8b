package xmlcdr

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// element is what a schema says of one.
type element struct {
	content    string          // regular expression over the names of its children, each followed by ";"
	attributes map[string]bool // by name: it is required
}

var (
	dtdElement   = regexp.MustCompile(`<!ELEMENT (\w+) ([^>]+)>`)
	dtdAttlist   = regexp.MustCompile(`<!ATTLIST (\w+)\s([^>]+)>`)
	dtdAttribute = regexp.MustCompile(`(\w+) (?:CDATA|\([\w| ]+\)) #(REQUIRED|IMPLIED)`)
	dtdName      = regexp.MustCompile(`\w+`)
)

// readDTD reads as much of XML's DTDs as cdr.dtd has.
func readDTD(t *testing.T) map[string]element {
	t.Helper()
	text, err := os.ReadFile("../../../docs/cdr.dtd")
	if err != nil {
		t.Fatal(err)
	}
	elements := map[string]element{}
	for _, match := range dtdElement.FindAllStringSubmatch(string(text), -1) {
		content := strings.NewReplacer("EMPTY", "", "(#PCDATA)", "", ",", "").Replace(match[2])
		content = dtdName.ReplaceAllString(content, "(?:$0;)")
		content = strings.Join(strings.Fields(content), "")
		elements[match[1]] = element{"^" + content + "$", map[string]bool{}}
	}
	for _, list := range dtdAttlist.FindAllStringSubmatch(string(text), -1) {
		for _, match := range dtdAttribute.FindAllStringSubmatch(list[2], -1) {
			elements[list[1]].attributes[match[1]] = match[2] == "REQUIRED"
		}
	}
	return elements
}

// invalid says what in a file a DTD forbids; empty: nothing.
func invalid(dtd map[string]element, file string) string {
	type open struct{ name, children string }
	stack := []open{{}}
	for decoder := xml.NewDecoder(strings.NewReader(file)); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			return ""
		}
		if err != nil {
			return err.Error()
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			declared, known := dtd[name]
			if !known {
				return "element " + name
			}
			missing := maps.Clone(declared.attributes)
			for _, a := range token.Attr {
				if _, known := declared.attributes[a.Name.Local]; !known {
					return "attribute " + a.Name.Local + " of " + name
				}
				delete(missing, a.Name.Local)
			}
			for attribute, required := range missing {
				if required {
					return name + " has no " + attribute
				}
			}
			stack[len(stack)-1].children += name + ";"
			stack = append(stack, open{name: name})
		case xml.EndElement:
			ended := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !regexp.MustCompile(dtd[ended.name].content).MatchString(ended.children) {
				return ended.name + " has " + ended.children
			}
		}
	}
}

// sample is a file with calls of all kinds.
func sample() string {
	full := example()
	full.Deactivation = at(60500)
	refused := Call{Start: at(0), FirstEndRequest: at(150), End: at(200), Reason: 3, Neighbours: [sides]Neighbour{{Name: "SIPPA"}}}
	bare := Call{Start: time.UnixMilli(0)}
	open := Call{Start: at(0), Connect: at(100), Deactivation: at(200), ReleasedBy: ReleasedByNeither}
	file := fmt.Appendf(nil, header, "192.0.2.1")
	for _, c := range []Call{full, refused, bare, open} {
		file = c.AppendTo(file)
	}
	return string(file) + footer
}

func TestDTD(t *testing.T) {
	dtd, file := readDTD(t), sample()
	if got := invalid(dtd, file); got != "" {
		t.Errorf("what is written is against the DTD: %s", got)
	}
	for old, altered := range map[string]string{
		` sbc="192.0.2.1"`:           "",
		` starttime="1795307596200"`: "",
		` callid=`:                   ` call-id=`,
		`<party type="orig" `:        `<party `,
		`<party type="orig"/>`:       "",
		`name="SIPPA"`:               `title="SIPPA"`,
		"<connect time=\"1795307598100\"/>\n<firstendrequest time=\"1795307656400\"/>": "<firstendrequest time=\"1795307656400\"/>\n<connect time=\"1795307598100\"/>",
		`<disconnect `:   `<Disconnect `,
		` reason="0016"`: "",
		`<gate id="1">`:  "<gate>",
		`<local address="2001:db8::2" port="5000"/>`: "",
		"</call>\n<call":  "<call/></call>\n<call",
		"</recordfile>\n": "<footer/></recordfile>\n",
	} {
		mutated := strings.Replace(file, old, altered, 1)
		if mutated == file {
			t.Errorf("%s is not in the sample", old)
		}
		if got := invalid(dtd, mutated); got == "" {
			t.Errorf("with %s in the place of %s the file is still valid", altered, old)
		}
	}
}

// TestSchemasAgree compares the elements, their attributes and the order of
// their children of both schemas.
func TestSchemasAgree(t *testing.T) {
	dtd, xsd := readDTD(t), readXSD(t)
	for name := range dtd {
		if !slices.Contains(slices.Collect(maps.Keys(xsd)), name) {
			t.Errorf("element %s is in cdr.dtd only", name)
		}
	}
	for name, got := range xsd {
		want, known := dtd[name]
		if !known {
			t.Errorf("element %s is in cdr.xsd only", name)
			continue
		}
		if !maps.Equal(got.attributes, want.attributes) {
			t.Errorf("attributes of %s are %v in cdr.xsd, %v in cdr.dtd", name, got.attributes, want.attributes)
		}
		order := slices.Compact(dtdName.FindAllString(strings.ReplaceAll(want.content, "?:", ""), -1))
		if got.content != strings.Join(order, " ") {
			t.Errorf("children of %s are %s in cdr.xsd, %s in cdr.dtd", name, got.content, strings.Join(order, " "))
		}
	}
}

// xsdNode is an element of a schema document.
type xsdNode struct {
	XMLName xml.Name
	Name    string    `xml:"name,attr"`
	Ref     string    `xml:"ref,attr"`
	Type    string    `xml:"type,attr"`
	Base    string    `xml:"base,attr"`
	Use     string    `xml:"use,attr"`
	Nodes   []xsdNode `xml:",any"`
}

// readXSD reads as much of XML Schema as cdr.xsd has. The content is the names
// of the children in their order.
func readXSD(t *testing.T) map[string]element {
	t.Helper()
	text, err := os.ReadFile("../../../docs/cdr.xsd")
	if err != nil {
		t.Fatal(err)
	}
	var schema xsdNode
	if err := xml.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	elements, types := map[string]element{}, map[string]xsdNode{}
	for _, n := range schema.Nodes {
		types[n.Name] = n
	}
	var describe func(n xsdNode, into *element, children *[]string)
	describe = func(n xsdNode, into *element, children *[]string) {
		switch n.XMLName.Local {
		case "attribute":
			into.attributes[n.Name] = n.Use == "required"
			return
		case "extension":
			describe(types[n.Base], into, children)
		case "element":
			if *children = append(*children, n.Name+n.Ref); n.Name == "" {
				return
			}
			own, below := element{attributes: map[string]bool{}}, []string(nil)
			for _, inner := range append(n.Nodes, types[n.Type]) {
				describe(inner, &own, &below)
			}
			own.content = strings.Join(below, " ")
			elements[n.Name] = own
			return
		}
		for _, inner := range n.Nodes {
			describe(inner, into, children)
		}
	}
	for _, n := range schema.Nodes {
		if n.XMLName.Local == "element" {
			describe(n, &element{}, new([]string))
		}
	}
	return elements
}
