package packetcable

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// captured is an EM_Header that another vendor's element sent, as FreeRADIUS
// documents it in rlm_preprocess.
const captured = "0001d2d2026d30310000000000003030" + "3130303030000e812333000100033031" +
	"00000000000030303130303030000000" + "00063230313230313331303630323231" + "2e3633390000000081000500"

// five are attributes to go with it: its Attribute_Count is 5.
func five() []Attribute {
	return []Attribute{Small(TypeDirection, Originating), Endpoint("SIPPB"), Number(TypeCallingNumber, "15551230001"),
		Number(TypeCalledNumber, "15551230002"), TerminationCause(16)}
}

func TestCapturedHeader(t *testing.T) {
	raw, err := hex.DecodeString(captured)
	if err != nil {
		t.Fatal(err)
	}
	whole := append(appendVSA(nil, CableLabs, typeHeader, len(raw)), raw...)
	for _, a := range five() {
		whole = append(appendVSA(whole, a.Vendor, a.Type, len(a.Value)), a.Value...)
	}
	m, rest, err := Decode(whole)
	if err != nil || len(rest) > 0 {
		t.Fatalf("Decode = %v, %d octets left; want nil, none", err, len(rest))
	}
	want := Header{Version: 1, Type: SignalingStart, ElementType: 3, Element: ElementID([]byte("01\x00\x00\x00\x00\x00\x00")),
		Zone: Zone([]byte("0010000\x00")), Sequence: 6, Time: EventTime([]byte("20120131060221.639")), Priority: 129,
		BCID: BCID{Seconds: 0xd2d2026d, Element: ElementID([]byte("01\x00\x00\x00\x00\x00\x00")), Zone: Zone([]byte("0010000\x00")), Counter: 0x0e812333}}
	if diff := cmp.Diff(want, m.Header); diff != "" {
		t.Errorf("Decode (-want +got):\n%s", diff)
	}
	if at := time.Unix(int64(m.Header.BCID.Seconds)-ntpEpoch, 0).UTC(); at.Format(time.DateTime) != "2012-01-31 06:02:21" {
		t.Errorf("its BCID was made at %v; want the time of the event", at)
	}
	if diff := cmp.Diff(five(), m.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if got := m.AppendTo(nil); !bytes.Equal(got, whole) {
		t.Errorf("AppendTo = %x; want %x", got, whole)
	}
}

func TestNewHeader(t *testing.T) {
	tokyo := time.FixedZone("JST", 9*3600)
	newfoundland, err := time.LoadLocation("America/St_Johns")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		at         time.Time
		zone, time string
	}{
		{time.Date(2026, 11, 22, 0, 33, 16, 299_999_999, time.UTC), "0+000000", "20261122003316.200"},
		{time.Date(2026, 11, 22, 9, 33, 16, 0, tokyo), "0+090000", "20261122093316.000"},
		{time.Date(2026, 7, 1, 12, 0, 0, 950_000_000, newfoundland), "1-023000", "20260701120000.900"},
		{time.Date(2026, 1, 1, 12, 0, 0, 0, newfoundland), "0-033000", "20260101120000.000"},
	} {
		id := NewBCID(test.at, NewElementID(12345), 7)
		h := NewHeader(CallAnswer, id, NewElementID(42), 9, test.at)
		if string(h.Zone[:]) != test.zone || string(h.Time[:]) != test.time || id.Zone != h.Zone {
			t.Errorf("NewHeader at %v has zone %q, time %q; want %q, %q", test.at, h.Zone, h.Time, test.zone, test.time)
		}
		if string(h.Element[:]) != "      42" || string(id.Element[:]) != "   12345" {
			t.Errorf("elements %q, %q; want digits on the right", h.Element, id.Element)
		}
		if back := time.Unix(int64(id.Seconds)-ntpEpoch, 0); back.Unix() != test.at.Unix() {
			t.Errorf("BCID says %v; want %v", back, test.at)
		}
	}
}

