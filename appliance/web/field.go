package web

import (
	"cmp"
	"strings"

	"causeway/appliance/config"
)

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
