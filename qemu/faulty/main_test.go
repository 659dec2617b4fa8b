package main

import "testing"

// TestIsProxy: a fault that never finds the proxy makes a bad image a good one.
func TestIsProxy(t *testing.T) {
	for line, want := range map[string]bool{
		"/bin/appliance\x00proxy\x00":                    true,
		"/bin/appliance\x00proxy\x00-confine\x00/\x00":   true,
		"/bin/appliance\x00billing\x00-confine\x00/\x00": false,
		"/init\x00": false,
		"":          false,
	} {
		if got := isProxy([]byte(line)); got != want {
			t.Errorf("isProxy(%q) = %v; want %v", line, got, want)
		}
	}
}
