package sbom

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// grant is a sentence by which a licence is known: all phrases stand in its text,
// and none of the others. Texts are compared in lower case, white space as one space.
type grant struct {
	licence string // SPDX identifier
	all     []string
	none    []string
}

const (
	redistribution = "redistribution and use in source and binary forms"
	noEndorsement  = "endorse or promote products derived from this software without specific prior written permission"
)

var grants = []grant{
	{"Apache-2.0", []string{"apache license version 2.0, january 2004"}, nil},
	{"Apache-2.0", []string{`licensed under the apache license, version 2.0 (the "license")`}, []string{"apache license version 2.0, january 2004"}},
	{"BSD-2-Clause", []string{redistribution}, []string{noEndorsement}},
	{"BSD-3-Clause", []string{redistribution, noEndorsement}, nil},
	{"ISC", []string{"permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted"}, nil},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}, nil},
	{"MIT", []string{"permission is hereby granted, free of charge, to any person obtaining a copy of this software"}, nil},
	{"MPL-2.0", []string{"mozilla public license", "version 2.0", "1.1. “contributor”"}, nil},
	{"MPL-2.0", []string{"mozilla public license", "version 2.0", `1.1. "contributor"`}, nil},
}

// copyleft stands in the texts of licences that oblige to more than their text; in
// that of the MPL as well, which only names it.
const copyleft = "gnu general public license"

// eitherBSD stands where one may choose between two licences; ours is the first.
const eitherBSD = "spdx-license-identifier: bsd-3-clause or gpl-2.0-only"

// classify gives the licences (SPDX identifiers) that a text grants, all that there
// are in it; an error if it is of another kind.
func classify(text string) (licences []string, err error) {
	text = strings.Join(strings.Fields(strings.ToLower(text)), " ")
	if strings.Contains(text, eitherBSD) {
		return []string{"BSD-3-Clause"}, nil
	}
	for _, g := range grants {
		if contains(text, g.all...) == len(g.all) && contains(text, g.none...) == 0 {
			licences = append(licences, g.licence)
		}
	}
	if len(licences) == 0 || strings.Contains(text, copyleft) && !slices.Contains(licences, "MPL-2.0") {
		return nil, errors.New("this is none of the licences that are known here (images/sbom/licences.go)")
	}
	return licences, nil
}

// contains counts which of the phrases stand in a text.
func contains(text string, phrases ...string) (n int) {
	for _, phrase := range phrases {
		if strings.Contains(text, phrase) {
			n++
		}
	}
	return n
}

// debianNames are Debian's short names of licences
// (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/) as SPDX has them.
var debianNames = map[string]string{
	"GPL-2":     "GPL-2.0-only",
	"LGPL-2.1+": "LGPL-2.1-or-later",
	"MPL-2.0":   "MPL-2.0",
}

// debianLicence finds in a package's copyright file the licence of the files that
// one pattern stands for.
func debianLicence(copyright, pattern string) (string, error) {
	for stanza := range strings.SplitSeq(strings.ReplaceAll(copyright, "\r", ""), "\n\n") {
		fields := map[string]string{}
		name := ""
		for line := range strings.Lines(stanza) {
			if field, value, found := strings.Cut(line, ":"); found && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
				name = field
				fields[name] = strings.TrimSpace(value)
			} else if name == "Files" {
				fields[name] += " " + strings.TrimSpace(line)
			}
		}
		if !slices.Contains(strings.Fields(fields["Files"]), pattern) {
			continue
		}
		if licence, ok := debianNames[fields["License"]]; ok {
			return licence, nil
		}
		return "", fmt.Errorf("%q of its files %s is none of the licences that are known here (images/sbom/licences.go)", fields["License"], pattern)
	}
	return "", fmt.Errorf("its copyright file says nothing about the files %s", pattern)
}
