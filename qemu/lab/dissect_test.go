package lab

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/billing/packetcable"
)

// TestDissect has tshark read two event messages of one request, as they are
// and with a header that counts one attribute too many.
func TestDissect(t *testing.T) {
	element := packetcable.NewElementID(7)
	id := packetcable.NewBCID(time.Now(), element, 4)
	start := packetcable.Message{
		Header:     packetcable.NewHeader(packetcable.SignalingStart, id, element, 1, time.Now()),
		Attributes: []packetcable.Attribute{packetcable.Endpoint("SIPPA"), packetcable.Small(packetcable.TypeDirection, packetcable.Originating)},
	}
	stop := packetcable.Message{
		Header:     packetcable.NewHeader(packetcable.SignalingStop, id, element, 2, time.Now()),
		Attributes: []packetcable.Attribute{packetcable.TerminationCause(16)},
	}
	for _, test := range []struct {
		name    string
		damage  func(request []byte)
		fault   string // of EventMessages
		isValid bool   // for tshark
	}{
		{"as it is", func([]byte) {}, "", true},
		{"Attribute_Count is one too high", func(b []byte) { b[20+8+74]++ }, "Attribute_Count is [3]", true},
		{"an attribute is longer than the request", func(b []byte) { b[len(b)-13] += 20 }, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := append([]byte{4, 1, 0, 0}, make([]byte, 16)...)
			request = stop.AppendTo(start.AppendTo(request))
			request[2], request[3] = byte(len(request)>>8), byte(len(request))
			test.damage(request)
			path := filepath.Join(t.TempDir(), "capture")
			file, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			trace, err := NewTrace(file)
			if err != nil {
				t.Fatal(err)
			}
			trace.Note(netip.MustParseAddrPort("192.0.2.1:1700"), netip.MustParseAddrPort("192.0.2.2:1900"), request)
			packets, err := Dissect(aMinute(t), path, 1900, "cisco")
			if err != nil || len(packets) != 1 {
				t.Fatalf("Dissect gives %d packets, error %v; want one", len(packets), err)
			}
			if got := packets[0].Malformed(); (got == "") != test.isValid {
				t.Errorf("Malformed() = %q; valid is %t", got, test.isValid)
			}
			if !test.isValid {
				return
			}
			messages, err := packets[0].EventMessages()
			if test.fault == "" && err != nil || test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)) {
				t.Errorf("EventMessages fails with %v; want %q", err, test.fault)
			}
			if len(messages) != 2 || messages[0].Type != "Signaling_Start (1)" || messages[1].Type != "Signaling_Stop (2)" {
				t.Fatalf("EventMessages gives %+v; want Signaling_Start and Signaling_Stop", messages)
			}
			if got := messages[0].Fields.Find("radius.CableLabs_MTA_Endpoint_Name"); len(got) != 1 || got[0] != "SIPPA" {
				t.Errorf("MTA_Endpoint_Name is %q; want SIPPA", got)
			}
			if got := messages[1].Fields.Find("packetcable_avps.ctc.cc"); len(got) != 1 || got[0] != "16" {
				t.Errorf("the cause is %q; want 16", got)
			}
		})
	}
}
