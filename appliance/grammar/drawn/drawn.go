// Package drawn makes random configurations for tests: valid ones, in which each
// command of the grammar has lines now and then.
package drawn

import (
	"math"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// Sealed is a secret as it is stored, of any octets.
const Sealed = "sealed:" + sealed

const sealed = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Configs draws valid configurations. Over many of them each command has lines.
var Configs = rapid.Custom(func(t *rapid.T) *model.Config {
	c := &model.Config{HostName: label.Draw(t, "host name")}
	drawLANs(t, c)
	drawFirewall(t, c)
	drawDNS(t, c)
	drawTime(t, c)
	c.SIP = sip(t)
	c.Admission = admission(t)
	c.License = license(t)
	c.Alarms = model.Alarms{CPU: threshold.Draw(t, "CPU"), Memory: threshold.Draw(t, "memory"), Storage: threshold.Draw(t, "storage")}
	for _, host := range rapid.SliceOfNDistinct(label, 0, 4, rapid.ID).Draw(t, "syslog servers") {
		c.Logging.Servers = append(c.Logging.Servers, model.LogServer{
			Host:      host,
			Transport: rapid.SampledFrom([]string{"udp", "tcp", "tls"}).Draw(t, "transport"),
			Port:      int(port.Draw(t, "port")),
			Level:     rapid.IntRange(0, 7).Draw(t, "level"),
		})
	}
	drawMetrics(t, c)
	drawAccess(t, c)
	drawCOM(t, c)
	drawCallHome(t, c)
	drawBackup(t, c)
	c.SBC = sbc(t)
	drawAdjacencies(t, c)
	return c
})

var (
	octet  = rapid.Byte()
	port   = rapid.Uint16Min(1)
	number = rapid.IntRange(1, math.MaxInt32)
	// threshold is one that was set, or 0.
	threshold = rapid.OneOf(rapid.Just(0), rapid.IntRange(20, 99))
	label     = rapid.StringMatching(`[a-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?`)
	name      = rapid.StringMatching(`[A-Za-z0-9._-]{1,32}`)
	address   = rapid.OneOf(
		rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom4([4]byte{192, 0, 2, octet.Draw(t, "host")})
		}),
		rapid.Custom(func(t *rapid.T) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: octet.Draw(t, "host")})
		}),
	)
)

func rising(t *rapid.T, number *rapid.Generator[int], label string) []int {
	return slices.Sorted(slices.Values(rapid.SliceOfNDistinct(number, 0, 3, rapid.ID).Draw(t, label)))
}

func indexes[T any](list []T) []int {
	all := make([]int, len(list))
	for i := range list {
		all[i] = i
	}
	return all
}
