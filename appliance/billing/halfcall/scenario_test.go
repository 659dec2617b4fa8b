package halfcall

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // Europe/Berlin, on every machine

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

// The call of the scenarios: from 2.0.0.35 to 2.0.0.36.
var (
	offered = model.CallEvent{
		Kind: model.CallOffered, CallID: []byte("a84b4c76e66710@pc33"), From: []byte(`"Alice" <sip:+1-555-123-0001@a.example>;tag=1`),
		To: []byte("<sip:15551230002@b.example>"), RequestURI: []byte("sip:15551230002@b.example;user=phone"),
		Network: []byte("lan1"), Peer: []byte("2.0.0.35:5060"), Adjacency: []byte("SIPPA"), Transport: []byte("UDP"),
	}
	routed = model.CallEvent{
		Kind: model.CallRouted, RequestURI: []byte("sip:15551230002@2.0.0.36:5078"),
		Network: []byte("lan2"), Peer: []byte("2.0.0.36:5078"), Adjacency: []byte("SIPPB"), Transport: []byte("UDP"),
	}
	ringing  = model.CallEvent{Kind: model.CallProvisional, Status: 180}
	answered = with(routed, func(e *model.CallEvent) { e.Kind, e.Status = model.CallAnswered, 200 })
	bye      = model.CallEvent{Kind: model.CallDisconnect, Cause: model.EndCallerHungUp}
	ended    = model.CallEvent{Kind: model.CallEnded, Cause: model.EndCallerHungUp, Status: 200}
)

func with(e model.CallEvent, change func(*model.CallEvent)) model.CallEvent {
	change(&e)
	return e
}

func failed(status uint16, cause model.EndCause) model.CallEvent {
	return model.CallEvent{Kind: model.CallEnded, Status: status, Cause: cause}
}

func withSDP(e model.CallEvent, sdp string) model.CallEvent {
	e.SDP = []byte(sdp)
	return e
}

func billedBy(e model.CallEvent, b model.CallBilling) model.CallEvent {
	e.Billing = b
	return e
}

// midnight is when the scenarios begin, event n of them n seconds later.
var midnight = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// sequence counts from 1.
func sequence() func() uint32 {
	n := uint32(0)
	return func() uint32 { n++; return n }
}

func settings() Settings {
	return Settings{ElementID: 12345, Bills: byMessages, NextSequence: sequence()}
}

// run folds the events of one call, the first of them number 7, a second
// apart, and gives the records as text.
func run(m *Manager, events ...model.CallEvent) (lines []string) {
	for i, e := range events {
		e.Key, e.Time = model.CallKey{1}, midnight.Add(time.Duration(i)*time.Second)
		m.Event(uint64(7+i), &e, collect(&lines))
	}
	return lines
}

// collect renders records as they are emitted.
func collect(lines *[]string) Emit {
	return func(r cache.Record) { *lines = append(*lines, render(r)) }
}

var attributeNames = map[uint8]string{
	packetcable.TypeEndpointName: "endpoint", packetcable.TypeCallingNumber: "calling", packetcable.TypeCalledNumber: "called",
	packetcable.TypeChargeNumber: "charge", packetcable.TypeRoutingNumber: "routing", packetcable.TypeTerminationCause: "cause",
	packetcable.TypeRelatedBCID: "related", packetcable.TypeSFID: "sf", packetcable.TypeQoSDescriptor: "qos",
	packetcable.TypeDirection: "direction", packetcable.TypeTimeAdjustment: "ahead", packetcable.TypeFlowDirection: "flow",
	packetcable.TypeAccountCode: "account",
}

var sideNames = [sides]string{"up", "down"}

