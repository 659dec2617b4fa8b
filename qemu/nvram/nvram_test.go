package nvram

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// flash is a flash on paper, written to as edk2 does.
type flash struct {
	octets []byte
	end    int // of the last variable
}

const storeAt = 72

func newFlash() *flash {
	f := &flash{octets: bytes.Repeat([]byte{0xff}, 4096), end: storeAt + storeHeaderSize}
	clear(f.octets[:f.end])
	copy(f.octets[volumeSignatureAt:], volumeMark)
	f.octets[volumeHeaderAt] = storeAt
	copy(f.octets[storeAt:], GUID(authenticated))
	binary.LittleEndian.PutUint32(f.octets[storeAt+storeSizeAt:], 2048)
	f.octets[storeAt+storeFormatAt], f.octets[storeAt+storeStateAt] = storeFormatted, storeHealthy
	return f
}

// add appends a variable and gives where its header is.
func (f *flash) add(name string, state byte, data []byte) (at int) {
	header := make([]byte, variableHeaderSize)
	binary.LittleEndian.PutUint16(header, variableStart)
	header[variableStateAt] = state
	named := UTF16(name)
	binary.LittleEndian.PutUint32(header[nameSizeAt:], uint32(len(named)))
	binary.LittleEndian.PutUint32(header[dataSizeAt:], uint32(len(data)))
	copy(header[vendorAt:], GUID(Global))
	at = f.end
	f.end += copy(f.octets[at:], slices.Concat(header, named, data))
	f.end += -(f.end - storeAt - storeHeaderSize) & (variableAlignment - 1)
	return at
}

// node makes a node of a device path.
func node(kind, subkind byte, data []byte) []byte {
	return append(binary.LittleEndian.AppendUint16([]byte{kind, subkind}, uint16(nodeHeader+len(data))), data...)
}

const espA = "46e62606-7198-4485-bd4f-aa2c34d7d4cc"

func entryOctets(attributes uint32, description string, path ...[]byte) []byte {
	path = append(path, node(0x7f, 0xff, nil))
	whole := bytes.Join(path, nil)
	data := binary.LittleEndian.AppendUint32(nil, attributes)
	data = binary.LittleEndian.AppendUint16(data, uint16(len(whole)))
	return slices.Concat(data, UTF16(description), whole)
}

func partition(guid string) []byte {
	return node(typeMedia, mediaHardDrive, slices.Concat(make([]byte, 20), GUID(guid), []byte{2, 2}))
}

func file(name string) []byte { return node(typeMedia, mediaFile, UTF16(name)) }

// TestStates has the same variable in several states: what counts is what edk2
// takes.
func TestStates(t *testing.T) {
	for _, test := range []struct {
		name   string
		states string // of one variable after another, whose data are "0", "1", …
		want   string
	}{
		{"added", "\x3f", "0"},
		{"header only", "\x7f", ""},
		{"deleted", "\x3d", ""},
		{"deleted in two steps", "\x3c", ""},
		{"replaced", "\x3c\x3f", "1"},
		{"being replaced, the new one has no data yet", "\x3e\x7f", "0"},
		{"being replaced, both are there", "\x3e\x3f", "1"},
		{"both are there, the new one first", "\x3f\x3e", "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFlash()
			for n := range len(test.states) {
				f.add("BootNext", test.states[n], []byte{byte('0' + n)})
			}
			f.add("BootOrder", stateAdded, []byte("behind"))
			got, err := Parse(f.octets)
			if err != nil {
				t.Fatal(err)
			}
			if next := string(got[Name{Global, "BootNext"}]); next != test.want || string(got[Name{Global, "BootOrder"}]) != "behind" {
				t.Errorf("BootNext = %q, all %q; want %q, and BootOrder", next, got, test.want)
			}
		})
	}
}

// TestTornHeader cuts the power within the header of a variable: those before are
// there, and the next one is found behind it.
func TestTornHeader(t *testing.T) {
	for written := range variableHeaderSize {
		f := newFlash()
		f.add("BootOrder", stateAdded, []byte{0xf0, 0})
		whole := newFlash()
		whole.end = f.end
		at := whole.add("BootNext", erased, []byte{0xf1, 0})
		copy(f.octets[at:], whole.octets[at:at+written])
		if written >= 2 { // edk2 takes it for a variable without name and data
			f.end = at + variableHeaderSize
		}
		f.add("Timeout", stateAdded, []byte{0, 0})
		got, err := Parse(f.octets)
		if err != nil || len(got[Name{Global, "BootOrder"}]) != 2 || len(got[Name{Global, "Timeout"}]) != 2 || got[Name{Global, "BootNext"}] != nil {
			t.Fatalf("with %d octets of a header: %q, %v; want the variables before and behind", written, got, err)
		}
	}
}

// TestDebian reads the variables of Debian's firmware with enrolled keys.
func TestDebian(t *testing.T) {
	for _, file := range []string{"/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd", "/usr/share/AAVMF/AAVMF_VARS.snakeoil.fd"} {
		flash, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(flash)
		if err != nil {
			t.Fatal(err)
		}
		if db := got[Name{Security, "db"}]; len(db) < 500 || got[Name{Global, "PK"}] == nil {
			t.Errorf("%s has %v; want a db with certificates, and a PK", file, slices.Collect(maps.Keys(got)))
		}
	}
}

