package dhcp

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	octets, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// A datagram of two octets, whose checksums were reckoned apart from this code:
// RFC 791 §3.1 and RFC 768.
const (
	fromClient = "45c0 001e 0000 0000 4011 a459 c0a8 2a64 c0a8 2a01"
	udpPart    = "0044 0043 000a c133 6869" // port 68 to 67, "hi"
)

var fromClientAddress, toServer = netip.MustParseAddrPort("192.168.42.100:68"), netip.MustParseAddrPort("192.168.42.1:67")

func TestDatagram(t *testing.T) {
	packet := unhex(t, fromClient+udpPart)
	for _, part := range [][]byte{packet[:ipHeader], append(unhex(t, "c0a82a64 c0a82a01 0011 000a"), packet[ipHeader:]...)} {
		if got := sum(part, 0); got != 0xffff {
			t.Errorf("sum(%x) = %#x; want 0xffff: the checksum in it is right", part, got)
		}
	}
	got := datagram{fromClientAddress, toServer, []byte("hi")}.packet()
	if diff := cmp.Diff(packet, got); diff != "" {
		t.Errorf("packet (-want +got):\n%s", diff)
	}
	// An Ethernet frame has padding behind it.
	d, err := parseDatagram(append(packet, 0, 0, 0))
	if err != nil || d.source != fromClientAddress || d.destination != toServer || string(d.payload) != "hi" {
		t.Errorf("parseDatagram = %v, %v", d, err)
	}
}

// damage is how a packet may be broken, by the octet and its value.
var damage = map[string]struct {
	octet int
	value byte
}{
	"IPv6":                {0, 0x65},
	"short header":        {0, 0x44},
	"long header":         {0, 0x4f},
	"longer than it is":   {3, 0x40},
	"shorter than UDP":    {3, 0x1b},
	"a first fragment":    {6, 0x20},
	"a later fragment":    {7, 0x01},
	"TCP":                 {9, 6},
	"UDP too long":        {25, 11},
	"UDP without header":  {25, 7},
	"UDP longer than all": {24, 0xff},
}

func TestDatagramRefused(t *testing.T) {
	for name, d := range damage {
		packet := unhex(t, fromClient+udpPart)
		packet[d.octet] = d.value
		if got, err := parseDatagram(packet); err == nil {
			t.Errorf("%s: parseDatagram = %v; want an error", name, got)
		}
	}
	for length := range len(unhex(t, fromClient+udpPart)) {
		if got, err := parseDatagram(unhex(t, fromClient+udpPart)[:length]); err == nil {
			t.Errorf("the first %d octets: parseDatagram = %v; want an error", length, got)
		}
	}
}

// TestFilter runs the socket's filter as the kernel would.
func TestFilter(t *testing.T) {
	machine, err := bpf.NewVM(dhcpFilter)
	if err != nil {
		t.Fatal(err)
	}
	reply := datagram{toServer, fromClientAddress, []byte("hi")}.packet()
	withOptions := append(append([]byte{0x46}, reply[1:ipHeader]...), append([]byte{1, 1, 1, 1}, reply[ipHeader:]...)...)
	fragment := append([]byte{}, reply...)
	fragment[7] = 1
	tcp := append([]byte{}, reply...)
	tcp[9] = 6
	for name, test := range map[string]struct {
		packet []byte
		passes bool
	}{
		"to a client":               {reply, true},
		"with IP options":           {withOptions, true},
		"to a server":               {unhex(t, fromClient+udpPart), false},
		"a call":                    {datagram{toServer, netip.MustParseAddrPort("192.168.42.1:5060"), nil}.packet(), false},
		"a later fragment":          {fragment, false},
		"TCP":                       {tcp, false},
		"shorter than a header":     {reply[:12], false},
		"shorter than a UDP header": {reply[:22], false},
	} {
		if n, err := machine.Run(test.packet); err != nil || n > 0 != test.passes {
			t.Errorf("%s: the filter passes %d octets, %v; want passing %t", name, n, err, test.passes)
		}
	}
}

func TestARP(t *testing.T) {
	want := arp{arpReply,
		Station{netip.MustParseAddr("192.168.42.9"), MAC{2, 0, 0, 0, 0, 9}},
		Station{netip.MustParseAddr("192.168.42.1"), MAC{2, 0, 0, 0, 0, 1}},
	}
	packet := unhex(t, "0001 0800 06 04 0002 020000000009 c0a82a09 020000000001 c0a82a01")
	if got := want.packet(); hex.EncodeToString(got) != hex.EncodeToString(packet) {
		t.Errorf("packet = %x; want %x", got, packet)
	}
	if got, err := parseARP(append(packet, make([]byte, 18)...)); err != nil || got != want {
		t.Errorf("parseARP = %v, %v; want %v", got, err, want)
	}
	packet[1] = 6 // IEEE 802
	if got, err := parseARP(packet); err == nil {
		t.Errorf("parseARP of another hardware = %v; want an error", got)
	}
	if got, err := parseARP(packet[:arpLength-1]); err == nil {
		t.Errorf("parseARP of a short packet = %v; want an error", got)
	}
}

func FuzzDatagram(f *testing.F) {
	f.Add(unhex(f, fromClient+udpPart))
	f.Add([]byte{})
	for _, d := range damage {
		packet := unhex(f, fromClient+udpPart)
		packet[d.octet] = d.value
		f.Add(packet)
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		d, err := parseDatagram(packet)
		if err != nil {
			return
		}
		again, err := parseDatagram(d.packet())
		if err != nil || again.source != d.source || again.destination != d.destination || string(again.payload) != string(d.payload) {
			t.Errorf("parseDatagram(%x) = %v; written and read again %v, %v", packet, d, again, err)
		}
	})
}

func FuzzARP(f *testing.F) {
	f.Add(unhex(f, "0001 0800 06 04 0002 020000000009 c0a82a09 020000000001 c0a82a01"))
	f.Add([]byte{0, 1})
	f.Fuzz(func(t *testing.T, packet []byte) {
		a, err := parseARP(packet)
		if err != nil {
			return
		}
		if again := a.packet(); string(again) != string(packet[:arpLength]) {
			t.Errorf("parseARP(%x) is written as %x", packet, again)
		}
	})
}
