package sip

import (
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

// adviser is an element that remembers what neighbours asked for.
type adviser struct {
	element
	percent  int
	validity time.Duration
}

func (a *adviser) Feedback(percent int, validity time.Duration) {
	a.percent, a.validity = percent, validity
}

// RFC 7339 §5: a neighbour that is asked tells how much it wants, in our Via.
func TestOverloadAdviceIsHeeded(t *testing.T) {
	for _, test := range []struct {
		value    string
		asks     bool
		percent  int
		validity time.Duration
	}{
		{"oc=30;oc-validity=2500;oc-seq=1.0", true, 30, 2500 * time.Millisecond},
		{"oc=30", true, 30, 500 * time.Millisecond},
		{"oc=0;oc-validity=0", true, 0, 0},
		{"oc=101", true, -1, -1},
		{"oc", true, -1, -1},
		{"oc=30", false, -1, -1},
	} {
		b, a := newBench(t), &adviser{percent: -1, validity: -1}
		networks := testNets
		networks.Networks = []model.SIPNetwork{network1, network2}
		networks.Networks[1].OverloadControl = test.asks
		b.configure(&networks)
		target := toward(callee)
		target.Element = a
		invite := b.forked(target)[0]
		if asked := strings.Contains(invite.values("Via")[0], `;oc;oc-algo="loss"`); asked != test.asks {
			t.Errorf("Via = %q; asked %v, want %v", invite.values("Via")[0], asked, test.asks)
		}
		answer := answerTo(invite, 180, "Ringing")
		if test.asks {
			answer = strings.Replace(answer, ";oc;", ";"+test.value+";", 1)
		} else {
			answer = strings.Replace(answer, ";branch=", ";"+test.value+";branch=", 1)
		}
		b.receive(lan2, callee, answer)
		if a.percent != test.percent || a.validity != test.validity {
			t.Errorf("%q: heeded %d for %v; want %d for %v", test.value, a.percent, a.validity, test.percent, test.validity)
		}
	}
}
