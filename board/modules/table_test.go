package modules

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `# a comment, and a blank line

always ext4
module crc16 /lib/modules/crc16.ko
module crc32c_generic /lib/modules/crc32c_generic.ko
module jbd2 /lib/modules/jbd2.ko crc32c_generic
module ext4 /lib/modules/ext4.ko crc16 crc32c_generic jbd2
module virtio_net /lib/modules/virtio_net.ko
alias virtio_net virtio:d00000001v*
alias ext4 fs-ext4
`

func TestReadWrite(t *testing.T) {
	table, err := Read(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Modules["ext4"]; !slices.Equal(got.Needs, []string{"crc16", "crc32c_generic", "jbd2"}) {
		t.Errorf("ext4 needs %q; want crc16, crc32c_generic, jbd2", got.Needs)
	}
	var text bytes.Buffer
	if err := table.Write(&text); err != nil {
		t.Fatal(err)
	}
	again, err := Read(&text)
	if diff := cmp.Diff(table, again); err != nil || diff != "" {
		t.Errorf("Read(Write(table)): %v, -first +second:\n%s", err, diff)
	}
}

func TestReadErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown word", "ever ext4", `line 1: "ever"`},
		{"module without path", "\nmodule ext4", `line 2: "module"`},
		{"alias without module", "alias fs-ext4", `line 1: "alias"`},
		{"module twice", "module a /a.ko\nmodule a /b.ko", "line 2: module a is listed twice"},
		{"always unknown", "always a", `always names the module "a"`},
		{"need unknown", "module a /a.ko b", `module a names the module "b"`},
		{"alias unknown", "alias a pci:*", `alias pci:* names the module "a"`},
		{"endless line", strings.Repeat("x", 2<<20), "after line 0"},
	} {
		_, err := Read(strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Read = %v; want %q", tt.name, err, tt.want)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, table := range []Table{
		{Always: []string{"ext4"}},
		{Modules: map[string]Module{"a": {Path: "/a b.ko"}}},
		{Modules: map[string]Module{"a": {}}},
	} {
		if err := table.Write(&bytes.Buffer{}); err == nil {
			t.Errorf("Write(%v) = nil; want an error", table)
		}
	}
}

func TestForDevice(t *testing.T) {
	table, err := Read(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	for modalias, want := range map[string][]string{
		"virtio:d00000001v00001AF4": {"virtio_net"},
		"virtio:d00000002v00001AF4": nil,
		"fs-ext4":                   {"ext4"},
	} {
		if got := table.ForDevice(modalias); !slices.Equal(got, want) {
			t.Errorf("ForDevice(%s) = %q; want %q", modalias, got, want)
		}
	}
}

func TestClosure(t *testing.T) {
	table, err := Read(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	order, missing := table.Closure("jbd2", "virtio-net", "ext4", "zfs", "jbd2")
	if want := []string{"crc32c_generic", "jbd2", "virtio_net", "crc16", "ext4"}; !slices.Equal(order, want) {
		t.Errorf("Closure order = %q; want %q", order, want)
	}
	if !slices.Equal(missing, []string{"zfs"}) {
		t.Errorf("Closure missing = %q; want zfs", missing)
	}
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"**", "a/b", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"pci:v00008086d00001533sv*sd*bc*sc*i*", "pci:v00008086d00001533sv00000000sd00000000bc02sc00i00", true},
		{"pci:v00008086d00001533sv*sd*bc*sc*i*", "pci:v00008086d00001534sv00000000sd00000000bc02sc00i00", false},
		{"*ab", "aab", true},
		{"*ab*ab", "abab", true},
		{"*ab*ab", "aba", false},
		{"usb:v*d[0-9a-f]p", "usb:v1dcp", true},
		{"x[!a-c]", "xd", true},
		{"x[^a-c]", "xb", false},
		{"x[]a]", "x]", true},
		{"x[a-]", "x-", true},
		{"x[a", "x[a", true},
		{"x[", "x[", true},
		{"x[]", "x[]", true},
		{"of:N*T*Carm,sbsa-gwdt", "of:NwatchdogT(null)Carm,sbsa-gwdt", true},
	} {
		if got := match(tt.pattern, tt.s); got != tt.want {
			t.Errorf("match(%q, %q) = %v; want %v", tt.pattern, tt.s, got, tt.want)
		}
	}
}

// FuzzRead: whatever Read accepts, Write gives back, and every module's
// closure is within the table.
func FuzzRead(f *testing.F) {
	f.Add(sample)
	f.Add("always a\nmodule a /a.ko a\nalias a [!*")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		var written bytes.Buffer
		if err := table.Write(&written); err != nil {
			t.Fatalf("Write of what Read accepted: %v", err)
		}
		again, err := Read(&written)
		if diff := cmp.Diff(table, again, cmp.Comparer(slices.Equal[[]string])); err != nil || diff != "" {
			t.Fatalf("Read(Write(table)): %v\n%s", err, diff)
		}
		for name := range table.Modules {
			order, _ := table.Closure(name)
			for _, name := range order {
				if _, ok := table.Modules[name]; !ok {
					t.Fatalf("Closure names %q, which is not in the table", name)
				}
			}
		}
		table.ForDevice("pci:v00008086d00001533sv00000000sd00000000bc02sc00i00")
	})
}
