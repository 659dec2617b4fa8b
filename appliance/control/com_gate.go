package control

import (
	"path/filepath"

	"causeway/appliance/clock"
	"causeway/appliance/com/gate"
)

// buildGate makes what lets COM's wishes through.
func (c *control) buildGate() {
	c.gate = gate.New(gate.Options{
		Methods:     c.comMethods(),
		Streams:     c.comStreams(),
		Door:        c.access,
		Serial:      func() (string, error) { return c.com.Serial() }, // the link is made after its gate
		Allows:      c.subscription.Allows,
		Idempotency: filepath.Join(c.options.COMDir, "idem.db"),
		Support:     filepath.Join(c.options.Run, "control", "com-support"),
		Now:         c.trusted.Now,
		Uptime:      clock.BootTime,
		Log:         c.log,
	})
}
