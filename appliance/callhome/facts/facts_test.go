package facts_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/callhome/facts"
	"causeway/appliance/callhome/message"
	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/grammar"
	"causeway/appliance/hardware"
	"causeway/appliance/model"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The secrets that the configuration below has.
const (
	password  = "Plant-3d-Passw0rd"
	secret    = "plantedSharedSecret77"
	mail      = "plantedMailPassword88"
	publicKey = "AAAAC3NzaC1lZDI1NTE5AAAAIPnF0IWkmDzRA0CGk7WDjgxYSPwbBs3bM9X6iRiSwRV2"
)

const configuration = `hostname edge7
ip name-server 192.0.2.53
username alice create
username alice password ` + password + `
username alice group pfs-privusers
username bob create
username bob key ssh-ed25519 ` + publicKey + `
username bob group pfs-readonly
aaa login radius 192.0.2.9 key ` + secret + `
sip network inside
 exit
sip network outside nat
 exit
sip listen inside udp 192.0.2.1 5060
sip listen inside tcp 192.0.2.1 5060
sip listen outside udp 198.51.100.1 5060
sip next-hop inside udp 192.0.2.10 5060 outside
server-group sip group pool inside
 element ip-address 192.0.2.20 5060 udp q-value 1.0 weight 10
 element ip-address 192.0.2.21 5060 udp q-value 1.0 weight 10
 exit
call-home
 contact-email-addr noc@example.com
 contact-name noc
 company Example Ltd
 street-address 1 Example Street
 phone-number 555-0100
 contract-user-id user7
 customer-id customer7
 contract-id contract7
 site-id site7
 destination url https://callhome.example.com/in
 mail-server mail.example.com username relay password ` + mail + ` priority 1
 exit
`

// inForce is the configuration above, its secrets sealed and hashed.
func inForce(t *testing.T) (*config.Grammar, change.InForce) {
	t.Helper()
	key, err := config.NewBoxKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	g := grammar.All().Sealing(key).Hashing(config.NewHasher())
	c, err := g.Parse(configuration)
	if err != nil {
		t.Fatal(err)
	}
	return g, change.InForce{Config: c, Text: g.Render(c), Access: c.Access}
}

// pc and board are machines by their files.
var (
	pc = map[string]string{
		"proc/sys/kernel/ostype":            "Linux\n",
		"proc/sys/kernel/osrelease":         "6.12.1-amd64\n",
		"proc/meminfo":                      "MemTotal:         250000 kB\n",
		"proc/cpuinfo":                      "processor\t: 0\nmodel name\t: Example CPU\ncpu MHz\t\t: 2000.000\n\nprocessor\t: 1\n",
		"proc/stat":                         "cpu  10 0 5 80 2 1 1 1 0 0\ncpu0 6 0 3 40 0 0 0 1 0 0\ncpu1 4 0 2 40 2 1 1 0 0 0\n",
		"sys/class/dmi/id/sys_vendor":       "Example Boards\n",
		"sys/class/dmi/id/product_name":     "Edge 4\n",
		"sys/class/dmi/id/bios_vendor":      "Example Firmware\n",
		"sys/class/dmi/id/bios_version":     "E4 1.07\n",
		"sys/class/dmi/id/bios_date":        "02/03/2025\n",
		"sys/class/dmi/id/bios_release":     "5.19\n",
		"sys/firmware/efi/fw_platform_size": "64\n",
		"sys/block/md0/md/level":            "raid1\n",
		"sys/block/md0/md/raid_disks":       "2\n",
		"sys/block/md0/md/array_state":      "clean\n",
	}
	board = map[string]string{
		"proc/sys/kernel/ostype":                                  "Linux\n",
		"proc/sys/kernel/osrelease":                               "6.12.1-arm64\n",
		"proc/cpuinfo":                                            "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n",
		"sys/firmware/devicetree/base/model":                      "Example Board v1\x00",
		"sys/firmware/devicetree/base/chosen/u-boot,version":      "2024.01\x00",
		"sys/firmware/devicetree/base/cpus/cpu@0/clock-frequency": "\x59\x68\x2f\x00",
	}
)

// later is a machine whose processors have worked since a moment.
type later struct {
	fstest.MapFS
	from time.Time
}

func (l later) ReadFile(name string) ([]byte, error) {
	if name == "proc/stat" && time.Now().After(l.from) {
		return []byte("cpu  10 0 5 80 2 1 1 1 0 0\ncpu0 31 0 3 115 0 0 0 1 0 0\ncpu1 4 0 2 130 12 1 1 0 0 0\n"), nil
	}
	return l.MapFS.ReadFile(name)
}

