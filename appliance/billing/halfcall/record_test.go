package halfcall

import (
	"testing"
	"time"

	"causeway/appliance/model"
)

func byRecords() Settings { return Settings{ElementID: 12345, Bills: byXML, MediaInfo: true} }

func TestRecords(t *testing.T) {
	const parties = `
<party type="orig" phone="15551230001" uri="sip:+1-555-123-0001@a.example" domain="a.example"/>
<party type="term" phone="15551230002" uri="sip:15551230002@b.example;user=phone" domain="b.example"/>
<adjacency type="orig" name="SIPPA" address="2.0.0.35" port="5060" transport="UDP"/>`
	const neighbours = parties + `
<adjacency type="term" name="SIPPB" address="2.0.0.36" port="5078" transport="UDP"/>`
	for _, test := range []struct {
		name   string
		events []model.CallEvent
		want   string
	}{
		{"answered", []model.CallEvent{withSDP(offered, audio("192.0.2.1", "4000")), routed, withSDP(answered, audio("192.0.2.2", "5000", "a=recvonly")), bye, ended},
			`<call starttime="1795305600000" endtime="1795305604000" duration="4000" release_side="Orig" bcid="eeacaf002020203132333435302b3030303030300000000e" callid="a84b4c76e66710@pc33">` + neighbours + `
<connect time="1795305602000"/>
<firstendrequest time="1795305603000"/>
<disconnect time="1795305603000" reason="0016"/>
<release time="1795305604000" reason="0016"/>
<QoS reservetime="1795305602000" committime="1795305602000" releasetime="1795305604000">
<gate id="1">
<flowinfo media="audio" codec="PCMU/8000" bandwidth="64000" direction="recvonly">
<local address="192.0.2.2" port="5000"/>
<remote address="192.0.2.1" port="4000"/>
</flowinfo>
<flowinfo media="audio" codec="PCMU/8000" bandwidth="64000" direction="sendonly">
<local address="192.0.2.1" port="4000"/>
<remote address="192.0.2.2" port="5000"/>
</flowinfo>
</gate>
</QoS>
</call>
`},
		{"refused by a neighbour", []model.CallEvent{offered, routed, failed(486, model.EndFailed)},
			`<call starttime="1795305600000" endtime="1795305602000" duration="2000" release_side="Term" bcid="eeacaf002020203132333435302b3030303030300000000e" callid="a84b4c76e66710@pc33">` + neighbours + `
<firstendrequest time="1795305602000"/>
<release time="1795305602000" reason="0017"/>
</call>
`},
		{"refused by a rule", []model.CallEvent{offered, failed(503, model.EndRule)},
			`<call starttime="1795305600000" endtime="1795305601000" duration="1000" release_side="Neither" bcid="eeacaf002020203132333435302b3030303030300000000e" callid="a84b4c76e66710@pc33">` + parties + `
<firstendrequest time="1795305601000"/>
<release time="1795305601000" reason="0042"/>
</call>
`},
		{"found dead", []model.CallEvent{offered, routed, answered, failed(0, model.EndStale)},
			`<call starttime="1795305600000" endtime="1795305603000" duration="3000" bcid="eeacaf002020203132333435302b3030303030300000000e" callid="a84b4c76e66710@pc33">` + neighbours + `
<connect time="1795305602000"/>
<firstendrequest time="1795305603000"/>
<disconnect time="1795305603000" reason="0031"/>
<release time="1795305603000" reason="0031"/>
</call>
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(New(byRecords()), test.events...)
			if len(got) != 1 || got[0] != test.want {
				t.Errorf("records %q; want\n%s", got, test.want)
			}
		})
	}
}

// TestWhoBillsByRecords checks the filter with both methods on.
func TestWhoBillsByRecords(t *testing.T) {
	for _, test := range []struct {
		routed, answered model.CallBilling
		records          int
	}{
		{model.CallBilling{}, model.CallBilling{}, 9},
		{model.CallBilling{Filtered: true}, model.CallBilling{Filtered: true}, 0},
		{model.CallBilling{Filtered: true, XML: true}, model.CallBilling{Filtered: true, XML: true}, 1},
		{model.CallBilling{Filtered: true, PacketCable: true}, model.CallBilling{Filtered: true, PacketCable: true}, 8},
		{model.CallBilling{Filtered: true}, model.CallBilling{}, 9},
		{model.CallBilling{Filtered: true}, model.CallBilling{Filtered: true, XML: true}, 1},
		{model.CallBilling{}, model.CallBilling{Filtered: true, XML: true}, 5}, // Signaling_Starts and Stops
		{model.CallBilling{}, model.CallBilling{Filtered: true}, 4},
	} {
		s := settings()
		s.Bills |= byXML
		if got := run(New(s), offered, billedBy(routed, test.routed), billedBy(answered, test.answered), bye, ended); len(got) != test.records {
			t.Errorf("routed %+v, answered %+v: %d records; want %d:\n%q", test.routed, test.answered, len(got), test.records, got)
		}
	}
}

func TestDeactivatedRecords(t *testing.T) {
	s := settings()
	s.Bills |= byXML
	m := New(s)
	fold(m, 1, 1, midnight, offered, routed, answered)
	fold(m, 2, 4, midnight, offered, billedBy(routed, model.CallBilling{Filtered: true, PacketCable: true}))
	var lines []string
	m.Abort(byXML, midnight.Add(time.Minute), collect(&lines))
	const want = `<call starttime="1795305600000" bcid="eeacaf002020203132333435302b30303030303000000002" callid="a84b4c76e66710@pc33">
<party type="orig" phone="15551230001" uri="sip:+1-555-123-0001@a.example" domain="a.example"/>
<party type="term" phone="15551230002" uri="sip:15551230002@b.example;user=phone" domain="b.example"/>
<adjacency type="orig" name="SIPPA" address="2.0.0.35" port="5060" transport="UDP"/>
<adjacency type="term" name="SIPPB" address="2.0.0.36" port="5078" transport="UDP"/>
<connect time="1795305600000"/>
<billingdeactivation time="1795305660000"/>
</call>
`
	if len(lines) != 1 || lines[0] != want {
		t.Errorf("records %q; want\n%s", lines, want)
	}
	if calls, billed := m.Open(); calls != 2 || billed[0] != 2 || billed[8] != 0 {
		t.Errorf("%d calls, %d by event messages, %d by XML; want 2, 2, 0", calls, billed[0], billed[8])
	}
	compare(t, fold(m, 1, 6, midnight, ended), `
		up 0 Call_Disconnect cause=16
		down 0 Call_Disconnect cause=16
		up 0 Signaling_Stop related=down
		down 0 Signaling_Stop related=up`)
}
