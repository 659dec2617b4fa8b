package web

import (
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/grammar/drawn"
	"causeway/appliance/model"
)

// TestSuggested: what fields offer is declared, and can stand there.
func TestSuggested(t *testing.T) {
	g := realGrammar()
	declared := func(v ofMode) (arg *config.Argument) {
		for i := range g.Commands() {
			c := &g.Commands()[i]
			for j := range c.Args {
				if v.is(c, c.Args[j].Name) {
					arg = &c.Args[j]
				}
			}
		}
		if arg == nil {
			t.Errorf("no command has the argument %+v", v)
		}
		return arg
	}
	all := offerOf(g, drawn.Configs.Example(1))
	for _, one := range naming {
		arg := declared(one.value)
		for _, of := range one.of {
			declared(of)
			for _, text := range all.defined(of) {
				if _, err := arg.Type.Parse(text); err != nil {
					t.Errorf("%+v is offered %q: %v", one.value, text, err)
				}
			}
		}
	}
	c := &model.Config{}
	if faults := g.Merge(c, "lan LAN1\n ip address 192.0.2.1 255.255.255.0\nsip network a\nsip network b\n"); len(faults) > 0 {
		t.Fatal(faults)
	}
	listen := g.Command(config.Global, "sip listen NETWORK TRANSPORT ADDRESS PORT")
	for arg, want := range map[string][]string{"NETWORK": {"a", "b"}, "ADDRESS": {"192.0.2.1"}, "PORT": nil} {
		if got := offerOf(g, c).suggested(listen, arg); len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
			t.Errorf("%s of sip listen is offered %q; want %q", arg, got, want)
		}
	}
}
