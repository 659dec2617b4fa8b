package sbom

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"

	"causeway/rootfs"
)

var (
	licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([.-].*)?$`)
	noticeFile  = regexp.MustCompile(`(?i)^(notice|patents)([.-].*)?$`) // what licences want to be shown too
)

// stated are modules without the text of their licence: where they state it.
var stated = map[string]struct{ licence, file string }{
	"github.com/mattn/go-localereader": {"MIT", "README.md"}, // in the debug variant
}

// Module gives the component that is a Go module.
func Module(m rootfs.Module) (Component, error) {
	c := Component{
		Name: m.Path, Version: m.Version, Kind: cyclonedx.ComponentTypeLibrary,
		// purl-spec, type golang: the name is in lower case.
		PURL: "pkg:golang/" + strings.ToLower(m.Path) + "@" + escape(m.Version),
	}
	return c.licensed(m.Dir)
}

// Go gives the component that is Go's own library and runtime, from its root.
func Go(root, version string) (Component, error) {
	c := Component{
		Name: "Go", Version: release(version), Kind: cyclonedx.ComponentTypeLibrary,
		PURL: "pkg:golang/std@" + escape(release(version)),
	}
	return c.licensed(root)
}

// licensed adds what the files in a directory say of licences.
func (c Component) licensed(dir string) (Component, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return c, fmt.Errorf("licence of %s: %w", c.Name, err)
	}
	var licences []string
	for _, entry := range entries {
		name := entry.Name()
		decides := licenceFile.MatchString(name)
		if entry.IsDir() || !decides && !noticeFile.MatchString(name) && name != stated[c.Name].file {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return c, fmt.Errorf("licence of %s: %w", c.Name, err)
		}
		c.Texts = append(c.Texts, Text{name, text})
		if !decides {
			continue
		}
		found, err := classify(string(text))
		if err != nil {
			return c, fmt.Errorf("licence of %s %s: %s: %w", c.Name, c.Version, name, err)
		}
		licences = append(licences, found...)
	}
	if of, ok := stated[c.Name]; ok && len(licences) == 0 && len(c.Texts) > 0 {
		licences = []string{of.licence}
	}
	if len(licences) == 0 {
		return c, fmt.Errorf("licence of %s %s: there is no text of it", c.Name, c.Version)
	}
	slices.Sort(licences)
	c.Licence = strings.Join(slices.Compact(licences), " AND ")
	return c, nil
}

// Debian gives the component that is a package of Debian's, for an architecture
// ("amd64", "all"). What the image has of it are files of one pattern of its
// copyright file.
func Debian(name, version, architecture string, copyright []byte, pattern string, kind cyclonedx.ComponentType) (Component, error) {
	licence, err := debianLicence(string(copyright), pattern)
	if err != nil {
		return Component{}, fmt.Errorf("licence of Debian's %s: %w", name, err)
	}
	return Component{
		Name: name, Version: version, Kind: kind, Licence: licence,
		PURL:  fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s", escape(name), escape(version), architecture),
		Texts: []Text{{"copyright", copyright}},
	}, nil
}

// escape writes a part of a package URL.
func escape(part string) string { return url.QueryEscape(part) }
