package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// fragments are words that the fixture grammars know, half know and do not know.
var fragments = []string{
	"box", "B", "b", "server", "serv", "a", "self", "9", "12", "zone", "UTC", "no", "exit", "end", "crate", "key", "!", "!? ",
	" ", "  ", "\n", "\n ", "\n  ", "\r\n", "\t", "host#", "Router(config-box)# ", "conf t", "\x00", "ä", "\xff",
}

// TestLoadedIsValid: whatever text is loaded, what comes out is valid, prints
// to a text that Parse takes, and loads to the same.
func TestLoadedIsValid(t *testing.T) {
	g := addresses(t)
	rapid.Check(t, func(t *rapid.T) {
		checkLoad(t, g, strings.Join(rapid.SliceOfN(rapid.SampledFrom(fragments), 0, 60).Draw(t, "text"), ""))
	})
}

// checker is a test or a property in one.
type checker interface {
	Helper()
	Fatalf(format string, args ...any)
}

func checkLoad(t checker, g *Grammar, text string) {
	t.Helper()
	c, aside, faults := g.Load(text)
	if err := g.Validate(c); err != nil {
		t.Fatalf("Validate(Load(%q)) = %v; want no error", text, err)
	}
	printed := g.Print(c, aside)
	again, stillAside, _ := g.Load(printed)
	if g.Print(again, stillAside) != printed || fmt.Sprint(Aside(printed)) != fmt.Sprint(aside) {
		t.Fatalf("Load(%q) prints %q, and that loads to %q; want the same", text, printed, g.Print(again, stillAside))
	}
	parsed, err := g.Parse(printed)
	if err != nil || g.Render(parsed) != g.Render(c) {
		t.Fatalf("Parse(%q) = %v, %v; want what Load made of %q", printed, parsed, err, text)
	}
	if strict, err := g.Parse(text); err == nil && len(faults) == 0 && g.Render(strict) != g.Render(c) {
		t.Fatalf("Load(%q) = %q; want what Parse makes of it: %q", text, g.Render(c), g.Render(strict))
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("box B\n server a\n colour red\n exit\n!\nzone UTC\n!? box B\n!?  server b\n!? crate\n!?  exit\n")
	f.Add("box B\n server a 9\n server b 9\n server c 9\n exit\n")
	f.Add("Router# conf t\nRouter(config)# box B\nRouter(config-box)# server B\n\tend\n!?\n!? \n!? !\n!?  x\n!? y")
	f.Add("box B\nno box\nserver a\r\n  zone\n   x\n z\n")
	g, err := addressesGrammar()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) { checkLoad(t, g, text) })
}

// FuzzEdit: a line that is refused changes nothing, and one that is taken
// leads to a place that exists.
func FuzzEdit(f *testing.F) {
	f.Add("box B\nserver a", "no server a")
	f.Add("box B", "Router(config-box)# server c 9")
	f.Add("", "end")
	f.Add("crate", "x\ny")
	g, err := addressesGrammar()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, line string) {
		c := &model.Config{HostName: "B", TimeServers: []string{"a/1"}}
		before := g.Render(c)
		places := strings.Split(path, "\n")
		after, fault := g.Edit(c, places, line)
		if fault != nil && (g.Render(c) != before || !reflect.DeepEqual(after, places)) {
			t.Fatalf("Edit(%q, %q) = %q, %v and %q; want nothing changed", places, line, after, fault, g.Render(c))
		}
		if fault == nil {
			if mode, err := g.ModeOf(after); err != nil {
				t.Fatalf("ModeOf(%q) after Edit(%q, %q) = %v, %v; want a mode", after, places, line, mode, err)
			}
		}
	})
}

