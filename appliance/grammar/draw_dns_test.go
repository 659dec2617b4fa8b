package grammar_test

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawDNS draws what the resolver is told.
func drawDNS(t *rapid.T, c *model.Config) {
	c.NameServers = rapid.SliceOfNDistinct(address, 0, 4, rapid.ID).Draw(t, "name servers")
}
