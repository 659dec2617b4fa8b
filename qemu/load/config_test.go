package load

import (
	"testing"

	"causeway/appliance/grammar"
)

// TestConfig sees that the grammar knows what the proxy is configured with.
func TestConfig(t *testing.T) {
	if _, err := grammar.All().Parse(Config(3)); err != nil {
		t.Errorf("Parse(Config(3)) = %v", err)
	}
}
