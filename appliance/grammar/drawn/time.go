package drawn

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawTime draws what the clock is told.
func drawTime(t *rapid.T, c *model.Config) {
	servers := rapid.OneOf(label, rapid.Just("time.example.com"), rapid.Just("2001:db8::123"))
	if rapid.Bool().Draw(t, "smeared") {
		servers = rapid.SampledFrom([]string{"time.google.com", "time1.google.com", "169.254.169.123"})
	}
	c.TimeServers = rapid.SliceOfNDistinct(servers, 0, 3, rapid.ID).Draw(t, "NTP servers")
	if len(c.TimeServers) > 0 && rapid.Bool().Draw(t, "one is preferred") {
		c.Time.Prefer = rapid.SampledFrom(c.TimeServers).Draw(t, "the preferred one")
	}
	c.Time.Disabled = rapid.Bool().Draw(t, "NTP off")
	c.Time.Zone = rapid.OneOf(
		rapid.SampledFrom([]model.TimeZone{{}, {Name: "Europe/Berlin"}, {Name: "America/Argentina/Buenos_Aires"}, {Name: "CET"}}),
		rapid.Custom(func(t *rapid.T) model.TimeZone {
			return model.TimeZone{
				Name:    rapid.SampledFrom([]string{"EST", "UTC", "Europe/Berlin"}).Draw(t, "name"),
				Fixed:   true,
				Minutes: rapid.OneOf(rapid.IntRange(-720, -60), rapid.IntRange(0, 840)).Draw(t, "minutes east"),
			}
		}),
	).Draw(t, "time zone")
}
