package config

import (
	"fmt"
	"slices"
	"strings"
)

// Form is one way a line may be written. Command explains Syntax.
type Form struct {
	Syntax string
	Args   []Argument
	Help   string // what the line does, in a few words
}

// form is a Form taken apart: its items in order.
type form struct {
	syntax string
	help   string
	items  []item
	// again says for each position where to go on from when a word has led
	// there: there itself, but behind an optional part that begins with a
	// keyword at the first of such parts in a row.
	again []int
}

// item is one position of a form: a keyword or an argument.
type item struct {
	keyword  string    // lower case; empty for an argument
	arg      *Argument // nil for a keyword
	repeats  bool      // one or more of it
	key      string    // of a keyword, as Words has it
	optional bool      // it stands in brackets, which may be nested
	skip     int       // where an optional part begins: the position after it; else 0
}

// compile takes a form apart.
func compile(f Form) (*form, error) {
	declared := make(map[string]*Argument, len(f.Args))
	for i := range f.Args {
		arg := &f.Args[i]
		if arg.Name != strings.ToUpper(arg.Name) || arg.Type == nil || arg.Help == "" {
			return nil, fmt.Errorf("argument %q needs a name in capitals, a type and a help text", arg.Name)
		}
		declared[arg.Name] = arg
	}
	c := &form{syntax: f.Syntax, help: f.Help}
	var open []int // where the optional parts began that are not closed yet
	for _, word := range strings.Fields(f.Syntax) {
		word, opens := strings.CutPrefix(word, "[")
		if opens {
			open = append(open, len(c.items))
		}
		closes := strings.Count(word, "]")
		word, repeats := strings.CutSuffix(strings.TrimRight(word, "]"), "...")
		it := item{repeats: repeats, optional: len(open) > 0}
		switch {
		case word == "" || strings.Contains(word, "["):
			return nil, fmt.Errorf("a bracket that is not at a word")
		case word == strings.ToLower(word):
			it.keyword = word
		case declared[word] == nil:
			return nil, fmt.Errorf("argument %s is not declared", word)
		default:
			it.arg = declared[word]
		}
		c.items = append(c.items, it)
		if closes > len(open) {
			return nil, fmt.Errorf("a bracket is closed that was not opened")
		}
		for range closes {
			last := len(open) - 1
			c.items[open[last]].skip = len(c.items)
			open = open[:last]
		}
	}
	switch {
	case len(open) > 0:
		return nil, fmt.Errorf("a bracket is not closed")
	case len(c.items) == 0 || c.items[0].keyword == "" || c.items[0].optional:
		return nil, fmt.Errorf("a line begins with a keyword")
	}
	for i, it := range c.items {
		if _, ok := it.argType().(Line); ok && i+1 < len(c.items) {
			return nil, fmt.Errorf("the rest of the line can only be the last argument")
		}
		if _, ok := it.argType().(Secret); ok && it.repeats {
			return nil, fmt.Errorf("a secret cannot be repeated")
		}
		c.items[i].key = c.key(i)
	}
	c.findRows()
	return c, nil
}

// findRows fills again.
func (f *form) findRows() {
	f.again = make([]int, len(f.items)+1)
	for i := range f.again {
		f.again[i] = i
	}
	for i, it := range f.items {
		if it.skip > 0 && it.arg == nil && f.again[it.skip] == it.skip { // else a part around it ends there
			f.again[it.skip] = f.again[i]
		}
	}
}

// key is what Words calls the keyword in position i: the keywords up to it,
// without "no" and without those of optional parts that end before it.
func (f *form) key(i int) string {
	var words []string
	for j := 0; j <= i; j++ {
		it := &f.items[j]
		if it.skip > 0 && it.skip <= i {
			j = it.skip - 1
		} else if it.arg == nil && (it.keyword != "no" || i == 0) {
			words = append(words, it.keyword)
		}
	}
	return strings.Join(words, " ")
}

// begins reports whether the form begins with the keywords up to position i,
// so that its help is that of the last of them.
func (f *form) begins(i int) bool {
	return !slices.ContainsFunc(f.items[:i+1], func(it item) bool { return it.arg != nil || it.optional })
}

// argType is the type of an argument, nil for a keyword.
func (it *item) argType() Type {
	if it.arg == nil {
		return nil
	}
	return it.arg.Type
}

// String is what may be typed in this position.
func (it *item) String() string {
	if it.arg == nil {
		return it.keyword
	}
	if choice, ok := it.arg.Type.(Choice); ok {
		return choice.String()
	}
	return fmt.Sprintf("%s (%v)", it.arg.Name, it.arg.Type)
}

// line writes the form with the given values: keywords in full, optional
// parts only where they say something that their defaults do not.
func (f *form) line(a Args) string {
	var words []string
	for i := 0; i < len(f.items); i++ {
		it := &f.items[i]
		if it.skip > 0 && !saysSomething(f.items[i:it.skip], a) {
			i = it.skip - 1
			continue
		}
		switch {
		case it.arg == nil:
			words = append(words, it.keyword)
		case it.repeats:
			values, _ := a[it.arg.Name].([]any)
			for _, v := range values {
				words = append(words, it.arg.Type.Format(v))
			}
		default:
			words = append(words, it.arg.Type.Format(a[it.arg.Name]))
		}
	}
	return strings.Join(words, " ")
}

// saysSomething reports whether an optional part has a value that is not the
// default, or is a keyword that was typed.
func saysSomething(part []item, a Args) bool {
	onlyKeywords := true
	for i := range part {
		it := &part[i]
		if it.arg == nil {
			continue
		}
		onlyKeywords = false
		value := a[it.arg.Name]
		if value == nil {
			continue
		}
		if it.repeats || it.arg.Default == nil || it.arg.Type.Format(value) != it.arg.Type.Format(it.arg.Default) {
			return true
		}
	}
	return onlyKeywords && a.Has(part[0].keyword)
}