func TestAttributes(t *testing.T) {
	other := NewBCID(time.Unix(1_795_307_596, 0).UTC(), NewElementID(12345), 7)
	for _, test := range []struct {
		a    Attribute
		want string // vendor's type, value
	}{
		{Small(TypeDirection, Terminating), "25 0002"},
		{Number(TypeCalledNumber, "15551230002"), "05 " + strings.Repeat("20", 9) + hex.EncodeToString([]byte("15551230002"))},
		{Number(TypeChargeNumber, "123456789012345678901"), "10 " + hex.EncodeToString([]byte("23456789012345678901"))},
		{TerminationCause(16), "0b 000100000010"},
		{SFID(3), "1e 00000003"},
		{TimeAdjustment(-1500 * time.Millisecond), "26 fffffffffffffa24"},
		{QoS(ReservedActivated, 64_000, 0xB8), "20 00010103" + strings.Repeat("00", 16) + "0000fa00" + "000000b8"},
		{RelatedBCID(other), "0d " + "eeacb6cc" + "2020203132333435" + "302b303030303030" + "00000007"},
		{Endpoint("SIPPB"), "03 5349505042"},
		{Endpoint(strings.Repeat("x", 300)), "03 " + strings.Repeat("78", 247)},
	} {
		if got := hex.EncodeToString([]byte{test.a.Type}) + " " + hex.EncodeToString(test.a.Value); got != test.want {
			t.Errorf("attribute = %s; want %s", got, test.want)
		}
	}
	if code, err := TerminationCause(127).Cause(); code != 127 || err != nil {
		t.Errorf("Cause = %d, %v; want 127", code, err)
	}
	if _, err := SFID(1).Cause(); err == nil {
		t.Error("Cause of an SF_ID = nil; want an error")
	}
}

func TestMedia(t *testing.T) {
	m := Media{Kind: Audio, Direction: SendReceive, Local: netip.MustParseAddrPort("192.0.2.1:4000"), Rate: 64_000,
		Stream: 5, PayloadType: 0, ClockRate: 8000, Codec: "PCMU/8000"}
	want := "01" + "01" + "03" + "04" + strings.Repeat("00", 12) + "c0000201" + strings.Repeat("00", 16) + "0fa0" + "0000" +
		"0000fa00" + "0000000000000005" + "0000" + "0050" + "00000000" + hex.EncodeToString([]byte("PCMU/8000"))
	a := m.Attribute(DocumentationVendor)
	if got := hex.EncodeToString(a.Value); got != want || a.Vendor != DocumentationVendor || a.Type != TypeMediaDescription {
		t.Errorf("Attribute = vendor %d, type %d, %s; want %s", a.Vendor, a.Type, got, want)
	}
	m.Remote, m.Codec = netip.MustParseAddrPort("[2001:db8::1]:9"), strings.Repeat("c", 300)
	if a = m.Attribute(1); len(a.Value) != maxValue || a.Value[3] != 6 {
		t.Errorf("Attribute has %d octets, family %d; want %d, 6", len(a.Value), a.Value[3], maxValue)
	}
}

func TestDecodeRefuses(t *testing.T) {
	m := Message{Header: NewHeader(CallAnswer, BCID{}, ElementID{}, 1, time.Unix(0, 0)), Attributes: five()}
	whole := m.AppendTo(nil)
	for cut := range whole {
		if _, _, err := Decode(whole[:cut]); err == nil {
			t.Errorf("Decode(first %d octets) = nil; want an error", cut)
		}
	}
	change := func(at int, to byte) []byte {
		b := bytes.Clone(whole)
		b[at] = to
		return b
	}
	for what, b := range map[string][]byte{
		"no VSA":               change(0, 44),
		"lengths disagree":     change(7, 77),
		"another vendor":       change(5, 0),
		"no header in front":   whole[vsaHeader+headerSize:],
		"a header in between":  append(bytes.Clone(whole[:vsaHeader+headerSize]), whole...),
		"more attributes said": change(vsaHeader+74, 9),
	} {
		if _, _, err := Decode(b); err == nil {
			t.Errorf("Decode(%s) = nil; want an error", what)
		}
	}
}

func FuzzDecode(f *testing.F) {
	m := Message{Header: NewHeader(SignalingStop, BCID{}, NewElementID(1), 1, time.Unix(0, 0)), Attributes: five()}
	f.Add(m.AppendTo(nil))
	f.Add(m.AppendTo(m.AppendTo(nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, rest, err := Decode(b)
		if err != nil {
			return
		}
		if got := m.AppendTo(nil); !bytes.Equal(got, b[:len(b)-len(rest)]) {
			t.Errorf("AppendTo(Decode) = %x; want %x", got, b[:len(b)-len(rest)])
		}
	})
}

func BenchmarkAppendTo(b *testing.B) {
	m := Message{Header: NewHeader(SignalingStart, BCID{}, NewElementID(1), 1, time.Unix(0, 0)), Attributes: five()}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = m.AppendTo(buf[:0])
	}
}
