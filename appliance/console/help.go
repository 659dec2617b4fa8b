package console

import (
	"fmt"
	"strings"

	"causeway/appliance/config"
)

// key answers ? and Tab in a command that is being typed. In a comment they
// are text.
func (s *Session) key(before string, key rune) bool {
	text := strings.TrimLeft(before, " \t")
	column := runes(s.screen.prompt) + runes(before) - runes(text)
	switch {
	case strings.HasPrefix(text, "!"):
		return false
	case string(key) == keyHelp:
		s.screen.reply(before+"?", s.help(s.at, column, text))
	case text != "": // pasted text may be indented with tabs
		e, _ := s.expand(s.at, text)
		if len(e.Choices) == 1 && !e.Choices[0].Value {
			s.screen.complete(e.Choices[0].Word[len(e.Prefix):] + " ")
		} else if e.Prefix != "" && s.fits(text) {
			s.screen.complete(" ")
		} else {
			s.screen.reply(before, s.help(s.at, column, text))
		}
	}
	return true
}

// fits reports whether the last word is complete as it is.
func (s *Session) fits(text string) bool {
	e, _ := s.expand(s.at, text+" ")
	return e.Fault == nil
}

// help is what ? prints about a line that was typed at a place, from the given
// column of the screen on.
func (s *Session) help(at place, column int, text string) string {
	e, skipped := s.expand(at, text)
	if e.Fault != nil {
		column += skipped + e.Fault.Column - 1
		return fmt.Sprintf("%*s^\n%% %s\n", column, "", e.Fault.Rule)
	}
	if e.Prefix != "" && len(e.Choices) > 0 && !e.Choices[0].Value {
		return list(e.Choices, s.screen.width())
	}
	if e.Complete {
		e.Choices = append(e.Choices, config.Completion{Word: "<cr>"})
	}
	width := 0
	for _, c := range e.Choices {
		width = max(width, runes(c.Word))
	}
	var table strings.Builder
	for _, c := range e.Choices {
		fmt.Fprintln(&table, strings.TrimRight(fmt.Sprintf("  %-*s  %s", width, c.Word, c.Help), " "))
	}
	return table.String()
}

// list prints the words in rows.
func list(choices []config.Completion, width int) string {
	var rows strings.Builder
	column := 0
	for _, c := range choices {
		if column > 0 && column+2+runes(c.Word) > width {
			rows.WriteByte('\n')
			column = 0
		}
		rows.WriteString("  " + c.Word)
		column += 2 + runes(c.Word)
	}
	rows.WriteByte('\n')
	return rows.String()
}

// expand says how a line that is typed at a place may go on. It looks at the
// line without its first skipped characters.
func (s *Session) expand(at place, text string) (e config.Expansion, skipped int) {
	if rest, does := strings.CutPrefix(text, "do "); does && at.configuring() {
		e, skipped = s.expand(afterDo, rest)
		return e, skipped + len("do ")
	}
	w := s.offers(at, s.path)
	head, tail, piped := strings.Cut(text, "|")
	match, err := w.vocabulary.Match(head)
	shows := err == nil && w.shows(match)
	if piped && shows {
		return s.pipes.Expand(tail), runes(head) + 1
	}
	e = w.vocabulary.Expand(text)
	if shows && e.Complete && e.Prefix == "" {
		e.Choices = append(e.Choices, config.Completion{Word: "|", Help: "Only some of the lines"})
	}
	// What fits no command of the innermost mode may fit one around it.
	for depth := len(s.path) - 1; e.Fault != nil && at.configuring() && depth >= 0; depth-- {
		if outer := s.offers(s.placeOf(s.path[:depth]), s.path[:depth]).vocabulary.Expand(text); outer.Fault == nil {
			return outer, 0
		}
	}
	return e, 0
}
