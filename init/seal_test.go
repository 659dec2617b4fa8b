package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"causeway/board/modules"
	"causeway/init/drivers"
	"causeway/init/volume"
)

// TestSealKernel ends the loading of modules after what was still being loaded
// and what may be plugged in, as far as the machine has a port for it.
func TestSealKernel(t *testing.T) {
	m, k, _ := newTest(t)
	m.write(t, "proc/sys/kernel/modules_disabled", "0\n")
	if err := os.MkdirAll(m.path("sys/bus/usb"), 0o755); err != nil {
		t.Fatal(err)
	}
	table, err := modules.Read(strings.NewReader("module nft_ct /nft_ct.ko\nmodule usb_storage /usb_storage.ko\nmodule uas /uas.ko\n" +
		"module sd_mod /sd_mod.ko\nmodule ext4 /ext4.ko\nmodule vfat /vfat.ko\nmodule nls_cp437 /nls_cp437.ko\nmodule nls_ascii /nls_ascii.ko\nmodule late /late.ko\n"))
	if err != nil {
		t.Fatal(err)
	}
	m.loader = drivers.NewLoader(table, m.path("sys"), func(path, _ string) error { return k.did("load %s", path) })
	m.volumes = volume.New(volume.Options{Drivers: func(names ...string) { m.loader.Names(names...) }})
	m.loading.Add(1)
	sealed := make(chan struct{})
	go func() {
		m.sealKernel()
		close(sealed)
	}()
	m.loader.Names("nft_ct")
	if text, _ := os.ReadFile(m.path("proc/sys/kernel/modules_disabled")); string(text) != "0\n" {
		t.Error("the kernel is sealed while modules are loaded")
	}
	m.loading.Done()
	<-sealed
	m.loader.Names("late")
	want := []string{"ext4", "nft_ct", "nls_ascii", "nls_cp437", "sd_mod", "uas", "usb_storage", "vfat"}
	var got []string
	for _, call := range k.all() {
		got = append(got, strings.TrimSuffix(strings.TrimPrefix(call, "load /"), ".ko"))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("loaded %q; want %q", got, want)
	}
	if text, _ := os.ReadFile(m.path("proc/sys/kernel/modules_disabled")); string(text) != "1\n" {
		t.Errorf("modules_disabled is %q; want 1", text)
	}
}

// TestProtections reads what the kernel says of itself, on a box that is sealed
// and on one that is not.
func TestProtections(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  []bool
	}{
		{"sealed", map[string]string{
			"proc/mounts":                              "rootfs / rootfs ro,nosuid,nodev,size=1k 0 0\nproc /proc proc rw 0 0\n",
			"proc/sys/kernel/modules_disabled":         "1\n",
			"sys/module/module/parameters/sig_enforce": "Y\n",
			"sys/kernel/security/lockdown":             "none [integrity] confidentiality\n",
			"sys/kernel/security/lsm":                  "lockdown,capability,landlock,yama",
			"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06\x00\x00\x00\x01",
		}, []bool{true, true, true, true, true, true}},
		{"open", map[string]string{
			"proc/mounts":                              "rootfs / rootfs rw,size=1k 0 0\ntmpfs /run tmpfs ro 0 0\n",
			"proc/sys/kernel/modules_disabled":         "0\n",
			"sys/module/module/parameters/sig_enforce": "N\n",
			"sys/kernel/security/lockdown":             "[none] integrity confidentiality\n",
			"sys/kernel/security/lsm":                  "capability,yama",
			"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06\x00\x00\x00\x00",
		}, make([]bool, 6)},
		{"nothing to read", nil, make([]bool, 6)},
	} {
		m, _, _ := newTest(t)
		for name, text := range test.files {
			m.write(t, name, text)
		}
		list, err := m.protections(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []bool
		for _, p := range list {
			got = append(got, p.Holds)
			if p.Holds == strings.HasPrefix(p.State, "not ") {
				t.Errorf("%s: %+v", test.name, p)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %+v; want %v", test.name, list, test.want)
		}
	}
}
