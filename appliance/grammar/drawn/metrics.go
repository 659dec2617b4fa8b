package drawn

import (
	"cmp"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawMetrics draws whether scrapers are served.
func drawMetrics(t *rapid.T, c *model.Config) {
	c.Metrics.On = rapid.Bool().Draw(t, "metrics")
	c.Metrics.Port = rapid.SampledFrom([]int{0, 1, 9100, 65535}).Draw(t, "metrics port")
	for _, n := range c.SIP.Networks {
		for _, l := range n.Listens {
			c.Metrics.On = c.Metrics.On && int(l.Address.Port()) != cmp.Or(c.Metrics.Port, model.DefaultMetricsPort)
		}
	}
}