// render is a record as a line: half-call, second of the event, message,
// attributes in their order.
func render(r cache.Record) string {
	if r.Kind == cache.CDR {
		return string(r.Payload)
	}
	message, rest, err := packetcable.Decode(r.Payload)
	if err != nil || len(rest) > 0 {
		return fmt.Sprintf("undecodable: %v, %d octets too many", err, len(rest))
	}
	h := message.Header
	line := fmt.Sprintf("%s %s %s", sideNames[h.BCID.Counter&1], string(h.Time[13:14]), h.Type)
	for _, a := range message.Attributes {
		if a.Vendor != packetcable.CableLabs {
			line += " media=" + renderMedia(a.Value)
			continue
		}
		value := strings.TrimSpace(string(a.Value))
		switch a.Type {
		case packetcable.TypeDirection, packetcable.TypeFlowDirection:
			value = fmt.Sprint(binary.BigEndian.Uint16(a.Value))
		case packetcable.TypeSFID:
			value = fmt.Sprint(binary.BigEndian.Uint32(a.Value))
		case packetcable.TypeTerminationCause:
			value = fmt.Sprint(binary.BigEndian.Uint32(a.Value[2:]))
		case packetcable.TypeTimeAdjustment:
			value = fmt.Sprint(int64(binary.BigEndian.Uint64(a.Value)))
		case packetcable.TypeRelatedBCID:
			value = sideNames[a.Value[23]&1]
		case packetcable.TypeQoSDescriptor:
			value = fmt.Sprintf("%d/%d", a.Value[3]&3, binary.BigEndian.Uint32(a.Value[20:]))
		}
		line += " " + attributeNames[a.Type] + "=" + value
	}
	return line
}

// renderMedia is a media description as "kind direction local-remote codec".
func renderMedia(v []byte) string {
	place := func(address, port []byte) netip.AddrPort {
		a := netip.AddrFrom16([16]byte(address))
		if v[3] == 4 {
			a = netip.AddrFrom4([4]byte(address[12:]))
		}
		return netip.AddrPortFrom(a, binary.BigEndian.Uint16(port))
	}
	return fmt.Sprintf("%d/%d/%s-%s/%s", v[1], v[2], place(v[4:], v[36:]), place(v[20:], v[38:]), v[60:])
}

// compare fails where the lines differ from those wanted.
func compare(t *testing.T, got []string, want string) {
	t.Helper()
	wanted := strings.Split(strings.TrimSpace(want), "\n")
	if want == "" {
		wanted = nil
	}
	for i := range max(len(got), len(wanted)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(wanted) {
			w = strings.TrimSpace(wanted[i])
		}
		if g != w {
			t.Errorf("record %d:\n got %s\nwant %s", i, g, w)
		}
	}
}

