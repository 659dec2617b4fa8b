package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Where a configuration comes from (model.ControlStatus.ConfigSource), in the
// order in which they are tried.
const (
	sourceMachine  = "machine"   // handed in by the machine
	sourceStartup  = "startup"   // saved by the operator
	sourceLastGood = "last good" // the saved one that served before
	sourceBuiltIn  = "built-in"
)

// The files below the configuration directory.
const (
	startupFile = "startup-config"
	goodFile    = "startup-config.good"
)

// maxText bounds a configuration, in octets: far above any real one, and far
// below what would hurt the process.
const maxText = 1 << 20

// revision is one whole configuration.
type revision struct {
	id     string // model.RevisionID of the text
	source string
	text   string
	config *model.Config
}

// place is where one candidate may be.
type place struct {
	source string
	read   func() (text string, err error)
}

// candidates are the configurations that the box may run with, best first.
type candidates struct {
	places []place // not looked at yet
	parse  func(string) (*model.Config, error)
	given  map[string]bool // ids of those that next gave
}

func newCandidates(o Options) candidates {
	file := func(path string) func() (string, error) {
		return func() (string, error) { return readText(path) }
	}
	return candidates{
		parse: o.Parse,
		given: map[string]bool{},
		places: []place{
			{sourceMachine, file(o.MachineConfig)},
			{sourceStartup, file(filepath.Join(o.ConfigDir, startupFile))},
			{sourceLastGood, file(filepath.Join(o.ConfigDir, goodFile))},
			{sourceBuiltIn, func() (string, error) { return o.BuiltIn, nil }},
		},
	}
}

// errNoneLeft means that there is no configuration to go over to.
var errNoneLeft = errors.New("no other configuration is left")

// next gives the next candidate that is there and differs from those given
// before. With an error other than errNoneLeft, only the source of the
// revision is set: it is there, but not fit for use.
func (c *candidates) next() (revision, error) {
	for len(c.places) > 0 {
		place := c.places[0]
		c.places = c.places[1:]
		text, err := place.read()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r := revision{source: place.source}
		if err != nil {
			return r, err
		}
		r.id, r.text = model.RevisionID(text), text
		if c.given[r.id] {
			continue
		}
		if r.config, err = c.parse(text); err != nil {
			return revision{source: place.source}, err
		}
		c.given[r.id] = true
		return r, nil
	}
	return revision{}, errNoneLeft
}

// readText reads a configuration file, which may be of any content. An empty
// one is what a full disk leaves of a file written carelessly, and no
// configuration.
func readText(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxText+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > maxText:
		return "", fmt.Errorf("%s is longer than %d octets", path, maxText)
	case len(text) == 0:
		return "", fmt.Errorf("%s is empty", path)
	}
	return string(text), nil
}

// keepGood makes text the last good configuration in dir.
func keepGood(dir, text string) error {
	path := filepath.Join(dir, goodFile)
	if known, err := readText(path); err == nil && known == text {
		return nil // spares the flash
	}
	return storage.WriteFile(path, []byte(text), 0o640)
}

// buildTime reads when the image was built; without the file, as on a plain
// host, there is no such limit to the clock.
func buildTime(path string, log *slog.Logger) time.Time {
	var info model.BuildInfo
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		log.Warn("the build time of the image is unknown", "error", err)
	}
	return info.Time
}
