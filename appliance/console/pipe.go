package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"causeway/appliance/config"
)

// Pipes: what may stand after "|" behind a command that shows something.

var pattern = config.Argument{Name: "LINE", Type: config.Line{}, Help: "Regular expression (Go's syntax, which is RE2's)"}

// pipeKind is one kind of pipe. filter says what becomes of each line; nil
// shows all of them.
type pipeKind struct {
	form   config.Form
	filter func(*regexp.Regexp) filter
}

// filter says which lines are shown, asked for each in order. finish may print
// something at the end.
type filter struct {
	shows  func(line []byte) bool
	finish func() string
}

// pipes is the table of them.
var pipes = []pipeKind{
	{matching("include", "Lines that match"), func(re *regexp.Regexp) filter {
		return filter{shows: re.Match}
	}},
	{matching("exclude", "Lines that do not match"), func(re *regexp.Regexp) filter {
		return filter{shows: func(line []byte) bool { return !re.Match(line) }}
	}},
	{matching("begin", "From the first line that matches"), func(re *regexp.Regexp) filter {
		begun := false
		return filter{shows: func(line []byte) bool {
			begun = begun || re.Match(line)
			return begun
		}}
	}},
	{matching("section", "Lines that match, each with those indented below it"), func(re *regexp.Regexp) filter {
		depth := -1 // of the line that matched; -1: none did
		return filter{shows: func(line []byte) bool {
			indented := len(line) - len(bytes.TrimLeft(line, " "))
			if depth < 0 || indented <= depth {
				depth = -1
				if re.Match(line) {
					depth = indented
				}
			}
			return depth >= 0
		}}
	}},
	{matching("count", "Number of lines that match"), func(re *regexp.Regexp) filter {
		count := 0
		return filter{
			shows: func(line []byte) bool {
				if re.Match(line) {
					count++
				}
				return false
			},
			finish: func() string { return fmt.Sprintf("Number of lines that match: %d\n", count) },
		}
	}},
	{config.Form{Syntax: "no-more", Help: "All at once, without --More--"}, nil},
}

func matching(keyword, help string) config.Form {
	return config.Form{Syntax: keyword + " " + pattern.Name, Args: []config.Argument{pattern}, Help: help}
}

// pipe is a pipe as it was typed. The zero value is none.
type pipe struct {
	filter *filter
	noMore bool
}

// pipeVocabulary is what may be typed after "|".
func pipeVocabulary() (*config.Vocabulary, error) {
	forms := make([]config.Form, len(pipes))
	for i, kind := range pipes {
		forms[i] = kind.form
	}
	return config.NewVocabulary(forms)
}

// parsePipe reads what follows "|".
func parsePipe(vocabulary *config.Vocabulary, text string) (pipe, *config.Error) {
	text = strings.TrimSpace(text)
	match, err := vocabulary.Match(text)
	var fault *config.Error
	if errors.As(err, &fault) {
		return pipe{}, fault
	}
	kind := pipes[match.Form]
	if kind.filter == nil {
		return pipe{noMore: true}, nil
	}
	expression := match.Args.Text(pattern.Name)
	re, err := regexp.Compile(expression)
	if err != nil {
		return pipe{}, &config.Error{Column: runes(text) - runes(expression) + 1, Text: text, Rule: err.Error()}
	}
	f := kind.filter(re)
	return pipe{filter: &f}, nil
}

// piped hands the lines on that the filter shows.
type piped struct {
	filter filter
	to     io.Writer
	line   []byte // the beginning of one
}

// Write takes any piece of text.
func (p *piped) Write(text []byte) (int, error) {
	for part := range bytes.Lines(text) {
		p.line = append(p.line, part...)
		if part[len(part)-1] != '\n' {
			break
		}
		if err := p.pass(); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}

// pass handles the line that is complete.
func (p *piped) pass() error {
	line := p.line
	p.line = p.line[:0]
	if !p.filter.shows(bytes.TrimRight(line, "\r\n")) {
		return nil
	}
	_, err := p.to.Write(line)
	return err
}

// finish handles a last line without an end, and prints what the filter says
// at the end.
func (p *piped) finish() error {
	if len(p.line) > 0 {
		if err := p.pass(); err != nil {
			return err
		}
	}
	if p.filter.finish == nil {
		return nil
	}
	_, err := io.WriteString(p.to, p.filter.finish())
	return err
}
