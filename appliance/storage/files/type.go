package files

import (
	"fmt"

	"causeway/appliance/config"
	"causeway/appliance/storage"
)

// PathType is a path on a volume as an argument of a command: "usb0:x",
// "harddisk:/billcache/". Its value is a storage.Path.
type PathType struct{}

var _ config.Type = PathType{}

// Parse reads a path (storage.ParsePath).
func (PathType) Parse(word string) (any, error) {
	p, err := storage.ParsePath(word)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Format prints the path in its normal form.
func (PathType) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (PathType) String() string { return "VOLUME:PATH" }

// PathOf gives the value of an argument of that type; the zero Path if it was
// not typed.
func PathOf(a config.Args, name string) storage.Path {
	p, _ := a[name].(storage.Path)
	return p
}
