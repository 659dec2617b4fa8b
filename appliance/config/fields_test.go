package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// letter has all that a form can have: values that may be left out in each other
// and in any order, words that may, a secret, several values and the rest of the line.
var letter = Form{
	Syntax: "letter to NAME [by HOUR [MINUTE]] [urgent now] [key KEY] [copies COPY...] [text TEXT]",
	Args: []Argument{
		argument("NAME", Name{}),
		{Name: "HOUR", Type: Integer{0, 23}, Default: 12, Help: "A value"}, argument("MINUTE", Integer{0, 59}),
		argument("KEY", Secret{Min: 4}), argument("COPY", IPv4{}), argument("TEXT", Line{Quoted: true}),
	},
}

func blank(t testing.TB, f Form) *Blank {
	b, err := NewBlank(f)
	if err != nil {
		t.Fatalf("NewBlank(%q) = %v; want no error", f.Syntax, err)
	}
	return b
}

func TestBlank(t *testing.T) {
	b := blank(t, letter)
	var got []string
	for _, f := range b.Fields {
		says := f.Name + " after " + f.Words
		if f.Arg == nil {
			says = f.Name + " of " + f.Words
		}
		if f.Needed {
			says += ", needed"
		}
		if f.Repeats {
			says += ", repeats"
		}
		got = append(got, says)
	}
	want := []string{
		"NAME after letter to, needed", "HOUR after by", "MINUTE after ", "urgent of urgent now", "KEY after key", "COPY after copies, repeats", "TEXT after text",
	}
	if diff := cmp.Diff(want, got); diff != "" || b.Bare() {
		t.Errorf("fields differ (-want +got):\n%s\nBare() = %v; want false", diff, b.Bare())
	}
	if bare := blank(t, Form{Syntax: "shout [loud]"}); !bare.Bare() {
		t.Error("Bare() of a line whose parts may all be left out = false; want true")
	}
	if _, err := NewBlank(Form{Syntax: "shout [loud"}); err == nil {
		t.Error("NewBlank of a bracket that is not closed: want an error")
	}
}

func TestCompose(t *testing.T) {
	b := blank(t, letter)
	for _, test := range []struct {
		name   string
		filled map[string]string
		want   string
		wrong  map[string]string
	}{
		{"least", map[string]string{"NAME": " anna "}, "letter to anna", nil},
		{"most", map[string]string{
			"NAME": "anna", "HOUR": "7", "MINUTE": "30", "urgent": "yes", "KEY": "zyxw", "COPY": "192.0.2.1\t 192.0.2.2", "TEXT": "two  words",
		}, "letter to anna by 7 30 urgent now key zyxw copies 192.0.2.1 192.0.2.2 text two  words", nil},
		{"defaults say nothing", map[string]string{"NAME": "anna", "HOUR": "12"}, "letter to anna", nil},
		{"unless something stands behind them", map[string]string{"NAME": "anna", "MINUTE": "5"}, "letter to anna by 12 5", nil},
		{"a stored secret", map[string]string{"NAME": "anna", "KEY": secretOfNobody}, "letter to anna key " + secretOfNobody, nil},
		{"no name", map[string]string{"HOUR": "1"}, "", map[string]string{"NAME": "this is needed"}},
		{"all that is wrong", map[string]string{"NAME": "a/b", "HOUR": "24", "KEY": "abc"}, "", map[string]string{
			"NAME": "a/b is not a name of 1 to 32 letters, digits, dots, hyphens and underscores",
			"HOUR": "24 is not between 0 and 23",
			"KEY":  "a secret has 4 to 128 octets, this one has 3",
		}},
		{"blanks in one value", map[string]string{"NAME": "anna by"}, "", map[string]string{"NAME": "there is no blank in NAME"}},
		{"another line", map[string]string{"NAME": "anna", "TEXT": "a\nno letter"}, "",
			map[string]string{"TEXT": "there is a character that cannot be printed"}},
		{"no octets of UTF-8", map[string]string{"NAME": "\xff"}, "", map[string]string{"NAME": "there is a character that cannot be printed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			line, wrong := b.Compose(test.filled)
			if diff := cmp.Diff(test.wrong, wrong); line != test.want || diff != "" {
				t.Errorf("Compose(%q) = %q, %q; want %q, %q", test.filled, line, wrong, test.want, test.wrong)
			}
		})
	}
}

func TestFieldAt(t *testing.T) {
	b, line := blank(t, letter), "letter to anna by 7 30 text ä b"
	for column, want := range map[int]string{1: "", 8: "", 11: "NAME", 14: "NAME", 15: "", 19: "HOUR", 21: "MINUTE", 22: "MINUTE", 29: "TEXT", 31: "TEXT", 0: "", 99: "TEXT"} {
		if got := b.FieldAt(line, column); got != want {
			t.Errorf("FieldAt(%q, %d) = %q; want %q", line, column, got, want)
		}
	}
	if got := b.FieldAt("letter from", 8); got != "" {
		t.Errorf("FieldAt of a line of another form = %q; want none", got)
	}
}

// FuzzCompose: what fields make is one line of the form that has their values.
func FuzzCompose(f *testing.F) {
	f.Add("anna", "7", "30", "yes", "zyxw", "192.0.2.1", "text")
	f.Add("to", "", "5", "", "now", "", `"`)
	f.Add("a\n", "0", "", "\x00", "sealed:", "192.0.2.1 x", " \"\" ")
	b := blank(f, letter)
	f.Fuzz(func(t *testing.T, name, hour, minute, urgent, key, copies, text string) {
		filled := map[string]string{"NAME": name, "HOUR": hour, "MINUTE": minute, "urgent": urgent, "KEY": key, "COPY": copies, "TEXT": text}
		line, wrong := b.Compose(filled)
		if wrong != nil {
			if line != "" || len(wrong) == 0 {
				t.Fatalf("Compose(%q) = %q, %q; want a line or what is wrong", filled, line, wrong)
			}
			return
		}
		match, err := b.vocabulary.Match(line)
		if err != nil || strings.ContainsAny(line, "\r\n") {
			t.Fatalf("Compose(%q) = %q, which is none: %v", filled, line, err)
		}
		if secret, plain := match.Args["KEY"].(plainText); plain {
			match.Args["KEY"] = string(secret)
		}
		if again, wrong := b.Compose(b.Fill(match.Args)); again != line || wrong != nil {
			t.Fatalf("Compose(%q) = %q, and its values make %q, %q; want the same", filled, line, again, wrong)
		}
	})
}
