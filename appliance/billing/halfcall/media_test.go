package halfcall

import (
	"net/netip"
	"testing"

	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

func withMedia() Settings {
	s := settings()
	s.MediaInfo = true
	return s
}

// audio is a session description with one stream.
func audio(address, port string, lines ...string) string {
	return head(address) + description(append([]string{"m=audio " + port + " RTP/AVP 0"}, lines...)...)
}

func reinvite(offer, answer string, byCallee bool) model.CallEvent {
	return model.CallEvent{Kind: model.CallMediaChanged, Offer: []byte(offer), SDP: []byte(answer), CalleeOffered: byCallee}
}

func TestMedia(t *testing.T) {
	const started = `
		up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
		down 1 Signaling_Start direction=2 endpoint=MTA Endpoint calling=15551230001 called=15551230002`
	const answeredAt2 = `
		up 2 Call_Answer charge=15551230001 related=down
		down 2 Call_Answer charge=15551230001 related=up`
	const reservedAt2 = `
		up 2 QoS_Reserve qos=1/64000 sf=1 flow=1
		down 2 QoS_Reserve qos=1/64000 sf=1 flow=2`
	const committedAt2 = `
		up 2 QoS_Commit qos=3/64000 sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
		down 2 QoS_Commit qos=3/64000 sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000`
	const endedAt3 = `
		up 3 Call_Disconnect cause=16
		down 3 Call_Disconnect cause=16
		up 3 QoS_Release sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
		down 3 QoS_Release sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000
		up 3 Signaling_Stop related=down
		down 3 Signaling_Stop related=up`
	invite := withSDP(offered, audio("192.0.2.1", "4000"))
	ok := withSDP(answered, audio("192.0.2.2", "5000"))
	for _, test := range []struct {
		name   string
		events []model.CallEvent
		want   string
	}{
		{"agreed with the answer", []model.CallEvent{invite, routed, ok, ended}, started + reservedAt2 + answeredAt2 + committedAt2 + endedAt3},
		{"early media", []model.CallEvent{invite, routed, withSDP(ringing, audio("192.0.2.2", "5000")), answered, ended}, started + reservedAt2 + `
			up 3 Call_Answer charge=15551230001 related=down
			down 3 Call_Answer charge=15551230001 related=up
			up 3 QoS_Commit qos=3/64000 sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
			down 3 QoS_Commit qos=3/64000 sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000
			up 4 Call_Disconnect cause=16
			down 4 Call_Disconnect cause=16
			up 4 QoS_Release sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
			down 4 QoS_Release sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000
			up 4 Signaling_Stop related=down
			down 4 Signaling_Stop related=up`},
		{"early media of a call that fails", []model.CallEvent{invite, routed, withSDP(ringing, audio("192.0.2.2", "5000")), failed(486, model.EndFailed)}, started + reservedAt2 + `
			up 3 QoS_Release sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
			down 3 QoS_Release sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000
			up 3 Signaling_Stop related=down cause=17
			down 3 Signaling_Stop related=up cause=17`},
		{"late offer", []model.CallEvent{offered, routed, ok, reinvite("", audio("192.0.2.1", "4000"), true), ended}, started + answeredAt2 + `
			up 3 QoS_Commit qos=3/64000 sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
			down 3 QoS_Commit qos=3/64000 sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000
			up 4 Call_Disconnect cause=16
			down 4 Call_Disconnect cause=16
			up 4 QoS_Release sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
			down 4 QoS_Release sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000
			up 4 Signaling_Stop related=down
			down 4 Signaling_Stop related=up`},
		{"the callee holds, as seen by each half's local end", []model.CallEvent{invite, routed, ok,
			reinvite(audio("192.0.2.2", "5000", "a=sendonly"), audio("192.0.2.1", "4000", "a=recvonly"), true)}, started + reservedAt2 + answeredAt2 + committedAt2 + `
			up 3 QoS_Commit qos=3/64000 sf=1 flow=1 media=1/1/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
			down 3 QoS_Commit qos=3/64000 sf=1 flow=2 media=1/2/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000`},
		{"late offer of a re-INVITE", []model.CallEvent{invite, routed, ok,
			reinvite("", audio("192.0.2.1", "4008"), true), // the callee asks, the caller's 2xx offers
			reinvite("", audio("192.0.2.2", "5000"), false)}, started + reservedAt2 + answeredAt2 + committedAt2 + `
			up 4 QoS_Commit qos=3/64000 sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4008/PCMU/8000
			down 4 QoS_Commit qos=3/64000 sf=1 flow=2 media=1/3/192.0.2.1:4008-192.0.2.2:5000/PCMU/8000`},
		{"an UPDATE before the answer", []model.CallEvent{invite, routed, reinvite(audio("192.0.2.1", "4000"), audio("192.0.2.2", "5000"), false), answered}, started + reservedAt2 + `
			up 3 Call_Answer charge=15551230001 related=down
			down 3 Call_Answer charge=15551230001 related=up
			up 3 QoS_Commit qos=3/64000 sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
			down 3 QoS_Commit qos=3/64000 sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000`},
		{"a session timer's re-INVITE changes nothing", []model.CallEvent{invite, routed, ok, reinvite(audio("192.0.2.1", "4000"), audio("192.0.2.2", "5000"), false)},
			started + reservedAt2 + answeredAt2 + committedAt2},
		{"video comes and goes", []model.CallEvent{invite, routed, ok,
			reinvite(audio("192.0.2.1", "4000")+"m=video 4002 RTP/AVP 34\r\n", audio("192.0.2.2", "5000")+"m=video 5002 RTP/AVP 34\r\n", false),
			reinvite(audio("192.0.2.1", "4000")+"m=video 0 RTP/AVP 34\r\n", audio("192.0.2.2", "5000")+"m=video 0 RTP/AVP 34\r\n", false)},
			started + reservedAt2 + answeredAt2 + committedAt2 + `
			up 3 QoS_Commit qos=3/0 sf=2 flow=1 media=2/3/192.0.2.2:5002-192.0.2.1:4002/H263/90000
			down 3 QoS_Commit qos=3/0 sf=2 flow=2 media=2/3/192.0.2.1:4002-192.0.2.2:5002/H263/90000
			up 4 QoS_Release sf=2 flow=1 media=2/3/192.0.2.2:5002-192.0.2.1:4002/H263/90000
			down 4 QoS_Release sf=2 flow=2 media=2/3/192.0.2.1:4002-192.0.2.2:5002/H263/90000`},
		{"the caller is behind NAT", []model.CallEvent{
			with(withSDP(offered, audio("192.168.42.9", "4000")), func(e *model.CallEvent) { e.Peer = []byte("203.0.113.7:5060") }), routed, ok, ended},
			started + reservedAt2 + answeredAt2 + `
			up 2 QoS_Commit qos=3/64000 sf=1 flow=1 media=1/3/192.0.2.2:5000-0.0.0.0:0/PCMU/8000
			down 2 QoS_Commit qos=3/64000 sf=1 flow=2 media=1/3/192.168.42.9:4000-192.0.2.2:5000/PCMU/8000
			up 3 Call_Disconnect cause=16
			down 3 Call_Disconnect cause=16
			up 3 QoS_Release sf=1 flow=1 media=1/3/192.0.2.2:5000-192.168.42.9:4000/PCMU/8000
			down 3 QoS_Release sf=1 flow=2 media=1/3/192.168.42.9:4000-192.0.2.2:5000/PCMU/8000
			up 3 Signaling_Stop related=down
			down 3 Signaling_Stop related=up`},
		{"media are refused", []model.CallEvent{invite, routed, withSDP(answered, audio("192.0.2.2", "0"))}, started + answeredAt2},
		{"another branch answers than the one with early media", []model.CallEvent{invite, routed, withSDP(ringing, audio("192.0.2.2", "5000")), withSDP(answered, audio("192.0.2.3", "6000"))},
			started + reservedAt2 + `
			up 3 QoS_Reserve qos=1/64000 sf=1 flow=1
			down 3 QoS_Reserve qos=1/64000 sf=1 flow=2
			up 3 Call_Answer charge=15551230001 related=down
			down 3 Call_Answer charge=15551230001 related=up
			up 3 QoS_Commit qos=3/64000 sf=1 flow=1 media=1/3/192.0.2.3:6000-192.0.2.1:4000/PCMU/8000
			down 3 QoS_Commit qos=3/64000 sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.3:6000/PCMU/8000`},
		{"nothing is told after the disconnect", []model.CallEvent{invite, routed, ok, bye, reinvite(audio("192.0.2.1", "4008"), audio("192.0.2.2", "5000"), false)},
			started + reservedAt2 + answeredAt2 + committedAt2 + `
			up 3 Call_Disconnect cause=16
			down 3 Call_Disconnect cause=16`},
		{"session descriptions that are none", []model.CallEvent{withSDP(offered, "m=audio"), routed, withSDP(answered, "rubbish"), reinvite("", "x", false)}, started + answeredAt2},
	} {
		t.Run(test.name, func(t *testing.T) {
			compare(t, run(New(withMedia()), test.events...), test.want)
		})
	}
	t.Run("without cdr media-info", func(t *testing.T) {
		compare(t, run(New(settings()), invite, routed, ok, reinvite(audio("192.0.2.1", "4008"), audio("192.0.2.2", "5000"), false)), started+answeredAt2)
	})
}

func TestDirections(t *testing.T) {
	const no, send, receive, both = packetcable.Inactive, packetcable.SendOnly, packetcable.ReceiveOnly, packetcable.SendReceive
	for _, test := range []struct{ offer, answer, caller packetcable.MediaDirection }{
		{both, both, both}, {both, send, receive}, {both, receive, send}, {both, no, no},
		{send, both, send}, {send, receive, send}, {send, send, no}, {send, no, no},
		{receive, both, receive}, {receive, send, receive}, {no, both, no},
	} {
		place := netip.MustParseAddrPort("192.0.2.1:4000")
		offer, answer := []flow{{format{direction: test.offer}, place}}, []flow{{format{direction: test.answer}, place}}
		if got := negotiate(offer, answer, upstream)[0].direction; got != test.caller {
			t.Errorf("caller offers %d, callee answers %d: %d for the caller; want %d", test.offer, test.answer, got, test.caller)
		}
		if got := negotiate(offer, answer, downstream)[0].direction; got != mirror(test.caller) {
			t.Errorf("callee offers %d, caller answers %d: %d for the caller; want %d", test.offer, test.answer, got, mirror(test.caller))
		}
	}
}

func TestBehindNAT(t *testing.T) {
	for _, test := range []struct {
		media, peer string
		want        bool
	}{
		{"192.168.42.9", "203.0.113.7", true},
		{"10.0.0.1", "203.0.113.7", true},
		{"100.64.0.1", "203.0.113.7", true},
		{"169.254.0.1", "203.0.113.7", true},
		{"127.0.0.1", "203.0.113.7", true},
		{"0.0.0.0", "203.0.113.7", true},
		{"fd00::1", "2001:db8::7", true},
		{"fe80::1", "2001:db8::7", true},
		{"192.168.42.9", "192.168.42.1", false},
		{"192.168.42.9", "10.0.0.1", false},
		{"198.51.100.1", "203.0.113.7", false},
		{"198.51.100.1", "192.168.42.1", false},
		{"2001:db8::1", "2001:db8::7", false},
	} {
		if got := behindNAT(netip.MustParseAddr(test.media), netip.MustParseAddr(test.peer)); got != test.want {
			t.Errorf("behindNAT(%s, %s) = %v; want %v", test.media, test.peer, got, test.want)
		}
	}
	if behindNAT(netip.MustParseAddr("10.0.0.1"), netip.Addr{}) {
		t.Error("behind NAT where the peer is not known")
	}
}
