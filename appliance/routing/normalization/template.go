package normalization

import (
	"fmt"
	"regexp"
)

// template is the value of a step: text between groups of its expression.
type template []piece

// piece is literal text, and then what a group matched.
type piece struct {
	text  string
	group int // -1: none
}

// compileTemplate reads $0 to $9 as groups of match and $$ as a dollar sign.
func compileTemplate(value string, match *regexp.Regexp) (template, error) {
	groups := -1
	if match != nil {
		groups = match.NumSubexp()
	}
	var t template
	text := ""
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c < ' ' || c == 0x7f {
			return nil, fmt.Errorf("the value has the control character %q", c)
		}
		if c != '$' {
			text += value[i : i+1]
			continue
		}
		i++
		switch {
		case i < len(value) && value[i] == '$':
			text += "$"
		case i < len(value) && '0' <= value[i] && value[i] <= '9':
			group := int(value[i] - '0')
			if group > groups {
				return nil, fmt.Errorf("the value has $%d, but no expression that has this group", group)
			}
			t = append(t, piece{text, group})
			text = ""
		default:
			return nil, fmt.Errorf("a $ in the value stands before no digit; $$ is the sign itself")
		}
	}
	return append(t, piece{text, -1}), nil
}

// expand appends the template for one match in old, whose groups are at places,
// as package regexp gives them.
func (t template) expand(b, old []byte, places []int) []byte {
	for _, p := range t {
		b = append(b, p.text...)
		if p.group >= 0 && places[2*p.group] >= 0 {
			b = append(b, old[places[2*p.group]:places[2*p.group+1]]...)
		}
	}
	return b
}