// sources are those of a box that does well.
func sources(t *testing.T, files map[string]string) facts.Sources {
	g, in := inForce(t)
	machine := later{fstest.MapFS{}, time.Now()}
	for name, text := range files {
		machine.MapFS[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return facts.Sources{
		Machine: hardware.Machine{Files: machine},
		Build:   model.BuildInfo{Version: "v1.2", Board: "x86_64"},
		Serial:  func() (string, error) { return "CWY0123ABCD", nil },
		Now:     func() time.Time { return time.Date(2026, 5, 1, 3, 4, 5, 0, time.FixedZone("CEST", 7200)) },
		Uptime:  func() time.Duration { return 26 * time.Hour },
		Grammar: g,
		InForce: func() change.InForce { return in },
		Ports: func() []model.InterfaceStatus {
			return []model.InterfaceStatus{
				{LAN: "LAN1", MAC: "00:00:5e:00:53:01", Address: "192.0.2.1/24, 2001:db8::1/64"}, {LAN: "LAN2", MAC: "00:00:5e:00:53:02"},
			}
		},
		DNS:     func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.53")} },
		License: func() (string, string) { return "CAUSEWAY", "https://licences.example.com" },
		Upgrades: func() []message.Upgrade {
			return []message.Upgrade{{Version: "v1.1", At: time.Unix(1_700_000_000, 0).UTC()}}
		},
		Health: func(context.Context) (model.SystemHealth, error) {
			return model.SystemHealth{
				Slot: "B", MemTotalKB: 250_000, MemAvailable: 150_000,
				Slots: []model.SlotStatus{
					{Name: "A", Version: "v1.1", TotalKB: 98_304, UsedKB: 44_032}, {Name: "B", Version: "v1.2", TotalKB: 98_304, UsedKB: 45_056},
				},
				Volumes: []model.VolumeStatus{
					{Name: "bootflash", FileSystem: "ext4", TotalKB: 1000, FreeKB: 900}, {Name: "usb0", State: "missing"},
				},
				Services: []model.ServiceStatus{{Name: "proxy", PID: 312, Restarts: 1}, {Name: "billing"}},
			}, nil
		},
		Proxy:    func(context.Context) (model.ProxyStatus, error) { return model.ProxyStatus{OpenCalls: 70}, nil },
		Elements: func(context.Context) (int, error) { return 1, nil },
		Calls: func(from, to time.Time) (facts.Calls, error) {
			if got := to.Sub(from); got != 30*24*time.Hour {
				t.Errorf("calls of %v are asked for; want those of April", got)
			}
			return facts.Calls{Offered: 1000, Refused: 50, Failed: 150, PeakRate: 12, PeakOpen: 64}, nil
		},
	}
}

// TestGather: all that is known of a PC and of a board, and what is left where
// nobody answers and the disk hangs.
func TestGather(t *testing.T) {
	for name, files := range map[string]map[string]string{"pc": pc, "board": board, "silent": nil} {
		synctest.Test(t, func(t *testing.T) {
			s := sources(t, files)
			hangs := make(chan struct{})
			if files == nil {
				down := errors.New("down")
				s.Health = func(ctx context.Context) (model.SystemHealth, error) { <-ctx.Done(); return model.SystemHealth{}, down }
				s.Proxy = func(context.Context) (model.ProxyStatus, error) { return model.ProxyStatus{}, down }
				s.Elements = func(context.Context) (int, error) { return 0, down }
				s.Calls = func(time.Time, time.Time) (facts.Calls, error) { <-hangs; return facts.Calls{}, down }
			}
			began := time.Now()
			text, err := json.MarshalIndent(s.Gather(t.Context()), "", "\t")
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: it took %v; want 5 s at the most", name, took)
			}
			close(hangs)
			golden(t, name, append(text, '\n'))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestNoSecrets: of the passwords, secrets and keys of a configuration nothing
// is a fact, neither as it was typed nor as it is stored.
func TestNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sources(t, pc)
		in := s.InForce()
		planted := []string{password, secret, mail, publicKey, "sealed:", "argon2id", "alice", "bob", "relay"}
		for _, user := range in.Access.Users {
			planted = append(planted, user.Password)
		}
		text := fmt.Sprintf("%+v", s.Gather(t.Context()))
		looked := 0
		for _, p := range planted {
			if p == "" {
				continue
			}
			looked++
			if strings.Contains(text, p) {
				t.Errorf("the facts have %q", p)
			}
		}
		if stored := strings.Count(in.Text, "sealed:") + strings.Count(in.Text, "argon2id"); looked < 10 || stored != 3 {
			t.Errorf("%d things were looked for, and the configuration has %d secrets; there are more", looked, stored)
		}
	})
}
