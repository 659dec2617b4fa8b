package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// settled has one line of each way in which lines are undone.
func settled(t *testing.T) *Grammar {
	t.Helper()
	with := func(c Command, change func(c *Command)) Command { change(&c); return c }
	needs := func(no string) func(c *Command) {
		return func(c *Command) {
			c.No, c.Negate = no, func(*model.Config, Args) error { return nil }
		}
	}
	many := func(c *Command) { needs("timer [NAME]")(c); c.Many = true }
	name, count := argument("NAME", Name{}), argument("COUNT", Port)
	dark := keeps(Global, "light STATE", argument("STATE", Choice{"on", "off"}))
	dark.Apply = func(c *model.Config, a Args) error { c.FirewallOff = a.Text("STATE") == "off"; return nil }
	dark.Render = func(c *model.Config, _ Args) []Args { return When(c.FirewallOff, Args{"STATE": "off"}) }
	g, err := New([]Command{
		with(keeps(Global, "hops COUNT", count), needs("hops [COUNT]")),
		with(keeps(Global, "timer NAME", name), many),
		with(keeps(Global, "route NAME COUNT [via WHO]", name, count, argument("WHO", Name{})), needs("route NAME [COUNT [via WHO]]")),
		with(keeps(Global, "step COUNT add NAME", count, name), needs("step COUNT")),
		keeps(Global, "step COUNT drop", count),
		keeps(Global, "no loud"),
		dark,
		keeps(Global, "fixed NAME", name),
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestUndo(t *testing.T) {
	g := settled(t)
	for _, test := range []struct {
		syntax string
		args   Args
		single bool
		want   string
	}{
		{"hops COUNT", Args{"COUNT": 7}, true, "no hops"},
		{"timer NAME", Args{"NAME": "a"}, false, "no timer a"},
		{"route NAME COUNT [via WHO]", Args{"NAME": "a", "COUNT": 7, "WHO": "b"}, false, "no route a 7 via b"},
		{"route NAME COUNT [via WHO]", Args{"NAME": "a", "COUNT": 7, "WHO": nil}, false, "no route a 7"},
		{"step COUNT add NAME", Args{"COUNT": 7, "NAME": "a"}, false, "no step 7"},
		{"step COUNT drop", Args{"COUNT": 7}, false, "no step 7"},
		{"no loud", Args{}, true, "loud"},
		{"light STATE", Args{"STATE": "off"}, true, "light on"},
		{"fixed NAME", Args{"NAME": "a"}, true, ""},
	} {
		command := g.Command(Global, test.syntax)
		if command == nil {
			t.Fatalf("Command(%q): there is none", test.syntax)
		}
		line := PrintedLine{command, test.args, command.form.line(test.args)}
		if got, ok := g.Undo(nil, line); got != test.want || ok != (test.want != "") || g.Single(command) != test.single {
			t.Errorf("Undo(%q) = %q, %v, Single = %v; want %q, single %v", line.Text, got, ok, g.Single(command), test.want, test.single)
		}
	}
	if g.Command("config-lan", "hops COUNT") != nil {
		t.Error("Command of another mode: want none")
	}
}

func TestLinesAt(t *testing.T) {
	g := addresses(t)
	c, err := g.Parse("box B\n server b 9\n server a\n exit\nzone UTC\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path []string
		want []string
		ok   bool
	}{
		{nil, []string{"box B", "zone UTC"}, true},
		{[]string{"BOX B"}, []string{"server b 9", "server a"}, true},
		{[]string{"box C"}, nil, false},
		{[]string{"crate"}, nil, false},
		{[]string{"box B", "server a"}, nil, false},
	} {
		lines, ok := g.LinesAt(c, test.path)
		var got []string
		for _, l := range lines {
			got = append(got, l.Text)
		}
		if diff := cmp.Diff(test.want, got); diff != "" || ok != test.ok {
			t.Errorf("LinesAt(%q) = %q, %v; want %q, %v", test.path, got, ok, test.want, test.ok)
		}
	}
	var all []string
	for _, l := range g.Lines(c) {
		all = append(all, l.Text)
	}
	if want := []string{"box B", "server b 9", "server a", "zone UTC"}; !slices.Equal(all, want) {
		t.Errorf("Lines = %q; want %q", all, want)
	}
}
