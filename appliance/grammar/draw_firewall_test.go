package grammar_test

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawFirewall draws the firewall.
func drawFirewall(*rapid.T, *model.Config) {}
