package board

import (
	"slices"
	"testing"
)

func TestAssignLANs(t *testing.T) {
	const root = "pci0000:00/0000:00:"
	pci := func(name, mac, slot string) NIC {
		return NIC{Name: name, MAC: mac, BusPath: root + slot}
	}
	two := []NIC{
		pci("eth1", "52:54:00:00:00:02", "03.0/virtio1"),
		pci("eth0", "52:54:00:00:00:01", "02.0/virtio0"),
	}
	for _, tt := range []struct {
		name       string
		nics       []NIC
		lan1, lan2 string
		want       [2]string
		missing    int
	}{
		{name: "no NIC", missing: 2},
		{name: "one NIC is LAN1", nics: two[:1], want: [2]string{"eth1", ""}, missing: 1},
		{name: "PCI order, not the kernel's", nics: two, want: [2]string{"eth0", "eth1"}},
		{
			name: "numbers, not letters: function 1 before slot 10, bus 0a after bus 09",
			nics: []NIC{
				{Name: "d", BusPath: "pci0000:0a/0000:0a:00.0"}, {Name: "c", BusPath: "pci0000:09/0000:09:1f.7"},
			},
			want: [2]string{"c", "d"},
		},
		{
			name: "a later domain comes later",
			nics: []NIC{{Name: "b", BusPath: "pci10000:00/10000:00:01.0"}, {Name: "a", BusPath: "pci0000:ff/0000:ff:01.0"}},
			want: [2]string{"a", "b"},
		},
		{
			name: "behind a bridge: the bridge's place counts",
			nics: []NIC{
				pci("onboard", "", "1f.6"),
				pci("far", "", "1c.1/0000:02:00.0"),
				pci("near", "", "1c.0/0000:03:00.0"),
			},
			want: [2]string{"near", "far"},
		},
		{
			name: "two functions of one card",
			nics: []NIC{pci("second", "", "02.1"), pci("first", "", "02.0")},
			want: [2]string{"first", "second"},
		},
		{
			name: "USB and virtio-mmio come after PCI",
			nics: []NIC{
				pci("usb", "", "01.0/usb1/1-1/1-1:1.0"),
				{Name: "mmio", BusPath: "platform/a000000.virtio_mmio/virtio0"},
				pci("pci", "", "1f.0"),
			},
			want: [2]string{"pci", "usb"},
		},
		{
			name: "off PCI, digits are numbers",
			nics: []NIC{
				{Name: "b", BusPath: "platform/bus/virtio10"}, {Name: "a", BusPath: "platform/bus/virtio9"},
			},
			want: [2]string{"a", "b"},
		},
		{
			name: "without a device it is no port",
			nics: append([]NIC{{Name: "lo", MAC: "00:00:00:00:00:00"}}, two...),
			want: [2]string{"eth0", "eth1"},
		},
		{name: "MAC swaps the ports", nics: two, lan1: "52:54:00:00:00:02", want: [2]string{"eth1", "eth0"}},
		{name: "MAC of LAN2 alone", nics: two, lan2: "52-54-00-00-00-01", want: [2]string{"eth1", "eth0"}},
		{name: "unknown MAC leaves its port empty", nics: two, lan1: "52:54:00:00:00:99", want: [2]string{"", "eth0"}, missing: 1},
		{name: "a MAC that is none", nics: two, lan2: "left", want: [2]string{"eth0", ""}, missing: 1},
		{name: "one MAC for both", nics: two, lan1: "52:54:00:00:00:01", lan2: "52:54:00:00:00:01", want: [2]string{"eth0", ""}, missing: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.nics)
			got, missing := AssignLANs(tt.nics, tt.lan1, tt.lan2)
			if got != tt.want || len(missing) != tt.missing {
				t.Errorf("AssignLANs = %q, missing %q; want %q, %d missing", got, missing, tt.want, tt.missing)
			}
			if !slices.Equal(tt.nics, before) {
				t.Errorf("AssignLANs changed its argument to %v", tt.nics)
			}
		})
	}
}