// FuzzExpand: a line that is said to be complete is one, and a keyword that is
// offered is taken.
func FuzzExpand(f *testing.F) {
	f.Add("server a ")
	f.Add("no s")
	f.Add(" e")
	f.Add("end x")
	f.Add("server\x00")
	g, err := addressesGrammar()
	if err != nil {
		f.Fatal(err)
	}
	v := g.modes["config-box"].vocabulary
	f.Fuzz(func(t *testing.T, line string) {
		got := v.Expand(line)
		_, err := v.Match(line)
		if taken := err == nil && got.Fault == nil; got.Complete != taken {
			t.Fatalf("Expand(%q).Complete = %v; Match = %v", line, got.Complete, err)
		}
		if got.Fault != nil && len(got.Choices) > 0 {
			t.Fatalf("Expand(%q) = %+v; want a fault or choices", line, got)
		}
		for _, c := range got.Choices {
			completed := strings.TrimSuffix(line, got.Prefix) + c.Word
			if again := v.Expand(completed + " "); !c.Value && again.Fault != nil {
				t.Fatalf("Expand(%q) offers %s, but then %v", line, c.Word, again.Fault)
			}
		}
	})
}

func FuzzDiff(f *testing.F) {
	f.Add("a\n b\n exit\nc\n", "a\n d\n exit\n!? x\n")
	f.Add("a\na\nb\n", "b\na\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		if got := Diff(before, before); got != "" {
			t.Fatalf("Diff(%q, itself) = %q; want nothing", before, got)
		}
		there, back := Diff(before, after), Diff(after, before)
		if (there == "") != (back == "") {
			t.Fatalf("Diff(%q, %q) = %q, the other way %q; want both or neither empty", before, after, there, back)
		}
	})
}

// manyLines is a text of 10,000 lines in modes, and its grammar: the bounds of
// the real one prevent so many.
func manyLines(tb testing.TB) (*Grammar, string) {
	networks := func(c *model.Config, name string) *model.SIPNetwork { return c.SIP.Network(name) }
	g, err := New([]Command{{
		Mode: Global, Syntax: "network NETWORK", Opens: "config-network", Help: "A network",
		Args: []Argument{argument("NETWORK", Name{})},
		Apply: func(c *model.Config, a Args) error {
			c.SIP.Networks = append(c.SIP.Networks, model.SIPNetwork{Name: a.Text("NETWORK")})
			return nil
		},
		Render: func(c *model.Config, _ Args) []Args {
			var lines []Args
			for _, n := range c.SIP.Networks {
				lines = append(lines, Args{"NETWORK": n.Name})
			}
			return lines
		},
	}, {
		Mode: "config-network", Syntax: "listen ADDRESS PORT", Help: "A listen point",
		Args: []Argument{argument("ADDRESS", Address{}), argument("PORT", Port)},
		Apply: func(c *model.Config, a Args) error {
			n := networks(c, a.Text("NETWORK"))
			n.Listens = append(n.Listens, model.SIPListen{Address: a.AddrPort("ADDRESS", "PORT")})
			return nil
		},
		Check: func(c *model.Config, a Args) error { return nil },
		Render: func(c *model.Config, in Args) []Args {
			var lines []Args
			for _, l := range networks(c, in.Text("NETWORK")).Listens {
				lines = append(lines, Args{"ADDRESS": l.Address.Addr(), "PORT": int(l.Address.Port())})
			}
			return lines
		},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	var text strings.Builder
	for n := range 100 {
		fmt.Fprintf(&text, "network n%d\n", n)
		for l := range 98 {
			fmt.Fprintf(&text, " listen 10.0.%d.%d 5060\n", n, l)
		}
		text.WriteString(" exit\n!\n")
	}
	return g, text.String()
}

func TestLoad10000Lines(t *testing.T) {
	g, text := manyLines(t)
	c, aside, faults := g.Load(text)
	if len(aside)+len(faults) > 0 || g.Render(c) != strings.TrimSuffix(text, "!\n") {
		t.Errorf("Load of %d lines = %d faults, %d aside; want the same text", strings.Count(text, "\n"), len(faults), len(aside))
	}
}

func BenchmarkLoad10000Lines(b *testing.B) {
	g, text := manyLines(b)
	for b.Loop() {
		if _, aside, faults := g.Load(text); len(aside)+len(faults) > 0 {
			b.Fatal(faults)
		}
	}
	b.ReportMetric(float64(strings.Count(text, "\n")), "lines/op")
}
