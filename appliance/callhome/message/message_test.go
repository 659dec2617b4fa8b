package message

import (
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// update writes the golden files anew instead of comparing with them.
var update = flag.Bool("update", false, "write the golden files of messages anew")

// sent is when the messages of the tests are made.
var sent = time.Date(2026, 12, 1, 3, 17, 42, 0, time.FixedZone("", 3600))

func settings(mode string) *model.CallHome {
	return &model.CallHome{
		Mode: mode, Accepted: true, Traces: mode == model.CallHomeSmart,
		ContactEmail: "noc@example.com", ContactName: "N.Ops", Company: "Example Telephone", Phone: "+1 202 555 0100",
		StreetAddress: "1 Example Street, Exampleton", ContractUser: "example-user", CustomerID: "C-1001",
		ContractID: "K-2002", SiteID: "S-3003", URL: "https://callhome.example.net/messages",
	}
}

func facts() Facts {
	disks := []Partition{
		{Name: "slot A", FileSystem: "vfat", Size: 65536, Used: 44032},
		{Name: "bootflash", FileSystem: "ext4", Size: 524288, Used: 20480},
	}
	return Facts{
		HostName: "sbc1", Addresses: []string{"192.0.2.10/24", "2001:db8::10/64"},
		LicenseServer: "https://licence.example.net", OSVersion: "Linux 6.1.0", Model: "QEMU-X86", Serial: "FOX26110001",
		CPU: "Example CPU", CPUs: 2, CPUSpeed: 2400, RAM: 262144, Partitions: disks, Firmware: "UEFI 2.70 by EDK II",
		BIOSVersion: "2022.11", BIOSInformation: "EDK II, 2022-11-15", RAID: "none",
		Services:  []Service{{Name: "proxy", State: "up", Restarts: 1}, {Name: "billing", State: "up"}},
		ProductID: "CAUSEWAY", ShortName: "Causeway", ActiveVersion: "1.2.0", InactiveVersion: "1.1.0",
		Users: 3, Devices: []Device{{Type: "adjacency", Model: "UDP", Count: 4}, {Type: "server", Count: 2}}, PhoneUsers: 120,
		CallActivity: []Count{{"answered", 40210}, {"busy", 318}}, RegisteredDevices: 5,
		Upgrades: []Upgrade{{"1.1.0", sent.AddDate(0, -3, 0)}, {"1.2.0", sent.AddDate(0, -1, 0)}},
		Status: Status{
			HostName: "sbc1", Date: sent, Locale: "en", ProductVersion: "1.2.0", OSVersion: "Linux 6.1.0",
			LicenseMAC: "00:00:5e:00:53:01", Uptime: 26 * time.Hour, Processors: []Count{{"cpu0", 12}, {"cpu1", 7}},
			MemoryUsed: 98304, Disks: disks, ActivePartition: "slot A, 43 MB of 64 MB",
			InactivePartition: "slot B, 42 MB of 64 MB", DNS: []string{"192.0.2.53"},
		},
		Tables: []Count{{"adjacencies", 4}, {"call-policy-sets", 1}},
	}
}

func event(kind Kind) *Event {
	switch kind {
	case Alert:
		return &Event{
			Name: "Coredumpfilefound", Type: Reactive, Group: model.GroupCrash, Object: "proxy", Severity: model.Major,
			Description: "proxy crashed: <nil> & \"more\"", Impact: "Calls in progress were lost.",
			Remedy: "Send the crash file to support.", First: sent.Add(-time.Minute), Repeated: 2, Node: "sbc1",
		}
	case Test:
		return &Event{
			Name: "Test", Group: model.GroupTest, Description: "may the vendor hear us?", First: sent, Node: "sbc1",
		}
	}
	return nil
}

// traces are the files of the attachments.
func traces(file string) (io.ReadCloser, error) {
	if !strings.HasSuffix(file, "proxy.txt") {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader("panic: example\n")), nil
}

func attachments(kind Kind) []Attachment {
	if kind != Alert {
		return nil
	}
	return []Attachment{
		{Name: "show processes", Type: "command", Text: "proxy  up\nbilling\tup ]]> <x>\n"},
		{Name: "20261201-proxy.txt", Type: "trace", Path: "harddisk:crash/20261201-proxy.txt", File: "/volumes/20261201-proxy.txt"},
		{Name: "20261130-gone.txt", Type: "trace", Path: "harddisk:crash/20261130-gone.txt", File: "/volumes/20261130-gone.txt"},
	}
}

// example is a message of every kind that a mode sends.
func example(t *testing.T, kind Kind, mode string) *Message {
	t.Helper()
	m, err := New(kind, "CH:FOX26110001:64d", sent, settings(mode), facts(), event(kind), attachments(kind)...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// written is a message in all forms, by what its golden file's name ends in.
func written(t *testing.T, m *Message) map[string][]byte {
	t.Helper()
	xml, err := m.XML(traces)
	if err != nil {
		t.Fatal(err)
	}
	json, err := m.JSON(traces)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"xml": xml, "json": json,
		"long.txt": []byte("Subject: " + m.Subject() + "\n\n" + m.Long()), "short.txt": []byte(m.Short()),
	}
}

// sends does a test for every kind that each mode sends.
func sends(t *testing.T, test func(t *testing.T, kind Kind, mode string)) {
	for _, mode := range []string{model.CallHomeSmart, model.CallHomeAnonymous} {
		for _, kind := range all {
			if May(kind, mode) {
				t.Run(string(kind)+"-"+mode, func(t *testing.T) { test(t, kind, mode) })
			}
		}
	}
}

func TestGolden(t *testing.T) {
	sends(t, func(t *testing.T, kind Kind, mode string) {
		for form, got := range written(t, example(t, kind, mode)) {
			path := filepath.Join("testdata", string(kind)+"-"+mode+"."+form)
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		}
	})
}
