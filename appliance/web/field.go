package web

import (
	"strings"
	"unicode"

	"causeway/appliance/config"
)

// configured makes of an argument one of the configuration: its name is in the help of
// its argument, and the words of the line that it stands for are beside it.
func configured(in argument, f config.Field) argument {
	in.CLI, in.Required = f.Words, false
	if f.Arg == nil {
		return in
	}
	if in.Label, in.Hint = parted(f.Arg.Help); unicode.IsLower(rune(in.Label[0])) { // it tells of the choices
		in.Label, in.Hint = strings.ToUpper(f.Name[:1])+strings.ToLower(f.Name[1:]), f.Arg.Help
	}
	if f.Repeats {
		in.Hint = strings.TrimPrefix(in.Hint+"; several with blanks between", "; ")
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

// parted takes a help text apart: its first words name the field, and what follows
// explains it.
func parted(help string) (label, rest string) {
	end := len(help)
	for _, mark := range []string{"; ", ": ", " ("} {
		if i := strings.Index(help, mark); i > 0 {
			end = min(end, i)
		}
	}
	return help[:end], strings.TrimLeft(help[end:], ";: ")
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
