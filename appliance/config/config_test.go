package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
)

// The commands of these tests keep what they were told in the model's list of
// time servers, each line as one entry.

// keeps is a command that keeps its line, and prints the lines of its own kind.
func keeps(mode Mode, syntax string, args ...Argument) Command {
	command := Command{Mode: mode, Syntax: syntax, Args: args, Help: "Keep " + syntax}
	kind := string(mode) + " " + strings.Fields(syntax)[0]
	command.Apply = func(c *model.Config, a Args) error {
		entry := kind
		for _, arg := range args {
			entry += fmt.Sprintf(" %v", a[arg.Name])
		}
		if a.Has("loud") {
			entry += " loud"
		}
		c.TimeServers = append(c.TimeServers, entry)
		return nil
	}
	command.Render = func(*model.Config, Args) []Args { return nil }
	return command
}

func opens(mode Mode, c Command) Command {
	c.Opens = mode
	return c
}

func argument(name string, t Type) Argument { return Argument{Name: name, Type: t, Help: "A value"} }

// nested has modes like those of the source documents: the same words mean
// something else one mode further in.
func nested(t *testing.T) *Grammar {
	metric := argument("METRIC", Integer{1, 255})
	metric.Default = 1
	g, err := New([]Command{
		keeps(Global, "activate"),
		keeps(Global, "interval SECONDS [METRIC]", argument("SECONDS", Integer{10, 20}), metric),
		keeps(Global, "intern"),
		keeps(Global, "description TEXT", argument("TEXT", Line{})),
		keeps(Global, "peers PEER...", argument("PEER", IPv4{})),
		keeps(Global, "shout [loud]"),
		keeps(Global, "log [HOST [TRANSPORT] [port PORT] [level LEVEL]]", argument("HOST", IPv4{}),
			argument("TRANSPORT", Choice{"udp", "tcp"}), argument("PORT", Port), argument("LEVEL", Integer{0, 7})),
		keeps(Global, "ping HOST [size OCTETS] [repeat COUNT] [quiet]",
			argument("HOST", Host{}), argument("OCTETS", Integer{1, 9}), argument("COUNT", Integer{1, 9})),
		keeps(Global, "key [from FILE [LINE]]", argument("FILE", Name{}), argument("LINE", Integer{1, 9})),
		opens("config-billing", keeps(Global, "billing NAME", argument("NAME", Name{}))),
	}, []Command{
		keeps("config-billing", "activate"),
		keeps("config-billing", "interval TICKS", argument("TICKS", Integer{1, 5})),
		opens("config-billing-xml", keeps("config-billing", "xml NUMBER", argument("NUMBER", Integer{0, 3}))),
		keeps("config-billing-xml", "activate"),
		keeps("config-billing-xml", "shade"),
		keeps("config-billing-xml", "shape"),
	})
	if err != nil {
		t.Fatalf("New = %v; want no error", err)
	}
	return g
}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"comments and blank lines", "! one\n\n   ! two\r\n", nil},
		{"abbreviated", "act\ninterv 10", []string{"config activate", "config interval 10 1"}},
		{"any case", "ACTIVATE\nActiv", []string{"config activate", "config activate"}},
		{"whole word that begins another one", "intern", []string{"config intern"}},
		{"optional value", "interval 10 7", []string{"config interval 10 7"}},
		{"optional parts in each other", "key\nkey from a\nkey from a 2",
			[]string{"config key <nil> <nil>", "config key a <nil>", "config key a 2"}},
		{"optional parts in any order", "ping a\nping a size 2 repeat 3 quiet\nping a quiet repeat 3 size 2\nping a r 3",
			[]string{"config ping a <nil> <nil>", "config ping a 2 3", "config ping a 2 3", "config ping a <nil> 3"}},
		{"optional parts in any order in another one", "log\nlog 192.0.2.1 level 3 port 5\nlog 192.0.2.1 tcp port 5",
			[]string{"config log <nil> <nil> <nil> <nil>", "config log 192.0.2.1 <nil> 5 3", "config log 192.0.2.1 tcp 5 <nil>"}},
		{"optional keyword", "shout\nshout loud", []string{"config shout", "config shout loud"}},
		{"rest of the line", "description  two  words ! here\t", []string{"config description two  words ! here"}},
		{"repeated value", "peers 192.0.2.1 192.0.2.2", []string{"config peers [192.0.2.1 192.0.2.2]"}},
		{"tabs", "\tinterval\t10", []string{"config interval 10 1"}},
		{"innermost mode first", "billing a\nxml 1\nactivate", []string{"config billing a", "config-billing xml 1", "config-billing-xml activate"}},
		{"enclosing modes", "billing a\nxml 1\ninterval 2\nactivate\nshout\nactivate",
			[]string{"config billing a", "config-billing xml 1", "config-billing interval 2", "config-billing activate", "config shout", "config activate"}},
		{"exit", "billing a\nxml 1\nexit\nactivate\nexit\nactivate\nexit\nactivate",
			[]string{"config billing a", "config-billing xml 1", "config-billing activate", "config activate", "config activate"}},
		{"end", "billing a\nxml 1\nen\nactivate", []string{"config billing a", "config-billing xml 1", "config activate"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := nested(t).Parse(test.text)
			if err != nil {
				t.Fatalf("Parse(%q) = %v; want no error", test.text, err)
			}
			if !slices.Equal(c.TimeServers, test.want) {
				t.Errorf("Parse(%q) = %q; want %q", test.text, c.TimeServers, test.want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ name, text, caret, want string }{
		{"unknown command", "activate\n frobnicate 1", "^", `line 2: "frobnicate 1": frobnicate is not a command here`},
		{"ambiguous keyword", "inter", "^", `line 1: "inter": inter is ambiguous: interval, intern`},
		{"below the range", "interval 9", "         ^", `line 1: "interval 9": 9 is not between 10 and 20`},
		{"above the range", "interval  21", "          ^", `line 1: "interval  21": 21 is not between 10 and 20`},
		{"no number", "interval ten", "         ^", `line 1: "interval ten": ten is not a number from 10 to 20`},
		{"incomplete", "interval", "         ^", `line 1: "interval": the line is not complete: SECONDS (<10-20>) is expected`},
		{"incomplete optional part", "key from", "         ^", `line 1: "key from": the line is not complete: FILE (NAME) is expected`},
		{"too long", "activate now", "         ^", `line 1: "activate now": nothing is expected here, not now`},
		{"optional part typed twice", "ping a quiet size 2 quiet", "                    ^", `line 1: "ping a quiet size 2 quiet": quiet does not fit: repeat is expected`},
		{"wrong optional keyword", "shout softly", "      ^", `line 1: "shout softly": softly does not fit: loud is expected`},
		{"the mode where the line got furthest", "billing a\nshout softly", "      ^", `line 2: "shout softly": softly does not fit: loud is expected`},
		{"innermost mode of equals", "billing a\nxml 1\nactivate now", "         ^", `line 3: "activate now": nothing is expected here, not now`},
		{"wrong value that an enclosing mode would take", "billing a\ninterval 12", "         ^", `line 2: "interval 12": 12 is not between 1 and 5`},
		{"ambiguity that an enclosing mode would resolve", "billing a\nxml 1\nsh", "^", `line 3: "sh": sh is ambiguous: shade, shape`},
		{"inner command outside", "xml 1", "^", `line 1: "xml 1": xml is not a command here`},
		{"control character", "description a\x07b", "             ^", `line 1: "description a\ab": a character that cannot be printed`},
		{"not UTF-8", "description \xff", "            ^", `line 1: "description \xff": a character that cannot be printed`},
		{"column in characters", "billing ä", "        ^", `line 1: "billing ä": ä is not a name of 1 to 32 letters, digits, dots, hyphens and underscores`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := nested(t).Parse(test.text)
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("Parse(%q) = %v; want an *Error", test.text, err)
			}
			if fault.Error() != test.want || fault.Caret() != test.caret {
				t.Errorf("Parse(%q):\n%v\n%s\nwant\n%s\n%s", test.text, fault, fault.Caret(), test.want, test.caret)
			}
		})
	}
}

