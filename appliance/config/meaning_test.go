package config

import "testing"

// TestMeaningOf: a line means the same as for Edit, however it was typed.
func TestMeaningOf(t *testing.T) {
	g := nested(t)
	in := []string{"bill a", "x 1"}
	for _, test := range []struct {
		path []string
		line string
		want Meaning
	}{
		{nil, "ACT", Meaning{Syntax: "activate"}},
		{nil, "ping h q s 2", Meaning{Syntax: "ping HOST [size OCTETS] [repeat COUNT] [quiet]"}},
		{nil, "bill a", Meaning{Syntax: "billing NAME", Opens: true}},
		{in, "activate", Meaning{Syntax: "billing NAME xml NUMBER activate"}},
		{in, "int 2", Meaning{Syntax: "billing NAME interval TICKS"}},
		{in, "Router(config)# sho", Meaning{Syntax: "shout [loud]"}},
		{in, "exit", Meaning{}},
		{in, "end", Meaning{}},
		{in, "conf t", Meaning{}},
		{in, "! activate", Meaning{}},
	} {
		if got, fault := g.MeaningOf(test.path, test.line); fault != nil || got != test.want {
			t.Errorf("MeaningOf(%q, %q) = %+v, %v; want %+v", test.path, test.line, got, fault, test.want)
		}
	}
	for _, test := range []struct {
		path []string
		line string
	}{
		{nil, "frob"}, {in, "interval 12"}, {[]string{"activate"}, "activate"},
	} {
		if got, fault := g.MeaningOf(test.path, test.line); fault == nil || got != (Meaning{}) {
			t.Errorf("MeaningOf(%q, %q) = %+v, %v; want a fault", test.path, test.line, got, fault)
		}
	}
	if got, fault := modes(t).MeaningOf([]string{"list"}, "no col"); fault != nil || got != (Meaning{Syntax: "list colour", Negated: true}) {
		t.Errorf("MeaningOf of a negative form = %+v, %v; want its command, negated", got, fault)
	}
}
