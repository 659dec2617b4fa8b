package sbom

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/klauspost/compress/zstd"
	"github.com/u-root/mkuimage/cpio"

	"causeway/appliance/model"
	"causeway/rootfs"
)

const (
	mit = "Permission is hereby granted, free of charge, to any person\n  obtaining a copy of this software and associated files"
	bsd = "Redistribution and use in source and\nbinary forms, with or without modification, are permitted"
	not = "Neither the name of Example nor the names of its makers may be used to endorse or\npromote products derived from this software without specific prior written permission."
)

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"MIT in two lines", "Copyright Example\n" + mit, []string{"MIT"}},
		{"two clauses", bsd, []string{"BSD-2-Clause"}},
		{"three clauses", bsd + "\n * " + not, []string{"BSD-3-Clause"}},
		{"two licences in one text", bsd + not + "\n----\n" + mit, []string{"BSD-3-Clause", "MIT"}},
		{"Apache", "   Apache License\n  Version 2.0, January 2004", []string{"Apache-2.0"}},
		{"one of two to choose", "/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */\nthe GNU General Public License", []string{"BSD-3-Clause"}},
		{"nothing", "", nil},
		{"all rights reserved", "Copyright Example. All rights reserved.", nil},
		{"copyleft", "GNU General Public License\nVersion 2", nil},
		{"copyleft beside MIT", mit + "\nor, for files x, the GNU GENERAL\nPUBLIC LICENSE", nil},
	} {
		got, err := classify(tt.text)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
			t.Errorf("%s: classify = %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: example

Files: debian/*
License: GPL-3
 The whole text: of it

Files: a.c
 mozilla/certdata.txt
Copyright: Example
License: MPL-2.0

Files: *
License: GPL-2
`

func TestDebianLicence(t *testing.T) {
	for pattern, want := range map[string]string{
		"*": "GPL-2.0-only", "mozilla/certdata.txt": "MPL-2.0", "debian/*": `"GPL-3" of its files debian/*`, "b.c": "nothing about the files b.c",
	} {
		got, err := debianLicence(copyright, pattern)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("debianLicence of %s = %q; want %q", pattern, got, want)
		}
	}
}

func FuzzDebianLicence(f *testing.F) {
	f.Add(copyright, "*")
	f.Fuzz(func(t *testing.T, text, pattern string) {
		if licence, err := debianLicence(text, pattern); (err == nil) != (licence != "") {
			t.Errorf("debianLicence = %q, %v", licence, err)
		}
	})
}

// TestModule: what a module has in its directory decides, and none of it is no answer.
func TestModule(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		path  string
		want  string // the licence, or a part of the error
	}{
		{"one", map[string]string{"LICENSE.md": mit, "NOTICE": "by Example", "main.go": bsd}, "example.com/Some/x", "MIT"},
		{"two", map[string]string{"LICENSE": mit, "LICENSE.other": bsd}, "example.com/x", "BSD-2-Clause AND MIT"},
		{"unknown beside a known one", map[string]string{"LICENSE": mit, "COPYING": "ask us"}, "example.com/x", "COPYING: this is none of"},
		{"none", map[string]string{"main.go": mit, "NOTICE": mit}, "example.com/x", "there is no text"},
		{"stated elsewhere", map[string]string{"README.md": "## License\nMIT"}, "github.com/mattn/go-localereader", "MIT"},
		{"stated no more", nil, "github.com/mattn/go-localereader", "there is no text"},
	} {
		dir := t.TempDir()
		for name, text := range tt.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		c, err := Module(rootfs.Module{Path: tt.path, Version: "v1.2.3+incompatible", Dir: dir})
		switch {
		case err != nil && !strings.Contains(err.Error(), tt.want), err == nil && c.Licence != tt.want:
			t.Errorf("%s: Module = %q, %v; want %q", tt.name, c.Licence, err, tt.want)
		case tt.name == "one" && (c.PURL != "pkg:golang/example.com/some/x@v1.2.3%2Bincompatible" || len(c.Texts) != 2):
			t.Errorf("%s: %s with %d texts; want its name in lower case, and the notice", tt.name, c.PURL, len(c.Texts))
		}
	}
}

func TestWrite(t *testing.T) {
	image := model.BuildInfo{Version: "v1.2.3+0123456789ab", Board: "x86_64", Variant: "release", Commit: "0123456789abcdef", Time: time.Unix(1e9, 0)}
	text := []Text{{"LICENSE", []byte("do as you like\n")}}
	components := []Component{
		{Name: "b", Version: "v2.0.0", PURL: "pkg:golang/b@v2.0.0", Kind: cyclonedx.ComponentTypeLibrary, Licence: "MIT", Texts: text},
		{Name: "a", Version: "v1.0.0", PURL: "pkg:golang/a@v1.0.0", Kind: cyclonedx.ComponentTypeLibrary, Licence: "ISC AND MIT", Texts: text},
	}
	var bill, again, licences bytes.Buffer
	if err := Write(&bill, image, components); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(components)
	if err := Write(&again, image, components); err != nil || bill.String() != again.String() {
		t.Errorf("another order of the same components gives another bill (%v)", err)
	}
	var read cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(&bill, cyclonedx.BOMFileFormatJSON).Decode(&read); err != nil {
		t.Fatal(err)
	}
	list := *read.Components
	if read.SpecVersion != cyclonedx.SpecVersion1_6 || len(list) != 2 || list[0].Name != "a" || (*list[0].Licenses)[0].Expression != "ISC AND MIT" {
		t.Errorf("the bill is of version %v, with %+v; want 1.6, a and b", read.SpecVersion, list)
	}
	if on := *(*read.Dependencies)[0].Dependencies; !slices.Equal(on, []string{"pkg:golang/a@v1.0.0", "pkg:golang/b@v2.0.0"}) {
		t.Errorf("the image depends on %q; want both", on)
	}
	if err := WriteLicences(&licences, image, components); err != nil {
		t.Fatal(err)
	}
	if got := licences.String(); strings.Count(got, "do as you like") != 1 || !strings.Contains(got, "a (LICENSE)\nb (LICENSE)\n") || !strings.Contains(got, "a v1.0.0: ISC AND MIT\n") {
		t.Errorf("licences.txt is\n%s\nwant one text for both", got)
	}
}

// TestVerify looks into root file systems with a program that has a module in it.
func TestVerify(t *testing.T) {
	self := filepath.Join(t.TempDir(), "linked")
	if out, err := exec.Command("go", "build", "-o", self, "./testdata/linked").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(self)
	if err != nil || len(info.Deps) == 0 {
		t.Fatalf("the program says of itself %+v, %v; want a module", info, err)
	}
	var all []Component
	for _, m := range info.Deps {
		all = append(all, Component{Name: m.Path, Version: m.Version})
	}
	root := func(mode uint64, content []byte) string {
		name := filepath.Join(t.TempDir(), "root")
		file, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		packer, err := zstd.NewWriter(file)
		if err != nil {
			t.Fatal(err)
		}
		records := []cpio.Record{cpio.StaticFile("lib/modules/x.ko", "\x7fELF", 0o644), cpio.StaticFile("init", string(content), mode)}
		if err := cpio.WriteRecords(cpio.Newc.Writer(packer), records); err != nil {
			t.Fatal(err)
		}
		if err := packer.Close(); err != nil {
			t.Fatal(err)
		}
		return name
	}
	whole := root(0o755, program)
	for _, tt := range []struct {
		name, root, version string
		components          []Component
		want                string
	}{
		{"whole", whole, info.GoVersion, all, ""},
		{"a module too few", whole, info.GoVersion, all[1:], all[0].Name},
		{"another version", whole, info.GoVersion, append([]Component{{Name: all[0].Name, Version: "v0.0.1"}}, all[1:]...), all[0].Name},
		{"another Go", whole, "go1.1", all, "not by go1.1"},
		{"not Go", root(0o755, []byte("#!/bin/sh")), info.GoVersion, all, "/init: nobody knows"},
		{"not a root", self, info.GoVersion, all, self},
	} {
		err := Verify(tt.root, tt.version, tt.components)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Verify = %v; want %q", tt.name, err, tt.want)
		}
	}
}
