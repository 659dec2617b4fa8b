package lab

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestVLANFrames compares what is sent with frames written by hand (IEEE 802.1Q,
// RFC 826, RFC 792).
func TestVLANFrames(t *testing.T) {
	h := vlanHost{
		device: &net.Interface{HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 0x42}},
		vlan:   100, address: netip.MustParseAddr("192.168.100.2"),
	}
	box := netip.MustParseAddr("192.168.100.1")
	for _, test := range []struct {
		name string
		got  []byte
		want string
	}{
		{"who has", h.arpRequest(box),
			"ffffffffffff" + "020000000042" + "81000064" + "0806" +
				"0001" + "0800" + "06" + "04" + "0001" + "020000000042" + "c0a86402" + "000000000000" + "c0a86401"},
		{"echo request", h.echoRequest(net.HardwareAddr{0x52, 0x54, 0, 0x43, 0x57, 1}, box),
			"525400435701" + "020000000042" + "81000064" + "0800" +
				"4500001c" + "00000000" + "4001" + "318d" + "c0a86402" + "c0a86401" + "0800" + "8192" + "766c" + "0001"},
	} {
		if got := hex.EncodeToString(test.got); got != test.want {
			t.Errorf("%s = %s; want %s", test.name, got, test.want)
		}
	}
}

// TestChecksum is the example of RFC 1071 §3.
func TestChecksum(t *testing.T) {
	if got := checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != 0x220d {
		t.Errorf("checksum = %#x; want 0x220d", got)
	}
}

func TestTagOf(t *testing.T) {
	auxiliary := func(status uint32, tag uint16) []byte { // struct tpacket_auxdata
		data := make([]byte, unix.CmsgSpace(20))
		header := (&unix.Cmsghdr{})
		header.SetLen(unix.CmsgLen(20))
		binary.NativeEndian.PutUint64(data, header.Len)
		binary.NativeEndian.PutUint32(data[8:], unix.SOL_PACKET)
		binary.NativeEndian.PutUint32(data[12:], unix.PACKET_AUXDATA)
		binary.NativeEndian.PutUint32(data[16:], status)
		binary.NativeEndian.PutUint16(data[32:], tag)
		return data
	}
	const priority = 5 << 13
	for _, test := range []struct {
		name string
		data []byte
		want uint16
	}{
		{"tagged", auxiliary(unix.TP_STATUS_VLAN_VALID, 100), 100},
		{"with a priority", auxiliary(unix.TP_STATUS_VLAN_VALID, priority|100), 100},
		{"without a tag", auxiliary(0, 100), 0},
		{"nothing", nil, 0},
		{"cut", auxiliary(unix.TP_STATUS_VLAN_VALID, 100)[:20], 0},
	} {
		if got := tagOf(test.data); got != test.want {
			t.Errorf("tagOf(%s) = %d; want %d", test.name, got, test.want)
		}
	}
}