func TestHalfCalls(t *testing.T) {
	const started = `
		up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
		down 1 Signaling_Start direction=2 endpoint=MTA Endpoint calling=15551230001 called=15551230002`
	const whole = started + `
		up 3 Call_Answer charge=15551230001 related=down
		down 3 Call_Answer charge=15551230001 related=up
		up 4 Call_Disconnect cause=16
		down 4 Call_Disconnect cause=16
		up 5 Signaling_Stop related=down
		down 5 Signaling_Stop related=up`
	elsewhere := func(e model.CallEvent) model.CallEvent {
		e.RequestURI, e.Peer, e.Adjacency = []byte("sip:15551230009@[2001:db8::9]"), []byte("[2001:db8::9]:5060"), []byte("SIPPC")
		return e
	}
	none := model.CallBilling{Filtered: true}
	onlyXML := model.CallBilling{Filtered: true, XML: true}
	onlyEM := model.CallBilling{Filtered: true, PacketCable: true}
	for _, test := range []struct {
		name   string
		events []model.CallEvent
		want   string
	}{
		{"answered", []model.CallEvent{offered, routed, ringing, answered, bye, ended}, whole},
		{"nothing before it is routed", []model.CallEvent{offered}, ""},
		{"refused by a neighbour", []model.CallEvent{offered, routed, ringing, failed(486, model.EndFailed)}, started + `
			up 3 Signaling_Stop related=down cause=17
			down 3 Signaling_Stop related=up cause=17`},
		{"cancelled", []model.CallEvent{offered, routed, failed(487, model.EndCancelled)}, started + `
			up 2 Signaling_Stop related=down cause=16
			down 2 Signaling_Stop related=up cause=16`},
		{"it rings for ever", []model.CallEvent{offered, routed, ringing, failed(408, model.EndTimer)}, started + `
			up 3 Signaling_Stop related=down cause=19
			down 3 Signaling_Stop related=up cause=19`},
		{"no route", []model.CallEvent{offered, failed(404, model.EndFailed)}, `
			up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 1 Signaling_Stop cause=3`},
		{"too many calls", []model.CallEvent{offered, {Kind: model.CallRefused, Status: 503, Cause: model.EndRule, Rule: []byte("cac entry 1/t/3 max-num-calls")}}, `
			up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 1 Signaling_Stop cause=47`},
		{"too many calls a minute", []model.CallEvent{offered, {Kind: model.CallRefused, Status: 503, Rule: []byte("cac entry 1/t/3 max-call-rate-per-scope")}}, `
			up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 1 Signaling_Stop cause=42`},
		{"refused by the licence", []model.CallEvent{offered, {Kind: model.CallRefused, Status: 503, Rule: []byte(model.RuleLicence)}}, ""},
		{"refused by CAC that bills by XML", []model.CallEvent{offered, {Kind: model.CallRefused, Status: 503, Billing: onlyXML}}, ""},
		{"forked, the first answers", []model.CallEvent{offered, routed, elsewhere(routed), answered, bye, ended}, whole},
		{"sent on with another number", []model.CallEvent{offered, elsewhere(routed), failed(500, model.EndFailed)}, `
			up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			down 1 Signaling_Start direction=2 endpoint=MTA Endpoint calling=15551230001 called=15551230002 routing=15551230009
			up 2 Signaling_Stop related=down cause=41
			down 2 Signaling_Stop related=up cause=41`},
		{"a second answer", []model.CallEvent{offered, routed, ringing, answered, bye, ended, answered, ended}, whole},
		{"ended without a disconnect", []model.CallEvent{offered, routed, ringing, answered, failed(0, model.EndStale)}, started + `
			up 3 Call_Answer charge=15551230001 related=down
			down 3 Call_Answer charge=15551230001 related=up
			up 4 Call_Disconnect cause=31
			down 4 Call_Disconnect cause=31
			up 4 Signaling_Stop related=down
			down 4 Signaling_Stop related=up`},
		{"hung up, and nobody saw the end", []model.CallEvent{offered, routed, ringing, answered, bye, bye, failed(0, model.EndStale)}, started + `
			up 3 Call_Answer charge=15551230001 related=down
			down 3 Call_Answer charge=15551230001 related=up
			up 4 Call_Disconnect cause=16
			down 4 Call_Disconnect cause=16
			up 6 Signaling_Stop related=down
			down 6 Signaling_Stop related=up`},
		{"answered after a restart of the proxy", []model.CallEvent{offered, billedBy(routed, onlyXML), {Kind: model.CallAnswered, Peer: []byte("2.0.0.36:5078")}, ended}, ""},
		{"never routed, and answered", []model.CallEvent{offered, answered, ended}, `
			up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			down 1 Signaling_Start direction=2 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 1 Call_Answer charge=15551230001 related=down
			down 1 Call_Answer charge=15551230001 related=up
			up 2 Call_Disconnect cause=16
			down 2 Call_Disconnect cause=16
			up 2 Signaling_Stop related=down
			down 2 Signaling_Stop related=up`},
		{"of an unknown call", []model.CallEvent{routed, ringing, answered, bye, ended}, ""},
		{"of an unknown kind", []model.CallEvent{offered, {Kind: 9}, {Kind: 200}, failed(404, 0)}, `
			up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 3 Signaling_Stop cause=3`},
		{"billed by nothing", []model.CallEvent{offered, billedBy(routed, none), ringing, billedBy(answered, none), bye, ended}, ""},
		{"billed by XML alone", []model.CallEvent{offered, billedBy(routed, onlyXML), ringing, billedBy(answered, onlyXML), bye, ended}, ""},
		{"billed by event messages alone", []model.CallEvent{offered, billedBy(routed, onlyEM), ringing, billedBy(answered, onlyEM), bye, ended}, whole},
		{"failover to a neighbour that is billed", []model.CallEvent{offered, billedBy(routed, none), routed, failed(404, model.EndFailed)}, started + `
			up 3 Signaling_Stop related=down cause=3
			down 3 Signaling_Stop related=up cause=3`},
		{"answered by a neighbour that is not billed", []model.CallEvent{offered, routed, billedBy(routed, none), billedBy(answered, none), bye, ended}, started + `
			up 3 Signaling_Stop related=down cause=16
			down 3 Signaling_Stop related=up cause=16`},
		{"answered by the one neighbour that is billed", []model.CallEvent{offered, billedBy(routed, none), ringing, answered, bye, ended}, whole},
		{"failed at one that is not billed", []model.CallEvent{offered, routed, billedBy(routed, none), failed(486, model.EndFailed)}, started + `
			up 3 Signaling_Stop related=down cause=17
			down 3 Signaling_Stop related=up cause=17`},
		{"of an account", []model.CallEvent{with(offered, func(e *model.CallEvent) { e.Account = []byte("gold") }), failed(404, 0)}, `
			up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002 account=gold
			up 1 Signaling_Stop cause=3`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := New(settings())
			compare(t, run(m, test.events...), test.want)
			if last := test.events[len(test.events)-1]; last.Kind.Ends() && len(m.calls) > 0 {
				t.Errorf("%d calls are open", len(m.calls))
			}
		})
	}
}

