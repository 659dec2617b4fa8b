package storage

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The volumes of the box, as they are named before the colon of a path.
const (
	Bootflash = "bootflash" // small: configuration, keys, state
	Harddisk  = "harddisk"  // the rest of the disk: billing cache, logs, reports
	USB       = "usb0"      // a stick, FAT or ext4
)

// Volumes are all of them, in the order in which they are shown.
func Volumes() []string { return []string{Bootflash, Harddisk, USB} }

// Path is a file or directory on a volume, in the one form that it is kept and
// compared in. The zero Path is none.
type Path struct {
	Volume string // one of Volumes
	Name   string // below the volume as io/fs has it: "log/messages"; "." is the volume itself
}

// The bounds of a path, in octets.
const (
	pathMax = 512 // the whole, in its normal form
	nameMax = 255 // one name in it: ext4's and FAT's
)

// ParsePath reads a path as an operator types it. Upper and lower case are the
// same in the name of the volume; usb0:x is usb0:/x, slashes at the end or
// twice say nothing, and .. is resolved as long as it stays on the volume.
// Blanks and what cannot be printed are refused, and on usb0: what FAT cannot
// hold.
func ParsePath(text string) (Path, error) {
	before, after, colon := strings.Cut(text, ":")
	volume := strings.ToLower(before)
	if !colon || !slices.Contains(Volumes(), volume) {
		return Path{}, fmt.Errorf("%s does not begin with a volume (bootflash:, harddisk:, usb0:)", text)
	}
	p := Path{volume, path.Clean(strings.TrimLeft(after, "/"))} // "" becomes "."
	switch {
	case p.Name == ".." || strings.HasPrefix(p.Name, "../"):
		return Path{}, fmt.Errorf("%s leads out of its volume", text)
	case len(p.String()) > pathMax:
		return Path{}, fmt.Errorf("a path of %d octets is too long: %d are the most", len(p.String()), pathMax)
	}
	for name := range strings.SplitSeq(p.Name, "/") {
		if rule := badName(volume, name); rule != nil {
			return Path{}, fmt.Errorf("%s: %w", text, rule)
		}
	}
	return p, nil
}

// onlyExt4 are the characters that FAT has no room for (Microsoft's FAT
// specification 1.03, "Long directory entries").
const onlyExt4 = `"*:<>?\|`

// badName says which rule a name on a volume breaks.
func badName(volume, name string) error {
	switch {
	case len(name) > nameMax:
		return fmt.Errorf("a name of %d octets is too long: %d are the most", len(name), nameMax)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return errors.New("a name has a blank or a character that cannot be printed")
	case volume != USB || name == ".":
		return nil
	case strings.ContainsAny(name, onlyExt4):
		return fmt.Errorf("a name on usb0: has none of %s", onlyExt4)
	case strings.HasSuffix(name, "."):
		return errors.New("a name on usb0: does not end with a dot")
	}
	return nil
}

// String is the path in its normal form: "usb0:/x", "harddisk:/" for the
// volume itself. ParsePath gives the same Path back.
func (p Path) String() string {
	if p.Name == "." {
		return p.Volume + ":/"
	}
	return p.Volume + ":/" + p.Name
}

// IsVolume reports whether the path is a volume itself.
func (p Path) IsVolume() bool { return p.Name == "." }

// Base is the last name of the path; "." for a volume.
func (p Path) Base() string { return path.Base(p.Name) }

// Dir is the directory that the path is in; a volume is in itself.
func (p Path) Dir() Path { return Path{p.Volume, path.Dir(p.Name)} }

// Join is the path of a name in the directory p, by the rules of ParsePath.
func (p Path) Join(name string) (Path, error) { return ParsePath(p.String() + "/" + name) }

// Within reports whether the path is dir or below it.
func (p Path) Within(dir Path) bool {
	return p.Volume == dir.Volume && (dir.IsVolume() || p.Name == dir.Name || strings.HasPrefix(p.Name, dir.Name+"/"))
}

// MarshalText is String, so that link carries paths as they are typed.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePath.
func (p *Path) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePath(string(text))
	return err
}
