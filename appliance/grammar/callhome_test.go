package grammar_test

import (
	"testing"

	"causeway/appliance/callhome"
	"causeway/appliance/config"
)

// TestDiagnosticsAreCommands: what alerts of Call Home bring is what EXEC commands
// print.
func TestDiagnosticsAreCommands(t *testing.T) {
	v, err := config.NewVocabulary(execForms())
	if err != nil {
		t.Fatal(err)
	}
	for _, alert := range callhome.Alerts() {
		for _, line := range alert.Commands {
			if _, err := v.Match(line); err != nil {
				t.Errorf("%s: %q: %v", alert.Name, line, err)
			}
		}
	}
}
