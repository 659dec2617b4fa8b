package web

import (
	"cmp"
	"fmt"
	"strings"

	"causeway/appliance/config"
)

// argument is a field of a command's line as a form has it.
type argument struct {
	ID, Name string
	Label    string
	Type     string // "text", "number", "password", "checkbox" or "select"
	Value    string // never a secret
	Min, Max int    // of a number
	Choices  []string
	Hint     string // what stands there, and in which range
	Words    string // in front of it in the line
	Fault    string
	Needed   bool // the line needs it
	Required bool // the browser sends no form without it

	CLI    string   // the words of the configuration that it stands for
	None   string   // the choice of nothing
	Known  []string // values that there are already
	Stored bool     // of a secret: there is one, which stays where nothing is typed
	Clears bool     // a box takes the secret away
}

// arguments are the fields of a line. prefix goes before their names; filled and wrong
// are as config.Blank has them.
func arguments(blank *config.Blank, prefix string, filled, wrong map[string]string) (list []argument) {
	for _, f := range blank.Fields {
		list = append(list, argumentOf(f, prefix, filled[f.Name], wrong[f.Name]))
	}
	return list
}

func argumentOf(f config.Field, prefix, value, fault string) argument {
	i := argument{
		ID: prefix + "-" + f.Name, Name: prefix + "." + f.Name, Label: labelOf(f), Type: "text",
		Value: value, Words: f.Words, Fault: fault, Needed: f.Needed, Required: f.Needed,
	}
	if f.Arg == nil {
		i.Type = "checkbox"
		return i
	}
	i.Hint = f.Arg.Help
	switch t := f.Arg.Type.(type) {
	case config.Choice:
		i.Type, i.Choices = "select", t
	case config.Integer:
		if !f.Repeats {
			i.Type, i.Min, i.Max = "number", t.Min, t.Max
		}
		i.Hint += fmt.Sprintf(", %d to %d", t.Min, t.Max)
	case config.Secret, config.Password, config.Token:
		i.Type, i.Value = "password", ""
	case config.Line, config.Word, config.Name:
	default:
		i.Hint += fmt.Sprintf(" (%v)", t)
	}
	if f.Repeats {
		i.Type = "text"
		i.Hint += "; several with blanks between them"
	}
	if f.Arg.Default != nil {
		i.Hint += fmt.Sprintf("; %s unless given", f.Arg.Type.Format(f.Arg.Default))
	}
	return i
}

// labelOf is what a field is called: its argument, or the words in front of one that
// may be left out.
func labelOf(f config.Field) string {
	text := f.Words
	if f.Arg != nil && (f.Needed || text == "" || strings.Contains(text, " ")) { // else they are the command's
		text = strings.ToLower(f.Name)
	}
	switch text {
	case "sbc", "lan", "uri":
		return strings.ToUpper(text)
	}
	text = strings.NewReplacer("request-uri", "request-URI", "call-id", "call-ID").Replace(text)
	return strings.ToUpper(text[:1]) + text[1:]
}

// configured makes of an argument one of the configuration: all of its help explains it, and
// the words of the line that it stands for are beside it.
func configured(in argument, f config.Field) argument {
	in.CLI, in.Required = f.Words, false
	if f.Arg == nil {
		return in
	}
	in.Label, in.Hint = cmp.Or(called[f.Name], in.Label), f.Arg.Help
	if f.Repeats {
		in.Hint += "; several with blanks between"
	}
	if t, is := f.Arg.Type.(interface{ Known() []string }); is && in.Type == "text" {
		in.Known = t.Known()
	}
	if in.Type != "select" {
		in.CLI = strings.TrimSpace(f.Words + " " + f.Arg.Type.String())
		return in
	}
	in.None = "not set"
	if f.Arg.Default != nil {
		in.None = f.Arg.Type.Format(f.Arg.Default) + " (default)"
	}
	return in
}

// called are the names of arguments that are no words for people.
var called = map[string]string{
	"CODES": "Failover codes", "DOWN": "While it is down", "DSCP": "DSCP", "ID": "ID", "KB": "KB", "LAN": "LAN", "MATCH": "What is replaced", "MS": "Milliseconds",
	"OUT-NETWORK": "Leaves by network", "ROUTE-GROUP": "Route group", "SBC": "SBC", "TARGET": "Server group or host",
	"TIMES": "Time policy", "UP": "While it is up", "URL": "URL", "VRF": "VRF", "WHICH": "Which of several", "WORDS": "First words",
}

// isSecret reports whether a field is never shown again.
func isSecret(f config.Field) bool {
	if f.Arg == nil {
		return false
	}
	switch f.Arg.Type.(type) {
	case config.Secret, config.Password:
		return true
	}
	return false
}
