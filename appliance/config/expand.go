package config

import (
	"fmt"
	"slices"
	"strings"
)

// Words says what keywords mean that have no command's help for themselves:
// those that several commands share, and those that are optional or stand
// after an argument. The key is the keyword behind those before it, without
// "no" and without those of optional parts that have ended: "ip", "show sip",
// "ping source" in "ping HOST [repeat COUNT] [source ADDRESS]". "* weight" is
// what a keyword means wherever nothing else says it.
type Words map[string]string

// Expansion is what may stand at the end of a line, for ? and Tab.
type Expansion struct {
	Prefix   string       // the beginning of the last word, empty after a blank
	Choices  []Completion // what that word may be: keywords, then values
	Complete bool         // the line may end as it is (<cr>)
	Fault    *Error       // no word fits here: why; Choices is then empty
}

// Completion is one thing that may stand in a place.
type Completion struct {
	Word  string // a keyword or value in full, or what kind of value: "A.B.C.D", "<1-255>"
	Help  string
	Value bool // Word stands for a kind of value and cannot be typed as it is
}

// Expand says how the line may go on: how its last word may be completed, or,
// after a blank, what the next word may be.
func (v *Vocabulary) Expand(line string) Expansion {
	words, wrong := split(line)
	if wrong != nil {
		return Expansion{Fault: &Error{Column: wrong.column, Text: line, Rule: wrong.rule}}
	}
	last := word{column: len([]rune(line)) + 1}
	if n := len(words); n > 0 && strings.HasSuffix(line, words[n-1].text) {
		last, words = words[n-1], words[:n-1]
	}
	states := v.start
	for _, w := range words {
		next, wrong := v.step(states, w)
		if wrong != nil {
			return Expansion{Fault: &Error{Column: w.column, Text: line, Rule: wrong.rule}}
		}
		if t := next[0].trail; t.takesRest() {
			return Expansion{Prefix: w.rest, Choices: []Completion{t.item.arg.completion()}, Complete: true}
		}
		states = next
	}
	_, incomplete := v.match(strings.TrimSpace(line))
	expansion := Expansion{Prefix: last.text, Choices: v.choices(states, last.text), Complete: incomplete == nil}
	if len(expansion.Choices) == 0 && last.text != "" {
		if _, wrong := v.step(states, last); wrong != nil {
			expansion.Fault = &Error{Column: last.column, Text: line, Rule: wrong.rule}
		}
	}
	return expansion
}

// choices are what may stand next and begins with prefix: keywords by the
// alphabet, values in the order of the declarations. Values of which only the
// kind is known are there when no word begins so.
func (v *Vocabulary) choices(states []state, prefix string) []Completion {
	var keywords, values, kinds []Completion
	for _, s := range states {
		it := v.item(s)
		switch {
		case it == nil:
		case it.arg == nil:
			if hasPrefixFold(it.keyword, prefix) {
				keywords = addCompletion(keywords, Completion{Word: it.keyword, Help: v.keywordHelp(states, it.keyword)})
			}
		default:
			known, ok := it.arg.Type.(interface{ Known() []string })
			if !ok {
				kinds = addCompletion(kinds, it.arg.completion())
				continue
			}
			for _, value := range known.Known() {
				if hasPrefixFold(value, prefix) {
					values = addCompletion(values, Completion{Word: value, Help: it.arg.Help})
				}
			}
		}
	}
	slices.SortFunc(keywords, func(a, b Completion) int { return strings.Compare(a.Word, b.Word) })
	all := append(keywords, values...)
	if prefix == "" || len(all) == 0 {
		all = append(all, kinds...)
	}
	return all
}

// keywordHelp is the help of the keyword in the place of the states: its own,
// or else that of the one form that begins so; empty for several forms.
func (v *Vocabulary) keywordHelp(states []state, keyword string) string {
	help, forms := "", 0
	for _, s := range states {
		it := v.item(s)
		if it == nil || it.keyword != keyword {
			continue
		}
		if own := v.words[it.key]; own != "" {
			return own
		}
		if v.forms[s.form].begins(s.pos) {
			help = v.forms[s.form].help
		}
		forms++
	}
	if forms > 1 || help == "" {
		return v.words["* "+keyword]
	}
	return help
}

// completion describes a value of the argument.
func (arg *Argument) completion() Completion {
	help := arg.Help
	if arg.Default != nil {
		help = fmt.Sprintf("%s (default %s)", help, arg.Type.Format(arg.Default))
	}
	return Completion{Word: arg.Type.String(), Help: help, Value: true}
}

func addCompletion(list []Completion, c Completion) []Completion {
	if slices.ContainsFunc(list, func(have Completion) bool { return have.Word == c.Word }) {
		return list
	}
	return append(list, c)
}
