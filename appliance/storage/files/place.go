package files

import (
	"fmt"
	"net/url"
	"path"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/storage"
	"causeway/appliance/storage/remote"
)

// Place is a file or directory on the box or on another system. The zero Place is
// none.
type Place struct {
	Path storage.Path // zero: it is on another system
	Host remote.Place // over SFTP; zero: it is not
	url  string       // empty: it is on the box
}

// ParsePlace reads a path or a URL like sftp://user@host/directory/: what can be
// read and written.
func ParsePlace(text string) (Place, error) {
	if strings.Contains(text, "://") {
		host, err := remote.Parse(text)
		return Place{Host: host, url: text}, err
	}
	p, err := storage.ParsePath(text)
	return Place{Path: p}, err
}

// ParseSource reads what ParsePlace does, and URLs like https://host/file: what
// can be read.
func ParseSource(text string) (Place, error) {
	if strings.HasPrefix(text, "https:") {
		return Place{url: text}, remote.CheckWeb(text)
	}
	return ParsePlace(text)
}

// IsRemote reports whether it is on another system.
func (p Place) IsRemote() bool { return p.url != "" }

// isWeb reports whether it is on a web server.
func (p Place) isWeb() bool { return p.IsRemote() && p.Host == remote.Place{} }

// String is the path in its normal form, or the URL as it was typed; empty for
// none. ParseSource gives the same Place back.
func (p Place) String() string {
	if p.IsRemote() || p == (Place{}) {
		return p.url
	}
	return p.Path.String()
}

// MarshalText is String.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParseSource.
func (p *Place) UnmarshalText(text []byte) (err error) {
	*p, err = ParseSource(string(text))
	return err
}

// Base is the name of the file; empty for a directory of another system and for a
// page without a name.
func (p Place) Base() (name string) {
	if p.isWeb() {
		u, _ := url.Parse(p.url) // which was possible when it was made
		_, name = path.Split(u.Path)
		return name
	}
	_, name = p.Split()
	return name
}

// within is the file of that name in a directory of another system; a place that
// is no directory itself.
func (p Place) within(name string) (Place, error) {
	if !strings.HasSuffix(p.Host.Path, "/") {
		return p, nil
	}
	text := p.url
	if !strings.HasSuffix(text, "/") { // the URL has no path
		text += "/"
	}
	return ParsePlace(text + url.PathEscape(name))
}

// Split gives the directory of a file and its name there.
func (p Place) Split() (dir Place, name string) {
	if !p.IsRemote() {
		return Place{Path: p.Path.Dir()}, p.Path.Base()
	}
	dir = p
	dir.Host.Path, name = path.Split(p.Host.Path)
	return dir, name
}

// PlaceType is a Place as an argument of a command.
type PlaceType struct {
	Web bool // also https://host/file
}

var _ config.Type = PlaceType{}

// Parse reads a path or a URL.
func (t PlaceType) Parse(word string) (any, error) {
	parse := ParsePlace
	if t.Web {
		parse = ParseSource
	}
	p, err := parse(word)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Format prints the place in its normal form.
func (PlaceType) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (PlaceType) String() string { return "VOLUME:PATH|URL" }

// PlaceOf gives the value of an argument of that type; the zero Place if it was
// not typed.
func PlaceOf(a config.Args, name string) Place {
	p, _ := a[name].(Place)
	return p
}
