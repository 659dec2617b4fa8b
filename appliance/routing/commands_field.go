package routing

import (
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/sip/message"
)

// part is a part of a message in the words of a line.
type part struct {
	words string
	kind  model.FieldKind
	help  string
}

// messageParts are the parts that a message may have several of.
var messageParts = []part{
	{"request-uri uri-component COMPONENT", model.FieldRequestURI, "a component of the Request-URI"},
	{"request-uri uri-param PARAM", model.FieldURIParam, "a parameter of the Request-URI"},
	{"header HEADER uri-component COMPONENT", model.FieldHeader, "a component of the URI in a header field"},
	{"header HEADER uri-param PARAM", model.FieldURIParam, "a parameter of the URI in a header field"},
	{"header HEADER header-param PARAM", model.FieldHeaderParam, "a parameter of a header field"},
}

// wholeParts are those of which all is meant.
var wholeParts = []part{
	{"request-uri", model.FieldRequestURI, "the Request-URI"},
	{"header HEADER", model.FieldHeader, "a header field"},
}

// argumentsOf declares those arguments of parts that the syntax has.
func argumentsOf(syntax string) []config.Argument {
	var args []config.Argument
	for _, arg := range []config.Argument{
		{Name: "HEADER", Type: headerName{}, Help: "Name of a header field"},
		{Name: "COMPONENT", Type: components, Help: "Component of the URI; phone: the number in its user part; domain: a host that is a name"},
		{Name: "PARAM", Type: config.Name{Max: 64}, Help: "Name of a parameter"},
		{Name: "WHICH", Type: config.Choice{"first", "all"}, Help: "Which of several header fields of that name"},
		{Name: "MATCH", Type: config.Expression{}, Help: "What is replaced; all: everything"},
		{Name: "VALUE", Type: config.Line{Quoted: true}, Help: `Text; "" for none; $1, $2 stand for the groups of MATCH`},
		{Name: "TARGET", Type: config.HostPort{}, Help: "Host with or without a port"},
	} {
		if hasWord(syntax, arg.Name) {
			args = append(args, arg)
		}
	}
	return args
}

func hasWord(syntax, word string) bool { return strings.Contains(" "+syntax+" ", " "+word+" ") }

// components are the components of a URI.
var components = config.Choice{"user", "phone", "host", "host-port", "domain", "uri", "scheme"}

// field is the part that a line names.
func (p part) field(a config.Args) model.Field {
	return model.Field{Kind: p.kind, Header: text(a, "HEADER"), Component: text(a, "COMPONENT"), Param: text(a, "PARAM")}
}

// line gives the arguments of the line that names f; ok is false where f is of
// another part.
func (p part) line(f model.Field) (line config.Args, ok bool) {
	line = config.Args{}
	for argument, v := range map[string]string{"HEADER": f.Header, "COMPONENT": f.Component, "PARAM": f.Param} {
		if hasWord(p.words, argument) != (v != "") {
			return nil, false
		}
		if v != "" {
			line[argument] = v
		}
	}
	return line, f.Kind == p.kind
}

// headerName is the name of a header field, in its long or compact form. Its
// value is a string: the long form.
type headerName struct{}

// headerNames are offered for completion, beside any other name.
var headerNames = []string{
	"From", "To", "Contact", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID", "Diversion", "History-Info",
	"Route", "User-Agent", "Server", "Subject", "Privacy", "Reason", "Referred-By", "Refer-To", "Supported", "Require",
	"Allow", "Session-Expires", "Event", "Expires", "Content-Type", "Call-Info", "Alert-Info", "P-Charging-Vector",
}

// Parse reads a name (RFC 3261 §25.1, token).
func (headerName) Parse(word string) (any, error) {
	token := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-.!%*_+`'~", r)
	}
	if len(word) > 64 || strings.TrimFunc(word, token) != "" || word == "request-uri" {
		return nil, fmt.Errorf("%s is not the name of a header field", word)
	}
	if long := message.HeaderIDOf(word).String(); long != "" {
		return long, nil
	}
	for _, known := range headerNames {
		if strings.EqualFold(known, word) {
			return known, nil
		}
	}
	return word, nil
}

// Format prints the name.
func (headerName) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (headerName) String() string { return "HEADER" }

// Known gives the usual ones, for completion.
func (headerName) Known() []string { return headerNames }
