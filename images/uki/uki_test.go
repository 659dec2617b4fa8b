package uki

import (
	"bytes"
	"context"
	"debug/pe"
	"os"
	"strings"
	"testing"

	"causeway/board"
	"causeway/rootfs/cache"
	"causeway/rootfs/debian"
)

// readStubs gives Debian's stubs of all boards, by board.
func readStubs(t testing.TB) map[string][]byte {
	t.Helper()
	c, err := cache.Default()
	if err != nil {
		t.Fatal(err)
	}
	stubs := map[string][]byte{}
	for _, name := range board.Names() {
		b, err := board.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		archive := &debian.Archive{Architecture: b.DebianArch, Cache: c, Log: os.Stderr}
		pkg, err := archive.Fetch(context.Background(), b.StubPackage)
		if err != nil {
			t.Fatal(err)
		}
		if stubs[name], err = pkg.ReadFile(context.Background(), b.StubFile); err != nil {
			t.Fatal(err)
		}
	}
	return stubs
}

func TestBuild(t *testing.T) {
	for name, stub := range readStubs(t) {
		t.Run(name, func(t *testing.T) {
			original := bytes.Clone(stub)
			image := Image{
				Stub:        stub,
				OSRelease:   []byte("NAME=Causeway\n"),
				CommandLine: "console=ttyS0 panic=5",
				Initrd:      bytes.Repeat([]byte("initrd"), 5000),
				Linux:       bytes.Repeat([]byte("linux"), 100_003),
			}
			file, err := Build(image)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(stub, original) {
				t.Error("Build changed the stub it was given")
			}
			before, err := pe.NewFile(bytes.NewReader(stub))
			if err != nil {
				t.Fatal(err)
			}
			after, err := pe.NewFile(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := len(after.Sections), len(before.Sections)+4; got != want {
				t.Fatalf("%d sections; want %d", got, want)
			}
			for i, section := range before.Sections {
				if after.Sections[i].SectionHeader != section.SectionHeader {
					t.Errorf("the stub's section %s became %+v", section.Name, after.Sections[i].SectionHeader)
				}
			}
			for section, want := range map[string][]byte{
				".osrel":   image.OSRelease,
				".cmdline": []byte(image.CommandLine + "\x00"),
				".initrd":  image.Initrd,
				".linux":   image.Linux,
			} {
				checkSection(t, after, section, want)
			}
			checkLayout(t, after, len(before.Sections), len(file))
		})
	}
}

func checkSection(t *testing.T, file *pe.File, name string, want []byte) {
	t.Helper()
	section := file.Section(name)
	if section == nil {
		t.Errorf("no section %s", name)
		return
	}
	got, err := section.Data()
	if err != nil || int(section.VirtualSize) != len(want) || !bytes.HasPrefix(got, want) {
		t.Errorf("section %s: %d of %d bytes, %v; want %d", name, section.VirtualSize, len(got), err, len(want))
	}
	if tail := bytes.TrimRight(got[len(want):], "\x00"); len(tail) > 0 {
		t.Errorf("section %s is padded with %x", name, tail)
	}
}

// checkLayout: what a loader insists on, of the sections behind the stub's own.
func checkLayout(t *testing.T, file *pe.File, own, size int) {
	t.Helper()
	header := file.OptionalHeader.(*pe.OptionalHeader64)
	var end, rawEnd uint32
	for i, s := range file.Sections {
		ours := i >= own // Debian's x86 stub has an unaligned one
		if ours && s.VirtualAddress%header.SectionAlignment != 0 || s.VirtualAddress < end {
			t.Errorf("section %s at address %#x: after %#x, alignment %#x", s.Name, s.VirtualAddress, end, header.SectionAlignment)
		}
		if ours && (s.Offset%header.FileAlignment != 0 || s.Size%header.FileAlignment != 0) || s.Offset < rawEnd {
			t.Errorf("section %s at offset %#x, size %#x: after %#x, alignment %#x", s.Name, s.Offset, s.Size, rawEnd, header.FileAlignment)
		}
		end = s.VirtualAddress + s.VirtualSize
		rawEnd = s.Offset + s.Size
	}
	if header.SizeOfImage < end || header.SizeOfImage%header.SectionAlignment != 0 {
		t.Errorf("SizeOfImage = %#x; the last section ends at %#x", header.SizeOfImage, end)
	}
	if int(rawEnd) != size {
		t.Errorf("the file has %d bytes; its last section ends at %d", size, rawEnd)
	}
	if file.PointerToSymbolTable != 0 || file.NumberOfSymbols != 0 {
		t.Error("a symbol table in a PE image")
	}
}

func TestBuildRefuses(t *testing.T) {
	stub := readStubs(t)["x86_64"]
	full := Image{Stub: stub, OSRelease: []byte("a"), Initrd: []byte("b"), Linux: []byte("c")}
	again, err := Build(full)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*Image)
		want   string
	}{
		"no stub":     {func(i *Image) { i.Stub = nil }, "EFI stub"},
		"not a stub":  {func(i *Image) { i.Stub = []byte("MZ and nothing more") }, "EFI stub"},
		"cut stub":    {func(i *Image) { i.Stub = stub[:200] }, "EFI stub"},
		"no kernel":   {func(i *Image) { i.Linux = nil }, "section .linux would have 0"},
		"no initrd":   {func(i *Image) { i.Initrd = nil }, "section .initrd would have 0"},
		"full header": {func(i *Image) { i.Stub = fillHeader(t, again, full) }, "more sections"},
	} {
		image := full
		tt.change(&image)
		_, err := Build(image)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Build = %v; want %q", name, err, tt.want)
		}
	}
}

// fillHeader adds sections to a stub until no more fit.
func fillHeader(t *testing.T, stub []byte, image Image) []byte {
	t.Helper()
	for range 100 {
		image.Stub = stub
		next, err := Build(image)
		if err != nil {
			return stub
		}
		stub = next
	}
	t.Fatal("a PE header takes sections without end")
	return nil
}

// FuzzBuild: whatever the stub, Build does not panic, and what it makes is a PE
// file.
func FuzzBuild(f *testing.F) {
	for _, stub := range readStubs(f) {
		f.Add(stub[:4096])
		f.Add(stub)
	}
	f.Fuzz(func(t *testing.T, stub []byte) {
		file, err := Build(Image{Stub: stub, OSRelease: []byte("a"), Initrd: []byte("b"), Linux: []byte("c")})
		if err != nil {
			return
		}
		if _, err := pe.NewFile(bytes.NewReader(file)); err != nil {
			t.Errorf("Build made what is no PE file: %v", err)
		}
	})
}
