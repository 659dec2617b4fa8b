package grammar_test

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawTime draws what the clock is told.
func drawTime(t *rapid.T, c *model.Config) {
	c.TimeServers = rapid.SliceOfNDistinct(rapid.OneOf(label, rapid.Just("time.example.com"), rapid.Just("2001:db8::123")), 0, 4, rapid.ID).Draw(t, "NTP servers")
}
