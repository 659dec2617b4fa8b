// Package sbom says what an image is made of and under which licences: a bill of
// materials for programs (CycloneDX 1.6), and the texts for people.
//
// A component whose licence nobody can tell is an error: it must not be shipped.
package sbom

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"

	"causeway/appliance/model"
)

// Component is one thing that others made.
type Component struct {
	Name, Version string
	PURL          string // package URL (ECMA-427)
	Kind          cyclonedx.ComponentType
	Licence       string // SPDX expression
	Texts         []Text // of its licences, and what they want to be shown besides
}

// Text is a file of a component.
type Text struct {
	Name    string
	Content []byte
}

// Write writes the bill of materials of an image. The same arguments, in whatever
// order, give the same octets.
func Write(w io.Writer, image model.BuildInfo, components []Component) error {
	root := fmt.Sprintf("causeway-%s-%s@%s", image.Board, image.Variant, image.Version)
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(root+" "+image.Commit)).String()
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: image.Time.UTC().Format(time.RFC3339),
		Component: &cyclonedx.Component{
			BOMRef: root, Type: cyclonedx.ComponentTypeFirmware, Name: "causeway", Version: image.Version,
			Properties: &[]cyclonedx.Property{{Name: "board", Value: image.Board}, {Name: "variant", Value: image.Variant}, {Name: "commit", Value: image.Commit}},
		},
	}
	var list []cyclonedx.Component
	var references []string
	for _, c := range sorted(components) {
		list = append(list, cyclonedx.Component{
			BOMRef: c.PURL, Type: c.Kind, Name: c.Name, Version: c.Version, PackageURL: c.PURL,
			Licenses: &cyclonedx.Licenses{{Expression: c.Licence}},
		})
		references = append(references, c.PURL)
	}
	bom.Components, bom.Dependencies = &list, &[]cyclonedx.Dependency{{Ref: root, Dependencies: &references}}
	return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
}

// WriteLicences writes which component is under which licence, and then the texts,
// each once.
func WriteLicences(w io.Writer, image model.BuildInfo, components []Component) error {
	components = sorted(components)
	var out bytes.Buffer
	fmt.Fprintf(&out, "What Causeway %s for %s has from others, and under which licences.\n\n", image.Version, image.Board)
	for _, c := range components {
		fmt.Fprintf(&out, "%s %s: %s\n", c.Name, c.Version, c.Licence)
	}
	type shown struct {
		of   []string
		text []byte
	}
	var texts []*shown
	for _, c := range components {
		for _, text := range c.Texts {
			of := c.Name + " (" + text.Name + ")"
			i := slices.IndexFunc(texts, func(s *shown) bool { return bytes.Equal(s.text, text.Content) })
			if i < 0 {
				texts = append(texts, &shown{text: text.Content})
				i = len(texts) - 1
			}
			texts[i].of = append(texts[i].of, of)
		}
	}
	for _, s := range texts {
		fmt.Fprintf(&out, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 72), strings.Join(s.of, "\n"), bytes.TrimSpace(s.text))
	}
	_, err := w.Write(out.Bytes())
	return err
}

func sorted(components []Component) []Component {
	return slices.SortedFunc(slices.Values(components), func(a, b Component) int { return cmp.Compare(a.PURL, b.PURL) })
}
