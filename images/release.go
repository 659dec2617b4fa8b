package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// What this source is a release of, by semantic version.
const (
	// version is that of the next release; commits before it have the same. It goes
	// up by one in the commit that begins the next.
	version = "v0.9.0"
	// floor is the lowest version that a box takes once this one has proved itself on
	// it. It goes up when an older version has a hole that must not come back, or
	// cannot read what this one writes.
	floor = "v0.9.0"
)

// fullVersion is that of an image: which commit it is of does not count for the
// order.
func fullVersion(commit string) string {
	if commit == "" {
		return version
	}
	return version + "+" + commit
}

// releaseNotes are those of the version, from the source; without any the
// text says so.
func releaseNotes(source string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(source, "docs", "releases", version+".md"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Appendf(nil, "Causeway %s has no release notes.\n", version), nil
	}
	return text, err
}
