package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/model"
)

func TestLoad(t *testing.T) {
	for _, test := range []struct {
		name, text    string
		want          string   // what is loaded, as text
		aside, faults []string // in order
	}{
		{
			"what this firmware wrote", "box B\n server a\n exit\n!\nzone UTC\n",
			"box B\n server a\n exit\n!\nzone UTC\n", nil, nil,
		},
		{
			"an unknown line in a mode", "box B\n server a\n colour red\n server b\n exit\nzone UTC\n",
			"box B\n server a\n server b\n exit\n!\nzone UTC\n",
			[]string{"box B", " colour red"},
			[]string{`line 3: "colour red": colour is not a command here`},
		},
		{
			"an unknown mode, one fault", "crate C\n server a\n zone inner\n  deeper\n  exit\n exit\nzone UTC\n",
			"zone UTC\n",
			[]string{"crate C", " server a", " zone inner", "  deeper"},
			[]string{`line 1: "crate C": crate is not a command here`},
		},
		{
			"not what it means further out", "box B\n zone UTC\n server a\n exit\n",
			"box B\n server a\n exit\n!\nzone UTC\n", // zone is always there
			[]string{"box B", " zone UTC"},
			[]string{`line 2: "zone UTC": zone is not a command here`},
		},
		{
			"a value out of range", "box B\n server a 12\n exit\n",
			"box B\n exit\n!\nzone UTC\n",
			[]string{"box B", " server a 12"},
			[]string{`line 2: "server a 12": 12 is not between 1 and 9`},
		},
		{
			"what Apply refuses", "box B\n server self\n server c\n exit\n",
			"box B\n server c\n exit\n!\nzone UTC\n",
			[]string{"box B", " server self"},
			[]string{`line 2: "server self": a box cannot serve itself`},
		},
		{
			"what Check refuses, the later line", "box B\n server a 9\n server b\n server c 9\n exit\n",
			"box B\n server a 9\n server b\n exit\n!\nzone UTC\n",
			[]string{"box B", " server c 9"},
			[]string{`line 4: "server c 9": 9 is for two servers at most`},
		},
		{
			"kept aside and known by now", "box B\n server a\n exit\n!? box B\n!?  server b\n!?  colour red\n!? crate C\n",
			"box B\n server a\n server b\n exit\n!\nzone UTC\n",
			[]string{"box B", " colour red", "crate C"}, nil,
		},
		{
			"kept aside, and no reason for its opening line", "zone UTC\n!? box B\n!?  colour red\n",
			"zone UTC\n", []string{"box B", " colour red"}, nil,
		},
		{
			"kept aside, and a check refuses it still", "box B\n server a\n server b 9\n exit\n!? box B\n!?  server c 9\n",
			"box B\n server a\n server b 9\n exit\n!\nzone UTC\n", []string{"box B", " server c 9"}, nil,
		},
		{
			"kept aside, and it would break a line of the text", "box B\n server a\n server b 9\n exit\n!? box B\n!?  server c\n",
			"box B\n server a\n server b 9\n exit\n!\nzone UTC\n", []string{"box B", " server c"}, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := addresses(t)
			c, aside, faults := g.Load(test.text)
			var rules []string
			for _, fault := range faults {
				rules = append(rules, fault.Error())
			}
			if got := g.Render(c); got != test.want || !slices.Equal(aside, test.aside) || !slices.Equal(rules, test.faults) {
				t.Fatalf("Load = %q, %q, %q; want %q, %q, %q", got, aside, rules, test.want, test.aside, test.faults)
			}
			printed := g.Print(c, aside)
			if got := Aside(printed); !slices.Equal(got, aside) {
				t.Errorf("Aside(Print(c, aside)) = %q; want %q", got, aside)
			}
			if got, err := g.Parse(printed); err != nil || !reflect.DeepEqual(got, c) {
				t.Errorf("Parse(Print(c, aside)) = %v, %v; want %v", got, err, c)
			}
			again, stillAside, faults := g.Load(printed)
			if len(faults) > 0 || !reflect.DeepEqual(again, c) || !slices.Equal(stillAside, aside) {
				t.Errorf("Load(Print(c, aside)) = %v, %q, %v; want %v, %q", again, stillAside, faults, c, aside)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	g := addresses(t)
	c, err := g.Parse("box B\n server a 9\n")
	if err != nil {
		t.Fatal(err)
	}
	if faults := g.Merge(c, "Router# configure terminal\nRouter(config)# box B\nRouter(config-box)# server b\nend\n!? box B\n!?  server c\n!?  colour red\n"); faults != nil {
		t.Fatalf("Merge = %v; want no errors", faults)
	}
	// "server c" would break the rule for "server a 9" and stays aside.
	if want := "box B\n server a 9\n server b\n exit\n!\nzone UTC\n"; g.Render(c) != want {
		t.Errorf("Merge made %q; want %q", g.Render(c), want)
	}
	if faults := g.Merge(c, "box B\n server c 9\nzone\nfrob\n  more\n"); len(faults) != 2 || faults[1].Line != 4 {
		t.Errorf("Merge = %v; want faults in lines 3 and 4", faults)
	}
}

func TestParseTakesABlockForOneFault(t *testing.T) {
	_, err := addresses(t).Parse("crate C\n zone x y z\n  frob\nzone\n")
	faults, _ := err.(Errors)
	if len(faults) != 2 || faults[0].Line != 1 || faults[1].Line != 4 {
		t.Errorf("Parse = %v; want faults in lines 1 and 4", err)
	}
}

// TestLoadManyFaults: a check that most lines break does not make loading slow
// beyond reason, and what is left is valid.
func TestLoadManyFaults(t *testing.T) {
	g := addresses(t)
	var text strings.Builder
	text.WriteString("box B\n")
	for i := range 1000 {
		fmt.Fprintf(&text, " server s%d 9\n", i)
	}
	c, aside, faults := g.Load(text.String())
	if err := g.Validate(c); err != nil || len(c.TimeServers) == 0 || len(aside) == 0 || len(faults) == 0 {
		t.Errorf("Load = %d servers, %d lines aside, %d faults, Validate = %v; want a valid rest",
			len(c.TimeServers), len(aside), len(faults), err)
	}
}

// TestLoadEnds where a line that Render always prints breaks a rule.
func TestLoadEnds(t *testing.T) {
	set := func(c *model.Config, a Args) error { c.HostName = a.Text("NAME"); return nil }
	g, err := New([]Command{{
		Mode: Global, Syntax: "host NAME", Help: "Name the host", Args: []Argument{argument("NAME", Name{})}, Apply: set,
		Check:  func(*model.Config, Args) error { return BadArgument("NAME", "there can be no host") },
		Render: func(*model.Config, Args) []Args { return []Args{{"NAME": "always"}} },
	}})
	if err != nil {
		t.Fatal(err)
	}
	c, aside, faults := g.Load("host a\n")
	if c.HostName != "" || !slices.Equal(aside, []string{"host a"}) || len(faults) != 1 {
		t.Errorf("Load = %v, %q, %v; want nothing loaded, the line aside and one fault", c, aside, faults)
	}
}

func TestPrintWithoutAside(t *testing.T) {
	g := addresses(t)
	c := &model.Config{HostName: "B"}
	if got := g.Print(c, nil); got != g.Render(c) {
		t.Errorf("Print(c, nil) = %q; want %q", got, g.Render(c))
	}
}