func TestErrorsSayHowMany(t *testing.T) {
	fault := &Error{Line: 7, Text: "frob", Rule: "frob is not a command here"}
	for want, errs := range map[string]Errors{
		"no fault": {},
		`line 7: "frob": frob is not a command here`:              {fault},
		`line 7: "frob": frob is not a command here (and 2 more)`: {fault, fault, fault},
	} {
		if got := errs.Error(); got != want {
			t.Errorf("Error of %d faults = %q; want %q", len(errs), got, want)
		}
	}
}

func TestParseTellsAllErrors(t *testing.T) {
	_, err := nested(t).Parse("interval 9\nactivate\nfrobnicate\n")
	var faults Errors
	if !errors.As(err, &faults) || len(faults) != 2 || faults[1].Line != 3 {
		t.Fatalf("Parse = %v; want two errors, the second in line 3", err)
	}
	if want := `line 1: "interval 9": 9 is not between 10 and 20 (and 1 more)`; err.Error() != want {
		t.Errorf("Error() = %s; want %s", err, want)
	}
}

func addresses(t *testing.T) *Grammar {
	g, err := addressesGrammar()
	if err != nil {
		t.Fatalf("New = %v; want no error", err)
	}
	return g
}

// addressesGrammar is a grammar whose lines are rendered and checked.
func addressesGrammar() (*Grammar, error) {
	no := func(*model.Config, Args) error { return nil }
	return New([]Command{
		{
			Mode: Global, Syntax: "box NAME", No: "box", Opens: "config-box", Help: "Name the box",
			Args:   []Argument{argument("NAME", Name{})},
			Apply:  func(c *model.Config, a Args) error { c.HostName = a.Text("NAME"); return nil },
			Negate: func(c *model.Config, a Args) error { *c = model.Config{}; return nil },
			Render: func(c *model.Config, _ Args) []Args {
				if c.HostName == "" {
					return nil
				}
				return []Args{{"NAME": c.HostName}}
			},
		},
		{
			Mode: "config-box", Syntax: "server SERVER [METRIC]", No: "server SERVER", Help: "Add a server",
			Args: []Argument{argument("SERVER", Name{}), {Name: "METRIC", Type: Integer{1, 9}, Help: "Metric", Default: 1}},
			Apply: func(c *model.Config, a Args) error {
				if a.Text("SERVER") == "self" {
					return BadArgument("SERVER", "a box cannot serve itself")
				}
				c.TimeServers = append(c.TimeServers, fmt.Sprint(a.Text("SERVER"), "/", a.Int("METRIC")))
				return nil
			},
			Negate: no,
			Check: func(c *model.Config, a Args) error {
				if len(c.TimeServers) > 2 && a.Int("METRIC") == 9 {
					return BadArgument("METRIC", "9 is for two servers at most")
				}
				return nil
			},
			Render: func(c *model.Config, in Args) []Args {
				var lines []Args
				for _, s := range c.TimeServers {
					server, metric, _ := strings.Cut(s, "/")
					lines = append(lines, Args{"SERVER": server, "METRIC": int(metric[0] - '0')})
				}
				return lines
			},
		},
		{
			Mode: Global, Syntax: "zone NAME", Help: "Set the zone", Args: []Argument{argument("NAME", Name{})},
			Apply:  no,
			Render: func(*model.Config, Args) []Args { return []Args{{"NAME": "UTC"}} },
		},
	})
}

