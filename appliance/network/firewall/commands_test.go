package firewall

import (
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// grammar has these commands, in a mode of LAN1.
func grammar(t *testing.T) *config.Grammar {
	t.Helper()
	lan := config.Command{
		Mode: config.Global, Syntax: "lan LAN", Opens: "config-lan",
		Args: []config.Argument{{Name: "LAN", Type: config.LAN{}, Help: "Port"}}, Help: "Configure a port",
		Apply: func(c *model.Config, a config.Args) error {
			c.LANs = []model.LAN{model.NewLAN(a.Port("LAN"))}
			return nil
		},
		Render: func(c *model.Config, _ config.Args) []config.Args {
			var lines []config.Args
			for _, lan := range c.LANs {
				lines = append(lines, config.Args{"LAN": lan.Port})
			}
			return lines
		},
	}
	g, err := config.New([]config.Command{lan}, Commands())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestCommands(t *testing.T) {
	g := grammar(t)
	for _, test := range []struct {
		text        string
		off, noPing bool
		rendered    string
	}{
		{"lan LAN1\n", false, false, "lan LAN1\n exit\n"},
		{"firewall off\nlan LAN1\nping off\n", true, true, "lan LAN1\n ping off\n exit\n!\nfirewall off\n"},
		{"firewall off\nfirewall on\nlan LAN1\nping off\nping on\n", false, false, "lan LAN1\n exit\n"},
	} {
		c, err := g.Parse(test.text)
		if err != nil {
			t.Fatalf("Parse(%q) = %v", test.text, err)
		}
		if c.FirewallOff != test.off || c.LANs[0].NoPing != test.noPing {
			t.Errorf("Parse(%q): firewall off %v, no ping %v; want %v, %v", test.text, c.FirewallOff, c.LANs[0].NoPing, test.off, test.noPing)
		}
		if got := g.Render(c); got != test.rendered {
			t.Errorf("Render of %q = %q; want %q", test.text, got, test.rendered)
		}
	}
}
