package machine

import (
	"context"
	"fmt"
	"strings"
)

// Save writes the state of the running machine to a new file at path, from which
// Config.Saved has another one go on, and stops it. What is on its disk then goes
// with the file; the log of a disk does not.
func (m *Machine) Save(ctx context.Context, path string) error {
	report := map[string]any{"capabilities": []map[string]any{{"capability": "events", "state": true}}}
	if err := m.Execute(ctx, "migrate-set-capabilities", report); err != nil {
		return err
	}
	if err := m.Execute(ctx, "migrate", map[string]any{"uri": "exec:cat > " + quote(path)}); err != nil {
		return err
	}
	end, err := m.monitor.first(ctx, "that the machine is saved", func(e Event) bool {
		return e.Name == "MIGRATION" && (e.Data.Status == "completed" || e.Data.Status == "failed")
	})
	if err == nil && end.Data.Status != "completed" {
		err = fmt.Errorf("%s: %s", end.Data.Status, m.complaint())
	}
	if err != nil {
		return fmt.Errorf("save a machine: %w", err)
	}
	return nil
}

// goOn has the machine take the state at path, and returns when it runs: what is
// typed on the console before would be gone with the serial port's own state.
func (m *Machine) goOn(ctx context.Context, path string) error {
	if err := m.Execute(ctx, "migrate-incoming", map[string]any{"uri": "exec:cat " + quote(path)}); err != nil {
		return err
	}
	_, err := m.Event(ctx, "RESUME", 1)
	return err
}

// quote is a path as the shell wants it in which QEMU runs a command.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
