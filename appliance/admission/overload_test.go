package admission

import (
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

func TestNextShare(t *testing.T) {
	for _, test := range []struct{ share, fullest, want float64 }{
		{0, 0.79, 0},
		{0, 0.80, 0.5},
		{0.5, 1, 0.75},
		{0.5, 0.79, 0.5},
		{0.5, 0.40, 0.5},
		{0.5, 0.39, 0.45},
		{0.05, 0, 0},
		{0.01, 0, 0},
	} {
		if got := nextShare(test.share, test.fullest); got != test.want {
			t.Errorf("nextShare(%v, %v) = %v; want %v", test.share, test.fullest, got, test.want)
		}
	}
}

// TestOverload runs a box that does 1,000 calls a second with room for 400
// waiting messages, where what is refused costs a tenth of a call, through a
// load of eight times that for a minute and back. What is let in must be
// about what the box can do, and it must recover within seconds.
func TestOverload(t *testing.T) {
	const capacity, room, slices = 1000., 400., 100
	now := time.Hour
	g := gateAt(t, &now, 0, &model.Config{})
	queue, budget, admitted, dropped := 0., 0., 0., 0.
	second := func(offered float64) {
		for range slices {
			if queue += offered / slices; queue > room {
				dropped += queue - room
				queue = room
			}
			budget = min(budget, 0) + capacity/slices
			for queue >= 1 && budget > 0 {
				queue--
				if _, shed := g.Shed(); shed {
					budget -= 0.1
				} else {
					budget--
					admitted++
				}
			}
			now += time.Second / slices
			g.Queue(queue / room)
		}
	}
	for range 10 {
		second(900)
	}
	if _, _, over := g.Feedback(); over || g.counted.shed.Load() > 0 {
		t.Fatalf("shed %d calls below the capacity; want none", g.counted.shed.Load())
	}
	for range 5 { // to settle
		second(8000)
	}
	admitted, dropped = 0, 0
	for range 60 {
		second(8000)
	}
	if share := admitted / (60 * capacity); share < 0.15 || share > 1 {
		t.Errorf("eight times the capacity: admitted %.2f of it; want what is left after refusing the others", share)
	}
	if dropped > 0.05*60*8000 {
		t.Errorf("eight times the capacity: %.0f messages dropped by a full queue; want 5 %% at most", dropped)
	}
	percent, seq, over := g.Feedback()
	if !over || percent < 50 || percent > 100 {
		t.Errorf("Feedback() = %d, %d, %t; want 50–100 %%", percent, seq, over)
	}
	for range 3 {
		second(500)
	}
	if _, _, over := g.Feedback(); over {
		t.Errorf("3 s after the load has gone: %+v; want no overload", g.overloadStatus())
	}
}

// TestFeedbackSequence: a change has a higher number, an older share never one.
func TestFeedbackSequence(t *testing.T) {
	now := time.Hour
	g := gateAt(t, &now, 0, &model.Config{})
	var last uint64
	lastPercent := 0
	for range 8 {
		g.Queue(1)
		percent, seq, over := g.Feedback()
		if !over || seq <= last || percent < lastPercent {
			t.Errorf("Feedback() = %d, %d, %t after %d, %d; want a higher number", percent, seq, over, lastPercent, last)
		}
		last, lastPercent = seq, percent
		now += reviewTime
	}
}

// TestOverloadLapses: when nobody tells of a queue any more, calls come in again.
func TestOverloadLapses(t *testing.T) {
	now := time.Hour
	g := gateAt(t, &now, 0, &model.Config{})
	g.Queue(1)
	for seconds := 0; ; seconds++ {
		if _, _, over := g.Feedback(); !over {
			break
		}
		if seconds > 60 {
			t.Fatal("a minute later calls are still shed")
		}
		now += tick
		g.overload.lapse(now, g.epoch)
	}
}

func TestShedRefusal(t *testing.T) {
	for _, test := range []struct {
		overload model.SIPOverload
		want     hop.Refusal
	}{
		{model.SIPOverload{}, hop.Refusal{Status: 503, Reason: "Overload", Rule: model.RuleOverload}},
		{model.SIPOverload{RetryAfter: 7}, hop.Refusal{Status: 503, Reason: "Overload", Rule: model.RuleOverload, RetryAfter: 7}},
		{model.SIPOverload{Redirect: "proxy2.example.com"}, hop.Refusal{Status: 300, Rule: model.RuleOverload, Contact: "sip:proxy2.example.com"}},
		{model.SIPOverload{Redirect: "2001:db8::2"}, hop.Refusal{Status: 300, Rule: model.RuleOverload, Contact: "sip:[2001:db8::2]"}},
	} {
		now := time.Hour
		g := gateAt(t, &now, 0, &model.Config{SIP: model.SIP{Overload: test.overload}})
		for range 60 { // until nearly all are shed
			g.Queue(1)
			now += reviewTime
		}
		if got, shed := g.Shed(); !shed || got != test.want {
			t.Errorf("sip overload %+v: Shed() = %+v, %t; want %+v", test.overload, got, shed, test.want)
		}
	}
}
