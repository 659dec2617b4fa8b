package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Vocabulary is the set of forms that may be typed in one place. It is safe
// for concurrent use.
type Vocabulary struct {
	forms []*form
	start []state
	words Words
}

// Match is a line that was understood.
type Match struct {
	Form    int  // index of the form
	Args    Args // its values
	columns map[string]int
}

// NewVocabulary takes the forms apart and checks that no line can mean two of
// them. Expand needs words for the help of keywords that forms share.
func NewVocabulary(forms []Form, words ...Words) (*Vocabulary, error) {
	v := &Vocabulary{words: make(Words)}
	for _, w := range words {
		maps.Copy(v.words, w)
	}
	for i, f := range forms {
		compiled, err := compile(f)
		if err != nil {
			return nil, fmt.Errorf("syntax %q: %w", f.Syntax, err)
		}
		v.forms = append(v.forms, compiled)
		v.start = append(v.start, state{form: i})
	}
	if err := v.ambiguity(v.start); err != nil {
		return nil, err
	}
	return v, nil
}

// Match finds the form that the line is written in. Keywords may be
// abbreviated as long as one keyword is meant. The error is an *Error with Line 0.
func (v *Vocabulary) Match(line string) (Match, error) {
	line = strings.TrimSpace(line)
	match, wrong := v.match(line)
	if wrong != nil {
		return Match{}, &Error{Column: wrong.column, Text: line, Rule: wrong.rule}
	}
	return match, nil
}

// state is a position in a form that the words so far have led to.
type state struct {
	form, pos int
	trail     *taken
}

// taken is one word that a form took, in a list from the last to the first.
type taken struct {
	item   *item
	value  any
	column int
	before *taken
}

// word is one word of a line.
type word struct {
	text   string
	rest   string // the line from this word on
	column int    // in characters, from 1
}

// mismatch says why a line is none of a vocabulary.
type mismatch struct {
	known  bool // it is meant for this vocabulary, and wrong: a value out of range, an ambiguity
	column int
	rule   string
}

// match finds the form of a line that has no blanks around it: word by word it
// follows all forms that the words so far fit.
func (v *Vocabulary) match(line string) (Match, *mismatch) {
	words, wrong := split(line)
	if wrong != nil {
		return Match{}, wrong
	}
	states := v.start
	for _, w := range words {
		next, wrong := v.step(states, w)
		if wrong != nil {
			wrong.column = w.column
			return Match{}, wrong
		}
		states = next
		if states[0].trail.takesRest() {
			break
		}
	}
	for _, s := range states {
		if s.pos == len(v.forms[s.form].items) {
			return v.matched(s), nil
		}
	}
	return Match{}, &mismatch{
		column: utf8.RuneCountInString(line) + 2,
		rule:   "the line is not complete: " + expectation(v.alternatives(states)),
	}
}

// split cuts a line into words at its blanks; those before a fault are there, too.
func split(line string) ([]word, *mismatch) {
	var words []word
	column, inWord := 0, false
	for i, r := range line {
		column++
		if r == utf8.RuneError || r != '\t' && !unicode.IsPrint(r) {
			return words, &mismatch{known: true, column: column, rule: "a character that cannot be printed"}
		}
		blank := r == ' ' || r == '\t'
		if !blank && !inWord {
			rest := line[i:]
			end := strings.IndexAny(rest, " \t")
			if end < 0 {
				end = len(rest)
			}
			words = append(words, word{text: rest[:end], rest: rest, column: column})
		}
		inWord = !blank
	}
	return words, nil
}

