package grammar_test

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawDHCP draws the part of a port in DHCP.
func drawDHCP(*rapid.T, *model.LAN) {}
