package sbom

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/mkuimage/cpio"
)

// Verify looks into a root file system (newc cpio in zstd): every program in it is
// Go's of that version, and every module that its linker noted is a component.
func Verify(file, goVersion string, components []Component) error {
	packed, err := os.Open(file)
	if err != nil {
		return err
	}
	defer packed.Close()
	reader, err := zstd.NewReader(packed)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	defer reader.Close()
	archive, err := io.ReadAll(reader)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(archive)))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, record := range records {
		const execute = 0o111
		if record.Mode&cpio.S_IFMT != cpio.S_IFREG || record.Mode&execute == 0 {
			continue // kernel modules and texts
		}
		program, err := buildinfo.Read(record)
		if err != nil {
			return fmt.Errorf("/%s: nobody knows what is in it: %w", record.Name, err)
		}
		if program.GoVersion != goVersion {
			return fmt.Errorf("/%s is made by %s, not by %s", record.Name, program.GoVersion, goVersion)
		}
		for _, module := range program.Deps {
			known := slices.ContainsFunc(components, func(c Component) bool { return c.Name == module.Path && c.Version == module.Version })
			if !known {
				return fmt.Errorf("/%s has %s %s in it, which is not in the bill of materials", record.Name, module.Path, module.Version)
			}
		}
	}
	return nil
}

// release takes the words off a Go version that are not its number: "go1.26.8 X:foo".
func release(version string) string {
	number, _, _ := strings.Cut(strings.TrimPrefix(version, "go"), " ")
	return number
}
