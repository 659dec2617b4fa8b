//go:build testclock

package grammar

import (
	"context"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// testCommands puts the time that licences go by ahead, for tests on machines.
// Release images are built without it.
func testCommands() []exec.Command {
	return []exec.Command{{
		Syntax: "test license advance SECONDS", Help: "Put the time that licences go by ahead", Level: exec.Privileged,
		Args: []config.Argument{{Name: "SECONDS", Type: config.Integer{Min: 1, Max: 400 * 24 * 3600}, Help: "By so much"}},
		Run: func(ctx context.Context, s exec.Session, a config.Args) error {
			return s.Call(ctx, "control", "control.license.advance", map[string]any{"by": a["SECONDS"]}, nil)
		},
	}}
}
