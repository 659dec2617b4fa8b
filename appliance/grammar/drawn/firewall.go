package drawn

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawFirewall draws the firewall, and what the ports of c let in.
func drawFirewall(t *rapid.T, c *model.Config) {
	c.FirewallOff = rapid.Bool().Draw(t, "firewall off")
	for i := range c.LANs {
		c.LANs[i].NoPing = rapid.Bool().Draw(t, "no ping")
	}
}
