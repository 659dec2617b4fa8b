package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ko is a kernel module with nothing but a section .modinfo.
func ko(t *testing.T, entries ...string) []byte {
	t.Helper()
	const headerSize, sectionSize = 64, 64
	info := strings.Join(entries, "\x00") + "\x00"
	names := "\x00.modinfo\x00.shstrtab\x00"
	infoAt := uint64(headerSize)
	namesAt := infoAt + uint64(len(info))
	sectionsAt := namesAt + uint64(len(names))
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Shoff: sectionsAt, Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
	}
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: infoAt, Size: uint64(len(info)), Addralign: 1},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: namesAt, Size: uint64(len(names)), Addralign: 1},
	}
	var file bytes.Buffer
	for _, part := range []any{header, []byte(info), []byte(names), sections} {
		if err := binary.Write(&file, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// fakeTree lays out modules as a kernel package does.
func fakeTree(t *testing.T, kos map[string][]string) *tree {
	t.Helper()
	root := t.TempDir()
	base := filepath.Join(root, "lib/modules/6.1-test")
	write := func(name string, content []byte) {
		name = filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, entries := range kos {
		write("kernel/"+name+".ko", ko(t, entries...))
	}
	write("modules.builtin", []byte("kernel/lib/in-kernel.ko\n"))
	write("modules.builtin.modinfo", []byte("in_kernel.license=GPL\x00in_kernel.alias=sha-fast\x00"))
	tree, err := openTree(root)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTable(t *testing.T) {
	tree := fakeTree(t, map[string][]string{
		"fs/ext4":            {"alias=fs-ext4", "depends=jbd2,crc16,in-kernel", "softdep=pre: crc32c post: zlib", "softdep=pre: sha-fast nobody"},
		"fs/jbd2":            {"depends=crc16"},
		"lib/crc16":          {"license=GPL", "depends="},
		"lib/zlib":           {},
		"crypto/crc32c-a":    {"alias=crc32c"},
		"crypto/crc32c-z":    {"alias=crc32c"},
		"crypto/crc32c-any":  {},
		"lib/crc32c_generic": {"alias=crc32c", "alias=crypto-crc32c"},
		"net/near":           {"alias=pci:v1*", "softdep=pre: far"},
		"net/far":            {"softdep=pre: near"},
	})
	table, err := tree.table([]string{"ext4", "in_kernel", "near"}, []string{"in_kernel", "ext4"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ext4":           "crc32c_generic crc16 jbd2",
		"jbd2":           "crc16",
		"crc32c_generic": "",
		"near":           "far",
	} {
		module, ok := table.Modules[name]
		if got := strings.Join(module.Needs, " "); !ok || got != want {
			t.Errorf("%s: in the table %v, needs %q; want %q", name, ok, got, want)
		}
	}
	if got := table.Modules["ext4"].Path; got != "/lib/modules/6.1-test/kernel/fs/ext4.ko" {
		t.Errorf("path of ext4 = %s", got)
	}
	if _, ok := table.Modules["zlib"]; ok {
		t.Error("a soft dependency for later (post:) came into the image")
	}
	if !slices.Equal(table.Always, []string{"ext4"}) {
		t.Errorf("Always = %q; want ext4: the other is built in", table.Always)
	}
	if got := table.ForDevice("pci:v17"); !slices.Equal(got, []string{"near"}) {
		t.Errorf("ForDevice(pci:v17) = %q; want near", got)
	}
}

func TestTableErrors(t *testing.T) {
	tree := fakeTree(t, map[string][]string{"a": {"depends=gone"}})
	for wanted, want := range map[string]string{
		"a":   "depends on gone",
		"zfs": "no module zfs",
	} {
		_, err := tree.table([]string{wanted}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("table(%s) = %v; want %q", wanted, err, want)
		}
	}
}

func TestReadModinfoRefuses(t *testing.T) {
	for name, file := range map[string][]byte{
		"text":    []byte("not a module"),
		"cut":     ko(t, "alias=x")[:80],
		"no info": bytes.Replace(ko(t), []byte(".modinfo"), []byte(".comment"), 1),
	} {
		if info, err := readModinfo(bytes.NewReader(file)); err == nil {
			t.Errorf("readModinfo(%s) = %v; want an error", name, info)
		}
	}
}

func FuzzParseModinfo(f *testing.F) {
	f.Add("alias=pci:*\x00depends=a,b\x00softdep=pre: x post: y\x00")
	f.Add("softdep=pre:\x00=\x00depends=,")
	f.Fuzz(func(t *testing.T, text string) {
		info := parseModinfo(text)
		for _, name := range info.softdep {
			if strings.HasSuffix(name, ":") || strings.ContainsAny(name, " \x00") {
				t.Errorf("softdep names %q", name)
			}
		}
	})
}
