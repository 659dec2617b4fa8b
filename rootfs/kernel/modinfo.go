package kernel

import (
	"debug/elf"
	"fmt"
	"io"
	"strings"
)

// modinfo is what a module says of itself in its section .modinfo.
type modinfo struct {
	aliases []string // wildcard patterns of the devices it serves, and other names
	depends []string // modules whose symbols it uses
	softdep []string // names it likes to have loaded before it ("pre:")
}

// readModinfo reads it from a module's file.
func readModinfo(r io.ReaderAt) (modinfo, error) {
	file, err := elf.NewFile(r)
	if err != nil {
		return modinfo{}, err
	}
	section := file.Section(".modinfo")
	if section == nil {
		return modinfo{}, fmt.Errorf("no section .modinfo: not a kernel module")
	}
	text, err := section.Data()
	if err != nil {
		return modinfo{}, fmt.Errorf("section .modinfo: %w", err)
	}
	return parseModinfo(string(text)), nil
}

// parseModinfo reads key=value entries that end in a zero byte each.
func parseModinfo(text string) modinfo {
	var info modinfo
	for entry := range strings.SplitSeq(text, "\x00") {
		switch key, value, _ := strings.Cut(entry, "="); key {
		case "alias":
			info.aliases = append(info.aliases, value)
		case "depends":
			info.depends = append(info.depends, splitNames(value, ",")...)
		case "softdep":
			info.softdep = append(info.softdep, softdepBefore(value)...)
		}
	}
	return info
}

// softdepBefore gives the names after "pre:" of "pre: a b post: c".
func softdepBefore(value string) []string {
	var names []string
	before := false
	for _, word := range strings.Fields(value) {
		switch {
		case strings.HasSuffix(word, ":"):
			before = word == "pre:"
		case before:
			names = append(names, word)
		}
	}
	return names
}

func splitNames(list, separator string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, separator)
}
