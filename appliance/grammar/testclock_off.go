//go:build !testclock

package grammar

import "causeway/appliance/exec"

// testCommands are none: see testclock.go.
func testCommands() []exec.Command { return nil }