// step takes one word: it gives the states that the word leads to, or says
// why it leads nowhere. A keyword typed in full goes before one abbreviated,
// and both go before an argument.
func (v *Vocabulary) step(states []state, w word) (next []state, wrong *mismatch) {
	var exact, abbreviated, byValue []state
	var meant []string // the distinct keywords that the word may abbreviate
	var refusal error
	for _, s := range states {
		it := v.item(s)
		switch {
		case it == nil:
		case it.arg != nil:
			text := w.text
			if _, ok := it.arg.Type.(Line); ok {
				text = w.rest
			}
			value, err := it.arg.Type.Parse(text)
			if err != nil {
				refusal = err
				continue
			}
			byValue = append(byValue, s.after(it, value, w.column))
		case strings.EqualFold(it.keyword, w.text):
			exact = append(exact, s.after(it, true, w.column))
		case hasPrefixFold(it.keyword, w.text):
			abbreviated = append(abbreviated, s.after(it, true, w.column))
			meant = appendNew(meant, it.keyword)
		}
	}
	switch {
	case len(exact) > 0:
		return v.closure(exact), nil
	case len(meant) == 1:
		return v.closure(abbreviated), nil
	case len(meant) > 1:
		return nil, &mismatch{known: true, rule: fmt.Sprintf("%s is ambiguous: %s", w.text, strings.Join(meant, ", "))}
	case len(byValue) > 0:
		return v.closure(byValue), nil
	}
	switch alternatives := v.alternatives(states); {
	case v.endsWithSecret(states):
		return nil, &mismatch{rule: "nothing is expected here: there is no blank in a secret or a password"}
	case len(alternatives) == 0:
		return nil, &mismatch{rule: fmt.Sprintf("nothing is expected here, not %s", w.text)}
	case refusal != nil && len(alternatives) == 1:
		return nil, &mismatch{known: true, rule: refusal.Error()}
	case w.column == 1:
		return nil, &mismatch{rule: fmt.Sprintf("%s is not a command here", w.text)}
	default:
		return nil, &mismatch{rule: fmt.Sprintf("%s does not fit: %s", w.text, expectation(alternatives))}
	}
}

// item is the position that s stands before, nil at the end of its form.
func (v *Vocabulary) item(s state) *item {
	if items := v.forms[s.form].items; s.pos < len(items) {
		return &items[s.pos]
	}
	return nil
}

// after is the state once the item took the value.
func (s state) after(it *item, value any, column int) state {
	return state{s.form, s.pos + 1, &taken{it, value, column, s.trail}}
}

func (t *taken) takesRest() bool {
	_, ok := t.item.argType().(Line)
	return ok
}

// closure adds the states that need no word: past an optional part, back to
// one in the same row that was not typed yet, and back to an argument that may
// repeat.
func (v *Vocabulary) closure(states []state) []state {
	var all []state
	for _, s := range states {
		if s.trail != nil && s.trail.item.repeats {
			all = append(all, state{s.form, s.pos - 1, s.trail})
		}
		again := v.forms[s.form].again
		s.pos = again[s.pos]
		for it := v.item(s); it != nil && it.skip > 0; it = v.item(s) {
			if !s.trail.has(it) {
				all = append(all, s)
			}
			row := again[s.pos]
			s.pos = it.skip
			if again[s.pos] < row { // a part around this one ends, too
				s.pos = again[s.pos]
			}
		}
		all = append(all, s)
	}
	return all
}

// has reports whether the item is among those that took a word.
func (t *taken) has(it *item) bool {
	for ; t != nil; t = t.before {
		if t.item == it {
			return true
		}
	}
	return false
}

// alternatives are the distinct things that may be typed next.
func (v *Vocabulary) alternatives(states []state) []string {
	var all []string
	for _, s := range states {
		if it := v.item(s); it != nil {
			all = appendNew(all, it.String())
		}
	}
	return all
}

// expectationMax is how many alternatives an error names; ? tells more.
const expectationMax = 8

func expectation(alternatives []string) string {
	if len(alternatives) > expectationMax {
		return "another word is expected"
	}
	return strings.Join(alternatives, " or ") + " is expected"
}

// matched gathers the values of a form that is complete.
func (v *Vocabulary) matched(s state) Match {
	match := Match{Form: s.form, Args: make(Args), columns: make(map[string]int)}
	for i := range v.forms[s.form].items {
		if arg := v.forms[s.form].items[i].arg; arg != nil {
			match.Args[arg.Name] = arg.Default
		}
	}
	var inOrder []*taken
	for t := s.trail; t != nil; t = t.before {
		inOrder = append(inOrder, t)
	}
	for i := len(inOrder) - 1; i >= 0; i-- {
		t := inOrder[i]
		switch {
		case t.item.arg == nil:
			if t.item.optional {
				match.Args[t.item.keyword] = true
			}
			continue
		case t.item.repeats:
			values, _ := match.Args[t.item.arg.Name].([]any)
			match.Args[t.item.arg.Name] = append(values, t.value)
		default:
			match.Args[t.item.arg.Name] = t.value
		}
		if match.columns[t.item.arg.Name] == 0 {
			match.columns[t.item.arg.Name] = t.column
		}
	}
	return match
}

// hasPrefixFold reports whether s begins with prefix, case aside (ASCII).
func hasPrefixFold(s, prefix string) bool {
	return len(prefix) <= len(s) && strings.EqualFold(s[:len(prefix)], prefix)
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
