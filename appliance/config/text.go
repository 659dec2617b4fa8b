package config

import (
	"regexp"
	"strings"
)

// typedLine is one line of a text that says something, without the blanks
// around it.
type typedLine struct {
	number int // 1 is the first of the text; 0 when it is of none
	indent int // how many blanks stood before it
	text   string
}

// asideMark begins a comment that keeps a line which this firmware does not
// understand.
const asideMark = "!? "

// scan gives the lines of a text that say something: no blank ones, no comments.
func scan(text string) []typedLine {
	var lines []typedLine
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, " \t\r\n")
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		if said := strings.TrimSpace(CutPrompt(line)); said != "" && !isComment(said) {
			lines = append(lines, typedLine{number, indent, said})
		}
	}
	return lines
}

// Aside gives the lines that a text keeps aside, with their opening lines and
// indentation.
func Aside(text string) []string {
	var aside []string
	for line := range strings.Lines(text) {
		if kept, ok := strings.CutPrefix(strings.TrimRight(line, " \t\r\n"), asideMark); ok {
			aside = append(aside, kept)
		}
	}
	return aside
}

// scanAside gives the lines that a text keeps aside, without their numbers.
func scanAside(text string) []typedLine {
	var lines []typedLine
	for _, line := range Aside(text) {
		if said := strings.TrimSpace(line); said != "" && !isComment(said) {
			lines = append(lines, typedLine{indent: strings.Index(line, said), text: said})
		}
	}
	return lines
}

func isComment(line string) bool { return line[0] == '!' }

// prompt is what a console prints before a line: "Router(config-sbc)#", "host>".
var prompt = regexp.MustCompile(`^\s*[A-Za-z0-9][A-Za-z0-9._/-]*(\([a-z0-9-]+\))?[#>]`)

// CutPrompt gives the line without the prompt that was pasted with it. No
// command has # or > in its first word.
func CutPrompt(line string) string {
	return line[len(prompt.FindString(line)):]
}

// isConfigure recognises "configure terminal" and its abbreviations. In a
// configuration it says nothing but that global mode follows.
func isConfigure(line string) bool {
	words := strings.Fields(line)
	switch len(words) {
	case 1:
	case 2:
		if !hasPrefixFold("terminal", words[1]) {
			return false
		}
	default:
		return false
	}
	return len(words[0]) >= len("conf") && hasPrefixFold("configure", words[0])
}