func TestRender(t *testing.T) {
	g := addresses(t)
	c, err := g.Parse("box B\nserver a 1\nserver b 9\nno server b\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "box B\n server a\n server b 9\n exit\n!\nzone UTC\n"
	if got := g.Render(c); got != want {
		t.Errorf("Render = %q; want %q", got, want)
	}
}

func TestCheckNamesTheLine(t *testing.T) {
	g := addresses(t)
	text := "box B\nserver a\nserv  b  9\nserver c\n"
	_, err := g.Parse(text)
	want := &Error{Line: 3, Column: 10, Text: "serv  b  9", Rule: "9 is for two servers at most"}
	if faults, ok := err.(Errors); !ok || len(faults) != 1 || !reflect.DeepEqual(faults[0], want) {
		t.Errorf("Parse(%q) = %v; want %v", text, err, want)
	}
	err = g.Validate(&model.Config{HostName: "B", TimeServers: []string{"a/1", "b/9", "c/1"}})
	if want := `"server b 9": 9 is for two servers at most`; err == nil || err.Error() != want {
		t.Errorf("Validate = %v; want %s", err, want)
	}
}

func TestApplyErrorPointsAtTheArgument(t *testing.T) {
	_, err := addresses(t).Parse("box B\n  server self\n")
	var fault *Error
	if !errors.As(err, &fault) || fault.Line != 2 || fault.Column != 8 {
		t.Errorf("Parse = %#v; want an error in line 2 at column 8", err)
	}
}

func TestNewRefuses(t *testing.T) {
	name, number := argument("NAME", Name{}), argument("NUMBER", Integer{1, 2})
	headless := keeps(Global, "a")
	headless.Help = ""
	for _, test := range []struct {
		want     string
		commands []Command
	}{
		{"no command opens its mode", []Command{keeps("config-nowhere", "a")}},
		{"can be the same line", []Command{keeps(Global, "a [b]"), keeps(Global, "a")}},
		{"in the same place", []Command{keeps(Global, "a NAME", name), keeps(Global, "a NUMBER", number)}},
		{"takes the keyword b", []Command{keeps(Global, "a NAME", name), keeps(Global, "a b")}},
		{"argument NAME is not declared", []Command{keeps(Global, "a NAME")}},
		{"is not closed", []Command{keeps(Global, "a [b")}},
		{"that was not opened", []Command{keeps(Global, "a b]")}},
		{"not at a word", []Command{keeps(Global, "a [ b ]")}},
		{"begins with a keyword", []Command{keeps(Global, "[a] b")}},
		{"only be the last", []Command{keeps(Global, "a REST b", argument("REST", Line{}))}},
		{"a secret cannot be repeated", []Command{keeps(Global, "a KEY...", argument("KEY", Secret{}))}},
		{"needs a name in capitals", []Command{keeps(Global, "a", argument("rest", Line{}))}},
		{"it has no help", []Command{headless}},
		{"opened inside itself", []Command{opens("config-m", keeps(Global, "a")), opens("config-m", keeps("config-m", "b"))}},
		{"hides the one", []Command{opens("config-m", keeps(Global, "a NAME", name)), keeps("config-m", "b NAME", name)}},
		{"can be the same line", []Command{keeps(Global, "exit")}},
	} {
		_, err := New(test.commands)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New(%q …) = %v; want an error with %q", test.commands[0].Syntax, err, test.want)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, test := range []struct {
		typ  Type
		word string
		want string // the canonical word; empty if it is refused
	}{
		{Integer{1, 255}, "1", "1"},
		{Integer{1, 255}, "255", "255"},
		{Integer{1, 255}, "007", ""},
		{Integer{1, 255}, "+7", ""},
		{Integer{-5, 5}, "-5", "-5"},
		{Integer{-5, 5}, "-0", ""},
		{Integer{1, 255}, "-", ""},
		{Integer{1, 255}, "0", ""},
		{Integer{1, 255}, "256", ""},
		{Integer{1, 255}, "0x10", ""},
		{IPv4{}, "192.0.2.1", "192.0.2.1"},
		{IPv4{}, "192.0.2.01", ""},
		{IPv4{}, "::ffff:192.0.2.1", ""},
		{Address{}, "2001:DB8:0::1", "2001:db8::1"},
		{Address{}, "::ffff:192.0.2.1", "192.0.2.1"},
		{Address{}, "fe80::1%lan1", ""},
		{Mask{}, "255.255.255.252", "255.255.255.252"},
		{Mask{}, "0.0.0.0", "0.0.0.0"},
		{Mask{}, "255.255.255.255", "255.255.255.255"},
		{Mask{}, "255.255.0.255", ""},
		{Mask{}, "0.0.0.255", ""},
		{Label{}, "box-1", "box-1"},
		{Label{}, "1box", "1box"},
		{Label{}, strings.Repeat("b", 63), strings.Repeat("b", 63)},
		{Label{}, strings.Repeat("b", 64), ""},
		{Label{}, "box-", ""},
		{Label{}, "box.example.com", ""},
		{Host{}, "ntp.example.com", "ntp.example.com"},
		{Host{}, "192.0.2.1", "192.0.2.1"},
		{Host{}, "2001:db8::0001", "2001:db8::1"},
		{Host{}, "192.0.2.300", ""},
		{Host{}, "ntp..example.com", ""},
		{Host{}, strings.Repeat("a.", 126) + "b", strings.Repeat("a.", 126) + "b"},
		{Host{}, strings.Repeat("a.", 126) + "bc", ""},
		{Name{}, "Cisco-AR1_PC.1", "Cisco-AR1_PC.1"},
		{Name{}, strings.Repeat("n", 33), ""},
		{Name{}, "a;b", ""},
		{Choice{"LAN1", "LAN2"}, "lan2", "LAN2"},
		{Choice{"LAN1", "LAN2"}, "lan", ""},
		{Choice{"internal", "external"}, "ext", "external"},
		{Line{}, "any text", "any text"},
	} {
		value, err := test.typ.Parse(test.word)
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), test.word) {
				t.Errorf("%T.Parse(%q) = %v, %v; want an error that names the word", test.typ, test.word, value, err)
			}
			continue
		}
		if err != nil || test.typ.Format(value) != test.want {
			t.Errorf("%T.Parse(%q) = %v, %v; want %s", test.typ, test.word, value, err, test.want)
		}
	}
}
