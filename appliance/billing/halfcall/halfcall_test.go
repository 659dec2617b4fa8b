package halfcall

import (
	"fmt"
	"testing"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/model"
)

var (
	byMessages = cache.Places(1)
	byXML      = XML
)

// fold takes the events of a call in, of which the first has that number.
func fold(m *Manager, call byte, number uint64, at time.Time, events ...model.CallEvent) (lines []string) {
	for i, e := range events {
		e.Key, e.Time = model.CallKey{call}, at
		m.Event(number+uint64(i), &e, collect(&lines))
	}
	return lines
}

func TestAbort(t *testing.T) {
	m := New(withMedia())
	fold(m, 2, 1, midnight, withSDP(offered, audio("192.0.2.1", "4000")), routed, withSDP(ringing, audio("192.0.2.2", "5000")))
	fold(m, 1, 4, midnight, withSDP(offered, audio("192.0.2.1", "4000")), routed, withSDP(answered, audio("192.0.2.2", "5000")))
	fold(m, 3, 7, midnight, offered, routed, answered, bye)
	fold(m, 4, 11, midnight, offered)
	var lines []string
	m.Abort(byMessages, midnight.Add(5*time.Second), collect(&lines))
	compare(t, lines, `
		up 5 QoS_Release sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
		down 5 QoS_Release sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000
		up 5 Signaling_Stop related=down cause=127
		down 5 Signaling_Stop related=up cause=127
		up 5 Call_Disconnect cause=127
		down 5 Call_Disconnect cause=127
		up 5 QoS_Release sf=1 flow=1 media=1/3/192.0.2.2:5000-192.0.2.1:4000/PCMU/8000
		down 5 QoS_Release sf=1 flow=2 media=1/3/192.0.2.1:4000-192.0.2.2:5000/PCMU/8000
		up 5 Signaling_Stop related=down
		down 5 Signaling_Stop related=up
		up 5 Signaling_Stop related=down
		down 5 Signaling_Stop related=up`)
	if calls, _ := m.Open(); calls != 0 {
		t.Errorf("%d calls are open after the last method was taken away", calls)
	}
	compare(t, fold(m, 2, 12, midnight, ended), "")
	compare(t, fold(m, 5, 13, midnight, offered, routed, answered, ended), "")
}

// TestAbortOfOneInstance: the other one hears nothing of it.
func TestAbortOfOneInstance(t *testing.T) {
	s := settings()
	s.Bills = 1<<0 | 1<<3
	m := New(s)
	var got []string
	emit := func(r cache.Record) { got = append(got, render(r)[:4]+" to "+r.To.String()) }
	at := func(number uint64, e model.CallEvent) {
		e.Key, e.Time = model.CallKey{1}, midnight
		m.Event(number, &e, emit)
	}
	at(1, offered)
	at(2, routed)
	m.Abort(1<<3, midnight, emit)
	at(3, failed(486, model.EndFailed))
	want := "[up 0 to 0,3 down to 0,3 up 0 to 3 down to 3 up 0 to 0 down to 0]"
	if fmt.Sprint(got) != want {
		t.Errorf("records %v; want %v", got, want)
	}
}

func TestQuiesce(t *testing.T) {
	m := New(settings())
	fold(m, 1, 1, midnight, offered, routed)
	m.Quiesce(byXML)
	fold(m, 2, 3, midnight, offered, routed)
	m.Quiesce(byMessages)
	compare(t, fold(m, 3, 5, midnight, offered, routed, answered, ended), "")
	if calls, billed := m.Open(); calls != 2 || billed[0] != 2 {
		t.Errorf("%d calls are open, %d billed by event messages; want 2, 2", calls, billed[0])
	}
	compare(t, fold(m, 1, 9, midnight, failed(486, model.EndFailed)), `
		up 0 Signaling_Stop related=down cause=17
		down 0 Signaling_Stop related=up cause=17`)
	m.Use(settings())
	compare(t, fold(m, 4, 10, midnight, offered, failed(404, model.EndFailed)), `
		up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
		up 0 Signaling_Stop cause=3`)
}

func TestLost(t *testing.T) {
	m := New(settings())
	fold(m, 1, 1, midnight, offered, routed, answered)
	fold(m, 2, 4, midnight, offered)
	var lines []string
	m.Lost([]model.CallKey{{3}, {2}, {1}, {1}}, midnight.Add(9*time.Second), collect(&lines))
	compare(t, lines, `
		up 0 Signaling_Start direction=1 endpoint=MTA Endpoint calling=15551230001 called=15551230002
		up 9 Signaling_Stop cause=31
		up 9 Call_Disconnect cause=31
		down 9 Call_Disconnect cause=31
		up 9 Signaling_Stop related=down
		down 9 Signaling_Stop related=up`)
}

func TestCheckLong(t *testing.T) {
	s := settings()
	s.Bills |= byXML
	m := New(s)
	fold(m, 1, 1, midnight, offered, routed, answered)
	fold(m, 2, 4, midnight.Add(-time.Second), offered, billedBy(routed, model.CallBilling{Filtered: true, XML: true}))
	fold(m, 3, 6, midnight.Add(-time.Second), offered, routed, answered, bye)
	fold(m, 4, 10, midnight.Add(-time.Second), offered, routed, answered)
	for _, test := range []struct {
		after     time.Duration
		instances cache.Places
		calls     []byte
		want      string
	}{
		{24*time.Hour - time.Second, byMessages, nil, ""},
		{24 * time.Hour, byMessages, []byte{3, 4}, "up 0 Media_Alive\ndown 0 Media_Alive"},
		{24 * time.Hour, byXML, []byte{2, 3, 4}, ""},
		{24*time.Hour + 2*time.Second, byMessages | byXML, []byte{1, 2, 3, 4},
			"up 2 Media_Alive\ndown 2 Media_Alive\nup 2 Media_Alive\ndown 2 Media_Alive"},
	} {
		var lines []string
		var calls []byte
		for _, long := range m.CheckLong(midnight.Add(test.after), test.instances, collect(&lines)) {
			calls = append(calls, long.Key[0])
			if long.From != "SIPPA" || long.To != "SIPPB" || long.Calling != "15551230001" || long.Called != "15551230002" {
				t.Errorf("long call %+v", long)
			}
		}
		if string(calls) != string(test.calls) {
			t.Errorf("calls older than a day after %v: %v; want %v", test.after, calls, test.calls)
		}
		compare(t, lines, test.want)
	}
}

func TestStep(t *testing.T) {
	m := New(settings())
	var lines []string
	m.Step(midnight.Add(3*time.Second), -1500*time.Millisecond, collect(&lines))
	m.Step(midnight.Add(4*time.Second), time.Hour, collect(&lines))
	m.Quiesce(byMessages)
	m.Step(midnight.Add(5*time.Second), time.Hour, collect(&lines))
	compare(t, lines, "up 3 Time_Change ahead=-1500\nup 4 Time_Change ahead=3600000")
}

// TestHalves checks how the BCIDs of a call are made.
func TestHalves(t *testing.T) {
	m := New(settings())
	fold(m, 1, 1<<31+5, midnight, offered)
	for _, c := range m.calls {
		for side, counter := range []uint32{10, 11} {
			want := packetcable.NewBCID(midnight, packetcable.NewElementID(12345), counter)
			if got := c.half(side); got != want {
				t.Errorf("half %d is %v; want %v", side, fmt.Sprint(got), want)
			}
		}
	}
}
