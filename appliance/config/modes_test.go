package config

import (
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/model"
)

// modes has a mode that two words leave, lines that are printed by rank, and
// one that is understood only.
func modes(t *testing.T) *Grammar {
	number := argument("NUMBER", Integer{1, 9})
	ranked := func(word string) Command {
		return Command{
			Mode: "config-list", Syntax: word + " NUMBER", Args: []Argument{number}, Help: "An entry", Rank: "NUMBER",
			Apply: func(c *model.Config, a Args) error {
				c.TimeServers = append(c.TimeServers, fmt.Sprint(word, a.Int("NUMBER")))
				return nil
			},
			Render: func(c *model.Config, _ Args) []Args {
				var lines []Args
				for _, entry := range c.TimeServers {
					if number, ok := strings.CutPrefix(entry, word); ok {
						lines = append(lines, Args{"NUMBER": int(number[0] - '0')})
					}
				}
				return lines
			},
		}
	}
	opener := Command{
		Mode: Global, Syntax: "list", Opens: "config-list", Ends: "end list", Help: "A list",
		Apply: func(*model.Config, Args) error { return nil },
		Render: func(c *model.Config, _ Args) []Args {
			if c.TimeServers == nil {
				return nil
			}
			return []Args{{}}
		},
	}
	again := opener
	again.Syntax, again.Render = "same list", nil
	g, err := New([]Command{opener, again, ranked("a"), ranked("b"), {
		Mode: "config-list", Syntax: "colour", No: "colour", Help: "Nothing",
		Apply: func(*model.Config, Args) error { return nil }, Negate: func(*model.Config, Args) error { return nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestModesOfOtherWords(t *testing.T) {
	g := modes(t)
	const text = "list\na 3\nb 2\ncolour\nend list\nsame list\nno colour\nb 4\na 1\nend list\nlist\nend"
	const want = "list\n a 1\n b 2\n a 3\n b 4\n exit\n"
	c, err := g.Parse(text)
	if err != nil {
		t.Fatalf("Parse(%q) = %v; want no error", text, err)
	}
	if got := g.Render(c); got != want {
		t.Errorf("Render = %q; want %q", got, want)
	}
	typed, path := &model.Config{}, []string(nil)
	for line := range strings.Lines(text) {
		var fault *Error
		if path, fault = g.Edit(typed, path, line); fault != nil {
			t.Fatalf("Edit(%q) = %v; want no error", line, fault)
		}
		if ended := strings.HasPrefix(line, "end"); ended != (len(path) == 0) {
			t.Errorf("Edit(%q) leads to %q", line, path)
		}
	}
	if got := g.Render(typed); got != want {
		t.Errorf("Render of what was typed = %q; want %q", got, want)
	}
	if _, err := g.Parse("list\nend something"); err == nil {
		t.Error("Parse of end something = no error; want one")
	}
}
