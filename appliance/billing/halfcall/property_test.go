package halfcall

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

// anyEvent draws an event of one of four calls: sensible ones above all, and
// in any order.
func anyEvent(t *rapid.T) model.CallEvent {
	e := rapid.SampledFrom([]model.CallEvent{
		offered, withSDP(offered, audio("192.0.2.1", "4000")), routed, routed, ringing, withSDP(ringing, audio("192.0.2.2", "5000")),
		answered, withSDP(answered, audio("192.0.2.2", "5000")), {Kind: model.CallAnswered},
		reinvite(audio("192.0.2.2", "5002"), audio("192.0.2.1", "4000"), true),
		reinvite("", audio("192.0.2.1", "4004"), true), reinvite("", audio("192.0.2.2", "5004"), false),
		reinvite(audio("192.0.2.1", "0"), audio("192.0.2.2", "0"), false),
		reinvite(audio("192.0.2.1", "4000")+"m=video 4002 RTP/AVP 34\r\n", audio("192.0.2.2", "5000")+"m=video 5002 RTP/AVP 34\r\n", false),
		bye, ended, failed(486, model.EndFailed), failed(0, model.EndStale), {Kind: model.CallRefused, Status: 503, Cause: model.EndRule},
	}).Draw(t, "event")
	e.Key = model.CallKey{byte(rapid.IntRange(1, 4).Draw(t, "call"))}
	e.Billing = rapid.SampledFrom([]model.CallBilling{{}, {}, {Filtered: true}, {Filtered: true, PacketCable: true}, {Filtered: true, XML: true}}).Draw(t, "billing")
	return e
}

// places of the types in the life of a half-call. The second QoS_Release may
// come before others: of a stream that is switched off.
var places = map[packetcable.MessageType]int{
	packetcable.SignalingStart: 1, packetcable.QoSReserve: 2, packetcable.CallAnswer: 3,
	packetcable.QoSCommit: 4, packetcable.CallDisconnect: 5, packetcable.SignalingStop: 7,
}

// ledger checks the order of messages of each half-call.
type ledger struct {
	t       *rapid.T
	place   map[packetcable.BCID]int
	streams map[string]bool // that are reserved or committed and not released
}

func (l *ledger) take(r cache.Record) {
	if r.Kind != cache.EM {
		return
	}
	message, rest, err := packetcable.Decode(r.Payload)
	if err != nil || len(rest) > 0 {
		l.t.Fatalf("record %x: %v, %d octets too many", r.Payload, err, len(rest))
	}
	h := message.Header
	now, was := places[h.Type], l.place[h.BCID]
	stream := ""
	for _, a := range message.Attributes {
		if a.Vendor == packetcable.CableLabs && a.Type == packetcable.TypeSFID {
			stream = fmt.Sprintf("%v %x", h.BCID, a.Value)
		}
	}
	switch {
	case h.Type == packetcable.QoSRelease:
		if !l.streams[stream] {
			l.t.Fatalf("%v of a stream that was not told of", h.Type)
		}
		delete(l.streams, stream)
		return
	case now < was, was == places[packetcable.SignalingStop], now > 1 && was == 0, now == was && stream == "":
		l.t.Fatalf("%v comes after place %d of its half-call", h.Type, was)
	case stream != "":
		l.streams[stream] = true
	}
	l.place[h.BCID] = now
}

// masked is a record without its Sequence_Number.
func masked(r cache.Record) string {
	if r.Kind == cache.EM {
		r.Payload = bytes.Clone(r.Payload)
		copy(r.Payload[8+46:], "\x00\x00\x00\x00")
	}
	return fmt.Sprintf("%v %v %v %x", r.Kind, r.Call, r.Source, r.Payload)
}

// TestAnyEvents folds events in any order: each half-call's messages are in
// their order, each that begins ends, and a fold from a snapshot taken anywhere
// is the fold without.
func TestAnyEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := withMedia()
		if rapid.Bool().Draw(t, "XML") {
			s.Bills |= byXML
		}
		s.EndpointInfo = model.EndpointInfo(rapid.IntRange(0, 2).Draw(t, "endpoint-info"))
		events := rapid.SliceOfN(rapid.Custom(anyEvent), 1, 60).Draw(t, "events")
		snapshot := rapid.IntRange(0, len(events)-1).Draw(t, "snapshot")
		m, second := New(s), New(s)
		l := &ledger{t, map[packetcable.BCID]int{}, map[string]bool{}}
		for i, e := range events {
			if i == snapshot {
				state := m.AppendState(nil)
				if err := second.RestoreState(state); err != nil {
					t.Fatal(err)
				}
				if again := second.AppendState(nil); !bytes.Equal(again, state) {
					t.Fatalf("state %x is restored as %x", state, again)
				}
			}
			e.Time = midnight.Add(time.Duration(i) * time.Second)
			var first, again []string
			m.Event(uint64(i+1), &e, func(r cache.Record) { l.take(r); first = append(first, masked(r)) })
			if i >= snapshot {
				second.Event(uint64(i+1), &e, func(r cache.Record) { again = append(again, masked(r)) })
				if fmt.Sprint(again) != fmt.Sprint(first) {
					t.Fatalf("event %d gives %v from a snapshot; want %v", i, again, first)
				}
			}
		}
		end := midnight.Add(time.Hour)
		if rapid.Bool().Draw(t, "abort") {
			m.Abort(byMessages, end, l.take)
			m.Abort(byXML, end, l.take)
		} else {
			m.Lost([]model.CallKey{{1}, {2}, {3}, {4}, {5}}, end, l.take)
		}
		if calls, _ := m.Open(); calls != 0 {
			t.Fatalf("%d calls are open after all", calls)
		}
		for id, place := range l.place {
			if place != places[packetcable.SignalingStop] {
				t.Errorf("half-call %v ends at place %d", id, place)
			}
		}
		if len(l.streams) > 0 {
			t.Errorf("streams that are never released: %v", l.streams)
		}
	})
}