// TestEnrol has one certificate in the place of those of Debian's firmware, and all
// other variables as they were.
func TestEnrol(t *testing.T) {
	f := newFlash()
	for _, name := range []string{"PK", "KEK"} {
		f.add(name, stateAdded, []byte("old"))
	}
	db := f.add("db", stateAdded, []byte("old"))
	copy(f.octets[db+vendorAt:], GUID(Security))
	f.add("Timeout", stateAdded, []byte{3, 0})
	certificate := bytes.Repeat([]byte{7}, 101)
	if err := Enrol(f.octets, certificate); err != nil {
		t.Fatal(err)
	}
	want := slices.Concat(GUID(x509List), []byte{145, 0, 0, 0, 0, 0, 0, 0, 117, 0, 0, 0}, make([]byte, 16), certificate)
	got, err := Parse(f.octets)
	if err != nil || len(got) != 4 || len(got[Name{Global, "Timeout"}]) != 2 {
		t.Fatalf("after Enrol: %q, %v; want the three and Timeout", got, err)
	}
	for _, name := range []Name{{Global, "PK"}, {Global, "KEK"}, {Security, "db"}} {
		if !bytes.Equal(got[name], want) {
			t.Errorf("%s = %x; want %x", name.Name, got[name], want)
		}
	}
	if f.octets[db+variableStateAt] != stateAdded&stateDeleted {
		t.Errorf("state of the old db %#x; want it deleted", f.octets[db+variableStateAt])
	}
	// The store has 2048 octets.
	if err := Enrol(f.octets, make([]byte, 1000)); err == nil || !strings.Contains(err.Error(), "octets are left") {
		t.Errorf("Enrol of more than there is room for = %v", err)
	}
	if err := Enrol(newFlash().octets, certificate); err == nil || !strings.Contains(err.Error(), "no variable PK") {
		t.Errorf("Enrol where there are no keys = %v", err)
	}
}

// TestOrder has BootNext before BootOrder, and leaves out what firmware would.
func TestOrder(t *testing.T) {
	v := Variables{
		{Global, "BootNext"}:  {0xf1, 0},
		{Global, "BootOrder"}: {0xf0, 0, 0xf1, 0, 3, 0, 1, 0, 9, 0, 2, 0},
		{Global, "Boot00F0"}:  entryOctets(1, "Causeway A", partition(espA), file(`\EFI\BOOT\`), file(`BOOTX64.EFI`)),
		{Global, "Boot00F1"}:  entryOctets(1, "Causeway B", partition("4f93101b-5d8f-476f-a8ee-2a77414d8322"), file(`\EFI\BOOT\BOOTX64.EFI`)),
		{Global, "Boot0001"}:  entryOctets(1, "UEFI Misc Device", node(2, 1, make([]byte, 8)), node(1, 1, []byte{0, 1})),
		{Global, "Boot0002"}:  entryOctets(9, "EFI Internal Shell", node(typeMedia, 7, make([]byte, 16)), node(typeMedia, mediaFirmware, make([]byte, 16))),
		{Global, "Boot0003"}:  entryOctets(0, "not active", partition(espA)),
	}
	got, err := v.Order()
	if err != nil {
		t.Fatal(err)
	}
	a := Entry{Number: 0xf0, Description: "Causeway A", Partition: espA, File: `\EFI\BOOT\BOOTX64.EFI`}
	b := Entry{Number: 0xf1, Description: "Causeway B", Partition: "4f93101b-5d8f-476f-a8ee-2a77414d8322", File: a.File}
	want := []Entry{b, a, b, {Number: 1, Description: "UEFI Misc Device"}, {Number: 2, Description: "EFI Internal Shell", Internal: true}}
	if !slices.Equal(got, want) {
		t.Errorf("Order() = %+v; want %+v", got, want)
	}
}

// TestBadFlash gives what is not a flash with variables.
func TestBadFlash(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(f *flash)
		want   string
	}{
		{"empty", func(f *flash) { f.octets = nil }, "no firmware volume"},
		{"erased", func(f *flash) { f.octets = bytes.Repeat([]byte{0xff}, 4096) }, "no firmware volume"},
		{"header of the volume too long", func(f *flash) { f.octets[volumeHeaderAt+1] = 0xff }, "header of 65352 octets"},
		{"another store", func(f *flash) { f.octets[storeAt] = 0 }, "holds a store"},
		{"store not formatted", func(f *flash) { f.octets[storeAt+storeFormatAt] = 0xff }, "format 0xff"},
		{"store larger than the flash", func(f *flash) { f.octets[storeAt+storeSizeAt+2] = 1 }, "octets"},
		{"variable larger than the store", func(f *flash) { f.octets[f.add("x", stateAdded, nil)+dataSizeAt+1] = 0xff }, "beyond its end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFlash()
			test.damage(f)
			if got, err := Parse(f.octets); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Parse() = %q, %v; want an error with %q", got, err, test.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	seed := newFlash()
	seed.add("BootOrder", stateAdded, []byte{0xf0, 0})
	seed.add("Boot00F0", stateAdded, entryOctets(1, "Causeway A", partition(espA), file(`\EFI\BOOT\BOOTX64.EFI`)))
	seed.add("BootNext", stateLeaving, []byte{0xf0, 0})
	f.Add(seed.octets[:seed.end+100])
	f.Fuzz(func(t *testing.T, flash []byte) {
		variables, err := Parse(flash)
		if err != nil {
			return
		}
		if entries, err := variables.Order(); err == nil {
			for _, entry := range entries {
				if _, there := variables[Name{Global, "Boot" + strings.ToUpper(hex.EncodeToString([]byte{byte(entry.Number >> 8), byte(entry.Number)}))}]; !there {
					t.Errorf("%v is not in %q", entry, variables)
				}
			}
		}
	})
}
