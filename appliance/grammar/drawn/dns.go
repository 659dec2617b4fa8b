package drawn

import (
	"fmt"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawDNS draws what the resolver is told.
func drawDNS(t *rapid.T, c *model.Config) {
	c.NameServers = rapid.SliceOfNDistinct(address, 0, 4, rapid.ID).Draw(t, "name servers")
	for n := range rapid.IntRange(0, 4).Draw(t, "hosts") {
		c.Hosts = append(c.Hosts, model.Host{
			Name:      fmt.Sprintf("%s%d.example.com", domainLabel.Draw(t, "host"), n),
			Addresses: rapid.SliceOfNDistinct(address, 1, 8, rapid.ID).Draw(t, "addresses"),
		})
	}
	c.COM.Domain = comName.Draw(t, "COM domain")
	c.COM.FileStore = comName.Draw(t, "file store")
}

var domainLabel = rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?`)

// comName draws a name, or none for the default.
var comName = rapid.Custom(func(t *rapid.T) string {
	if rapid.Bool().Draw(t, "default") {
		return ""
	}
	return domainLabel.Draw(t, "label") + ".example.com"
})
