package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Blank is a line for people who fill in a form: the words of a command are
// there, and its values are fields. What stands in a field is written as in the
// line; an empty one stands for what is left out. It is safe for concurrent use.
type Blank struct {
	// Fields are in the order of the line.
	Fields []Field

	form       *form
	vocabulary *Vocabulary // of this form alone
}

// Field is one thing to fill in: the value of an argument, or whether words that
// may be left out are typed, which any text but an empty one says.
type Field struct {
	Name    string    // of the argument: "METRIC"; or the first of the words: "prefer"
	Arg     *Argument // nil of words
	Words   string    // the keywords in front of the value since the one before it: "q-value"; or those that may be left out
	Needed  bool      // there is no line without it
	Repeats bool      // one or more values with blanks between them
}

// NewBlank takes a form apart. The error is a mistake in its declaration.
func NewBlank(f Form) (*Blank, error) {
	v, err := NewVocabulary([]Form{f})
	if err != nil {
		return nil, err
	}
	return newBlank(v.forms[0]), nil
}

func newBlank(f *form) *Blank {
	b := &Blank{form: f, vocabulary: &Vocabulary{forms: []*form{f}, start: []state{{}}}}
	var words []string // since the last value
	for i, it := range f.items {
		switch {
		case it.arg != nil:
			b.Fields = append(b.Fields, Field{it.arg.Name, it.arg, strings.Join(words, " "), !it.optional, it.repeats})
			words = nil
			continue
		case it.skip > 0:
			words = nil
			if keywords, only := onlyKeywords(f.items[i:it.skip]); only {
				b.Fields = append(b.Fields, Field{Name: it.keyword, Words: keywords})
			}
		}
		words = append(words, it.keyword)
	}
	return b
}

// onlyKeywords gives the keywords of an optional part up to the next one within
// it, and whether the part has nothing else.
func onlyKeywords(part []item) (words string, only bool) {
	var all []string
	for i, it := range part {
		if it.arg != nil {
			return "", false
		}
		if len(all) == i && (i == 0 || it.skip == 0) {
			all = append(all, it.keyword)
		}
	}
	return strings.Join(all, " "), true
}

// Blank is the command's line as a form.
func (command *Command) Blank() *Blank { return newBlank(command.form) }

// Bare reports whether the line can stand with all fields empty.
func (b *Blank) Bare() bool {
	return !slices.ContainsFunc(b.Fields, func(f Field) bool { return f.Needed })
}

// Fill gives what stands in the fields for a line with these values, empty ones
// left out. Secrets and passwords stand there in their stored form.
func (b *Blank) Fill(a Args) map[string]string {
	filled := make(map[string]string)
	for _, f := range b.Fields {
		value := a[f.Name]
		switch {
		case value == nil:
		case f.Arg == nil:
			filled[f.Name] = f.Words
		case f.Repeats:
			var words []string
			for _, v := range value.([]any) {
				words = append(words, f.Arg.Type.Format(v))
			}
			filled[f.Name] = strings.Join(words, " ")
		default:
			text := f.Arg.Type.Format(value)
			if f.Needed || f.Arg.Default == nil || text != f.Arg.Type.Format(f.Arg.Default) {
				filled[f.Name] = text
			}
		}
	}
	return filled
}

// Compose writes the line that the fields stand for, in canonical form but for
// secrets, passwords and tokens in plain text. wrong says by the names of the
// fields what is wrong with them; it is nil where nothing is.
func (b *Blank) Compose(filled map[string]string) (line string, wrong map[string]string) {
	args := make(Args)
	wrong = make(map[string]string)
	for _, f := range b.Fields {
		text := strings.TrimSpace(filled[f.Name])
		value, err := f.parse(text)
		if err != nil {
			wrong[f.Name] = err.Error()
		}
		args[f.Name] = value
	}
	if len(wrong) == 0 {
		b.findMissing(args, wrong)
	}
	if len(wrong) > 0 {
		return "", wrong
	}
	// It reads as nothing else: New refuses words that could be values.
	return b.form.line(args), nil
}

// parse reads what stands in the field: a value as form.line takes it, nil where
// there is none.
func (f Field) parse(text string) (any, error) {
	for _, r := range text {
		if r == utf8.RuneError || r != '\t' && !unicode.IsPrint(r) {
			return nil, fmt.Errorf("there is a character that cannot be printed")
		}
	}
	switch {
	case f.Arg == nil && text != "":
		return true, nil
	case f.Arg == nil:
		return nil, nil
	case text == "":
		return f.Arg.Default, nil
	case f.Repeats:
		var values []any
		for _, word := range strings.Fields(text) {
			value, err := f.Arg.Type.Parse(word)
			if err != nil {
				return nil, err
			}
			values = append(values, value)
		}
		return values, nil
	}
	if _, ok := f.Arg.Type.(Line); !ok && strings.ContainsAny(text, " \t") {
		return nil, fmt.Errorf("there is no blank in %v", f.Arg.Type)
	}
	value, err := f.Arg.Type.Parse(text)
	if err == nil && isPlain(value) {
		return text, nil
	}
	return value, err
}

// findMissing tells the fields that the line needs, because of others that are
// filled in or by itself, and that are empty.
func (b *Blank) findMissing(args Args, wrong map[string]string) {
	items := b.form.items
	for i := 0; i < len(items); i++ {
		it := &items[i]
		if it.skip > 0 && !saysSomething(items[i:it.skip], args) {
			i = it.skip - 1
			continue
		}
		if it.arg != nil && args[it.arg.Name] == nil {
			wrong[it.arg.Name] = "this is needed"
		}
	}
}

// FieldAt names the field whose value stands in the column of a line of this form
// (from 1, in characters), as an Error has it; "" where there is none.
func (b *Blank) FieldAt(line string, column int) string {
	words, _ := split(line)
	states := b.vocabulary.start
	for _, w := range words {
		next, wrong := b.vocabulary.step(states, w)
		if wrong != nil {
			break
		}
		t := next[0].trail
		if arg := t.item.arg; arg != nil && w.column <= column && (t.takesRest() || column < w.column+utf8.RuneCountInString(w.text)) {
			return arg.Name
		}
		if t.takesRest() {
			break
		}
		states = next
	}
	return ""
}
