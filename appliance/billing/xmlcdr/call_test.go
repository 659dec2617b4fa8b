package xmlcdr

import (
	"encoding/xml"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func at(milliseconds int64) time.Time { return time.UnixMilli(1795307596000 + milliseconds) }

// example is the call of billing requirements §3, with media.
func example() Call {
	alice, bob := netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("[2001:db8::2]:5000")
	return Call{
		Start: at(299), Connect: at(2100), FirstEndRequest: at(60400), Disconnect: at(60400), End: at(60500), Reason: 16, ReleasedBy: ReleasedByOrig,
		BCID: []byte("\xee\xac\xb6\xcc   123450+000000\x00\x00\x00\x07"), CallID: "a84b4c76e66710@pc33",
		Parties: [sides]Party{{"15551230001", "sip:15551230001@a.example", "a.example"}, {"15551230002", "sip:15551230002@b.example", "b.example"}},
		Neighbours: [sides]Neighbour{{"SIPPA", "", "UDP", netip.MustParseAddrPort("2.0.0.35:5060")},
			{"SIPPB", "gold", "UDP", netip.MustParseAddrPort("2.0.0.36:5078")}},
		Media: Media{Reserved: at(2000), Committed: at(2100), Released: at(60500), Streams: []Stream{{ID: 1, Kind: "audio", Codec: "PCMU/8000", Rate: 64000,
			Flows: [sides]Flow{{"sendrecv", bob, alice}, {"sendrecv", alice, netip.AddrPort{}}}}}},
	}
}

func TestCall(t *testing.T) {
	call := example()
	const want = `<call starttime="1795307596200" endtime="1795307656500" duration="60300" release_side="Orig" bcid="eeacb6cc2020203132333435302b30303030303000000007" callid="a84b4c76e66710@pc33">
<party type="orig" phone="15551230001" uri="sip:15551230001@a.example" domain="a.example"/>
<party type="term" phone="15551230002" uri="sip:15551230002@b.example" domain="b.example"/>
<adjacency type="orig" name="SIPPA" address="2.0.0.35" port="5060" transport="UDP"/>
<adjacency type="term" name="SIPPB" account="gold" address="2.0.0.36" port="5078" transport="UDP"/>
<connect time="1795307598100"/>
<firstendrequest time="1795307656400"/>
<disconnect time="1795307656400" reason="0016"/>
<release time="1795307656500" reason="0016"/>
<QoS reservetime="1795307598000" committime="1795307598100" releasetime="1795307656500">
<gate id="1">
<flowinfo media="audio" codec="PCMU/8000" bandwidth="64000" direction="sendrecv">
<local address="2001:db8::2" port="5000"/>
<remote address="192.0.2.1" port="4000"/>
</flowinfo>
<flowinfo media="audio" codec="PCMU/8000" bandwidth="64000" direction="sendrecv">
<local address="192.0.2.1" port="4000"/>
<remote/>
</flowinfo>
</gate>
</QoS>
</call>
`
	if got := string(call.AppendTo([]byte("before"))); got != "before"+want {
		t.Errorf("record is\n%s\nwant\n%s", got, want)
	}
}

func TestFailedCall(t *testing.T) {
	call := Call{Start: at(0), FirstEndRequest: at(150), End: at(-1), Reason: 3}
	const want = `<call starttime="1795307596000" endtime="1795307595900" duration="0">
<party type="orig"/>
<party type="term"/>
<firstendrequest time="1795307596100"/>
<release time="1795307595900" reason="0003"/>
</call>
`
	if got := string(call.AppendTo(nil)); got != want {
		t.Errorf("record is\n%s\nwant\n%s", got, want)
	}
}

func TestDeactivatedCall(t *testing.T) {
	call := Call{Start: at(0), Connect: at(100), Deactivation: at(200)}
	got := string(call.AppendTo(nil))
	if strings.Contains(got, "release") || strings.Contains(got, "endtime") || !strings.Contains(got, `<billingdeactivation time="1795307596200"/>`) {
		t.Errorf("record is\n%s", got)
	}
}

// FuzzCall checks that strangers' texts make no other element of the record,
// and come back as they were where XML can have them.
func FuzzCall(f *testing.F) {
	f.Add(`"><call/>&amp;<!--]]>`)
	f.Add("\x00\xff\r\n\t\u2028\ufffe")
	f.Fuzz(func(t *testing.T, text string) {
		call := example()
		call.CallID, call.Parties[Orig].URI, call.Neighbours[Term].Name = text, text, text+"x"
		record := string(call.AppendTo(nil))
		if lines := strings.Count(record, "\n"); lines != 22 {
			t.Errorf("%q makes a record of %d lines", text, lines)
		}
		elements := 0
		for decoder := xml.NewDecoder(strings.NewReader(record)); ; {
			token, err := decoder.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q makes\n%s\n%v", text, record, err)
			}
			if start, ok := token.(xml.StartElement); ok {
				elements++
				for _, a := range start.Attr {
					if a.Name.Local == "callid" && a.Value != strings.Map(allowed, text) {
						t.Errorf("callid %q comes back as %q", text, a.Value)
					}
				}
			}
		}
		if elements != 17 {
			t.Errorf("%q makes a record of %d elements", text, elements)
		}
	})
}

// allowed puts the replacement character in the place of what XML 1.0 §2.2 has not.
func allowed(r rune) rune {
	if r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 {
		return r
	}
	return '\uFFFD'
}
