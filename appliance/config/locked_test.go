package config

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// TestLocked: which lines are told of two configurations, and that the rule is
// given both and the values of the line.
func TestLocked(t *testing.T) {
	refuse := func(before, after *model.Config, a Args) error {
		if before.HostName != "" || after.HostName == "free" {
			return nil
		}
		return errors.New("not " + a.Text("NAME"))
	}
	network := func(c *model.Config, a Args) *model.SIPNetwork { return c.SIP.Network(a.Text("NAME")) }
	g, err := New([]Command{
		{
			Mode: Global, Syntax: "hostname HOST", Args: []Argument{argument("HOST", Name{})}, Help: "A line that may change at any time",
			Apply:  func(c *model.Config, a Args) error { c.HostName = a.Text("HOST"); return nil },
			Render: func(c *model.Config, _ Args) []Args { return []Args{{"HOST": c.HostName}} },
		},
		{
			Mode: Global, Syntax: "network NAME", Opens: "config-network", Args: []Argument{argument("NAME", Name{})}, Help: "A mode", Locked: refuse,
			Apply: func(c *model.Config, a Args) error {
				if network(c, a) == nil {
					c.SIP.Networks = append(c.SIP.Networks, model.SIPNetwork{Name: a.Text("NAME")})
				}
				return nil
			},
			Render: func(c *model.Config, _ Args) (lines []Args) {
				for _, n := range c.SIP.Networks {
					lines = append(lines, Args{"NAME": n.Name})
				}
				return lines
			},
		},
		{
			Mode: "config-network", Syntax: "size OCTETS", Args: []Argument{argument("OCTETS", Integer{1, 9})}, Help: "A value", Locked: refuse,
			Apply: func(c *model.Config, a Args) error { network(c, a).MaxDatagram = a.Int("OCTETS"); return nil },
			Render: func(c *model.Config, in Args) []Args {
				if n := network(c, in).MaxDatagram; n > 0 {
					return []Args{{"OCTETS": n}}
				}
				return nil
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, before, after string
		want                []string
	}{
		{"the same", "network a\nsize 2", "network a\nsize 2", nil},
		{"another order", "network a\nnetwork b", "network b\nnetwork a", nil},
		{"free", "", "hostname free\nnetwork a", nil},
		{"not locked before", "hostname x", "hostname x\nnetwork a", nil},
		{"a new line", "network a", "network a\nsize 2", []string{`"size 2": not a`}},
		{"a line gone", "network a\nsize 2", "network a", []string{`"no size 2": not a`}},
		{"another value", "network a\nsize 2", "network a\nsize 3", []string{`"size 3": not a`}},
		{"in one of two places", "network a\nsize 2\nnetwork b\nsize 2", "network a\nsize 2\nnetwork b\nsize 5", []string{`"size 5": not b`}},
		{"values in two places", "network a\nsize 2\nnetwork b\nsize 2", "network a\nsize 3\nnetwork b\nsize 5", []string{`"size 3": not a`, `"size 5": not b`}},
		{"a new mode with its lines", "", "network a\nsize 2", []string{`"network a": not a`}},
		{"a mode gone with its lines", "network a\nsize 2\nnetwork b", "network b", []string{`"no network a": not a`}},
		{"one that begins alike", "network a\nsize 2", "network a\nsize 2\nnetwork ab\nsize 2", []string{`"network ab": not ab`}},
	} {
		before, beforeErr := g.Parse(test.before)
		after, afterErr := g.Parse(test.after)
		if err := errors.Join(beforeErr, afterErr); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		var got []string
		for _, fault := range g.Locked(before, after) {
			got = append(got, fault.Error())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: Locked differs (-want +got):\n%s", test.name, cmp.Diff(test.want, got))
		}
	}
}