func TestEndpointInfo(t *testing.T) {
	for _, test := range []struct {
		name   string
		info   model.EndpointInfo
		events []model.CallEvent
		want   string
	}{
		{"adjacency", model.EndpointAdjacency, []model.CallEvent{offered, routed, answered, ended}, `
			up 0 Signaling_Start direction=1 endpoint=SIPPA calling=15551230001 called=15551230002
			down 1 Signaling_Start direction=2 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 2 Call_Answer charge=15551230001 related=down
			down 2 Call_Answer charge=15551230001 related=up endpoint=SIPPB
			up 3 Call_Disconnect cause=16
			down 3 Call_Disconnect cause=16
			up 3 Signaling_Stop related=down endpoint=SIPPA
			down 3 Signaling_Stop related=up endpoint=SIPPB`},
		{"addressing", model.EndpointAddressing, []model.CallEvent{offered, routed, answered, ended}, `
			up 0 Signaling_Start direction=1 endpoint=2.0.0.35,5060,UDP,SIPPA calling=15551230001 called=15551230002
			down 1 Signaling_Start direction=2 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 2 Call_Answer charge=15551230001 related=down
			down 2 Call_Answer charge=15551230001 related=up endpoint=2.0.0.36,5078,UDP,SIPPB
			up 3 Call_Disconnect cause=16
			down 3 Call_Disconnect cause=16
			up 3 Signaling_Stop related=down endpoint=2.0.0.35,5060,UDP,SIPPA
			down 3 Signaling_Stop related=up endpoint=2.0.0.36,5078,UDP,SIPPB`},
		{"a call that fails", model.EndpointAdjacency, []model.CallEvent{offered, routed, failed(503, model.EndFailed)}, `
			up 0 Signaling_Start direction=1 endpoint=SIPPA calling=15551230001 called=15551230002
			down 1 Signaling_Start direction=2 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 2 Signaling_Stop related=down cause=27 endpoint=SIPPA
			down 2 Signaling_Stop related=up cause=27 endpoint=SIPPB`},
		{"a fork that fails by the answer of the first", model.EndpointAdjacency, []model.CallEvent{offered, routed,
			with(routed, func(e *model.CallEvent) { e.Adjacency = []byte("SIPPC") }), routed, failed(486, model.EndFailed)}, `
			up 0 Signaling_Start direction=1 endpoint=SIPPA calling=15551230001 called=15551230002
			down 1 Signaling_Start direction=2 endpoint=MTA Endpoint calling=15551230001 called=15551230002
			up 4 Signaling_Stop related=down cause=17 endpoint=SIPPA
			down 4 Signaling_Stop related=up cause=17 endpoint=SIPPB`},
		{"neighbours that no adjacency takes", model.EndpointAddressing, []model.CallEvent{
			with(offered, func(e *model.CallEvent) { e.Adjacency, e.Peer = nil, []byte("[2001:db8::35]:5061") }), failed(404, model.EndFailed)}, `
			up 0 Signaling_Start direction=1 endpoint=2001:db8::35,5061,UDP,lan1 calling=15551230001 called=15551230002
			up 1 Signaling_Stop cause=3 endpoint=2001:db8::35,5061,UDP,lan1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := settings()
			s.EndpointInfo = test.info
			compare(t, run(New(s), test.events...), test.want)
		})
	}
}

// TestHeader checks what all messages of a call have in common, in a zone
// whose clock is put forward between the offer and the answer.
func TestHeader(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s := settings()
	s.Zone = berlin
	m := New(s)
	spring := time.Date(2027, 3, 28, 0, 59, 59, 960_000_000, time.UTC)
	var got []string
	var indexes []cache.Source
	for i, e := range []model.CallEvent{offered, routed, answered, ended} {
		e.Key, e.Time = model.CallKey{9}, spring.Add(time.Duration(i)*250*time.Millisecond)
		m.Event(uint64(1)<<32+uint64(i), &e, func(r cache.Record) {
			message, _, err := packetcable.Decode(r.Payload)
			if err != nil || r.Call != e.Key || r.Kind != cache.EM {
				t.Fatalf("record %+v: %v", r, err)
			}
			h := message.Header
			got = append(got, fmt.Sprintf("%d %q %s %d %s %s %d/%d/%d/%d/%d", h.BCID.Seconds, h.BCID.Element[:], h.BCID.Zone, h.BCID.Counter,
				h.Zone, h.Time, h.Sequence, h.ElementType, h.Status, h.Priority, h.Object))
			indexes = append(indexes, r.Source)
		})
	}
	compare(t, got, `
		4015184399 "   12345" 0+010000 0 0+010000 20270328015959.900 1/1/0/128/0
		4015184399 "   12345" 0+010000 1 1+020000 20270328030000.200 2/1/0/128/0
		4015184399 "   12345" 0+010000 0 1+020000 20270328030000.400 3/1/0/128/0
		4015184399 "   12345" 0+010000 1 1+020000 20270328030000.400 4/1/0/128/0
		4015184399 "   12345" 0+010000 0 1+020000 20270328030000.700 5/1/0/128/0
		4015184399 "   12345" 0+010000 1 1+020000 20270328030000.700 6/1/0/128/0
		4015184399 "   12345" 0+010000 0 1+020000 20270328030000.700 7/1/0/128/0
		4015184399 "   12345" 0+010000 1 1+020000 20270328030000.700 8/1/0/128/0`)
	want := []cache.Source{{Event: 1<<32 + 1, Index: 0}, {Event: 1<<32 + 1, Index: 1, Last: true},
		{Event: 1<<32 + 2, Index: 0}, {Event: 1<<32 + 2, Index: 1, Last: true},
		{Event: 1<<32 + 3, Index: 0}, {Event: 1<<32 + 3, Index: 1}, {Event: 1<<32 + 3, Index: 2}, {Event: 1<<32 + 3, Index: 3, Last: true}}
	if fmt.Sprint(indexes) != fmt.Sprint(want) {
		t.Errorf("sources %v; want %v", indexes, want)
	}
}
