package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/u-root/u-root/pkg/efivarfs"

	"causeway/appliance/model"
	"causeway/board"
	"causeway/init/slot"
)

// fakeVariables are those of a firmware, by name.
type fakeVariables map[string][]byte

func (v fakeVariables) Get(name efivarfs.VariableDescriptor) (efivarfs.VariableAttributes, []byte, error) {
	content, there := v[name.Name]
	if !there {
		return 0, nil, fs.ErrNotExist
	}
	return 7, content, nil
}

func (v fakeVariables) Set(name efivarfs.VariableDescriptor, _ efivarfs.VariableAttributes, content []byte) error {
	v[name.Name] = content
	return nil
}

func (v fakeVariables) Remove(name efivarfs.VariableDescriptor) error {
	delete(v, name.Name)
	return nil
}

func (v fakeVariables) List() (all []efivarfs.VariableDescriptor, err error) {
	for name := range v {
		all = append(all, efivarfs.VariableDescriptor{Name: name})
	}
	return all, nil
}

// startedFrom is what the stub leaves of the partition that it was read from.
func startedFrom(guid string) []byte {
	var text []byte
	for _, unit := range append(utf16.Encode([]rune(guid)), 0) {
		text = binary.LittleEndian.AppendUint16(text, unit)
	}
	return text
}

func TestFindSlot(t *testing.T) {
	for _, tt := range []struct {
		name string
		efi  bool
		guid string // none: the stub has left nothing
		want string
	}{
		{"without UEFI", false, "", slot.Kernel},
		{"from the network", true, "", slot.Kernel},
		{"slot A", true, board.GUIDESPA, "A"},
		{"slot B", true, strings.ToLower(board.GUIDESPB), "B"},
		{"the installer", true, board.GUIDInstaller, slot.Installer},
		{"a disk of others", true, "00000000-0000-0000-0000-000000000000", slot.Kernel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, k, _ := newTest(t)
			variables := fakeVariables{}
			k.variables = variables
			if tt.efi {
				m.write(t, "sys/firmware/efi/fw_platform_size", "64\n")
			}
			if tt.guid != "" {
				variables["LoaderDevicePartUUID"] = startedFrom(tt.guid)
			}
			if err := m.findSlot(); err != nil || m.running != tt.want {
				t.Errorf("findSlot = %v, running %q; want %q", err, m.running, tt.want)
			}
		})
	}
}

// newSlotB makes a machine that is up and was started from slot B, with what
// the state of its slots says.
func newSlotB(t *testing.T, state string) (*machine, *fakeKernel) {
	t.Helper()
	m, k, _ := newRunning(t)
	k.variables = fakeVariables{"LoaderDevicePartUUID": startedFrom(board.GUIDESPB)}
	m.write(t, "sys/firmware/efi/fw_platform_size", "64\n")
	m.build = model.BuildInfo{Board: "x86_64", Version: "v1.1.0"}
	sum := crc32.Checksum([]byte(state), crc32.MakeTable(crc32.Castagnoli))
	m.write(t, "bootflash/init/slots", fmt.Sprintf("%s\n%08x\n", state, sum))
	if err := errors.Join(m.findSlot(), m.judgeSlot()); err != nil {
		t.Fatal(err)
	}
	return m, k
}

// onTrialB is a state in which slot B is to prove itself, as slot's state.go
// writes it.
const onTrialB = `{"blessed":"A","images":{"B":{"version":"v1.1.0"}},"trial":{"slot":"B","version":"v1.1.0","limit":600000000000}}`

// A trial that nobody ends is ended by init, and why is kept.
func TestTrialEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*machine) error
		want string
	}{
		"by its limit":   {func(*machine) error { return nil }, "it did not prove itself within 10m0s"},
		"by control":     {func(m *machine) error { return m.slots.Fallback("no listener") }, "no listener"},
		"by a crash":     {func(m *machine) error { m.Go(func() { panic("no") }); return nil }, "init crashed: no"},
		"by an operator": {func(m *machine) error { return m.reboot(m.ctx, rebootRequest{Mode: modeReboot, Reason: "why not"}) }, "why not (asked by user 0)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, k := newSlotB(t, onTrialB)
				if !m.slots.OnTrial() {
					t.Fatal("slot B is not on trial")
				}
				began := time.Now()
				if err := tt.end(m); err != nil {
					t.Fatal(err)
				}
				e := <-m.endings
				if took := time.Since(began); e.reason != tt.want || took > 10*time.Minute-k.now {
					t.Errorf("ends after %v: %+v; want %q", took, e, tt.want)
				}
				e.crashed = false // no pause
				m.shutdown(e)
				if text, err := os.ReadFile(m.path("bootflash/init/slots")); !strings.Contains(string(text), fmt.Sprintf("%q", tt.want)) {
					t.Errorf("the state is %s, %v; want the reason in it", text, err)
				}
			})
		})
	}
}
