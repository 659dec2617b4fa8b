package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// TestAdjacencyCalls: each call counts for the adjacency it comes from and the
// one it goes to, in whatever shard it is.
func TestAdjacencyCalls(t *testing.T) {
	b := newBench(t)
	want := map[string]*model.AdjacencyTraffic{}
	check := func(when string) {
		t.Helper()
		got := b.p.adjacencyCalls()
		for _, traffic := range got {
			if traffic.LastAnswer.IsZero() != (traffic.Out.Answered == 0) || time.Since(traffic.LastAnswer) > time.Hour && traffic.Out.Answered > 0 {
				t.Errorf("%s: the last answer of %+v was at %v", when, traffic, traffic.LastAnswer)
			}
			traffic.LastAnswer = time.Time{}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("at first")
	invite := b.invited()
	want["lan1"] = &model.AdjacencyTraffic{In: model.AdjacencyCalls{Open: 1, Offered: 1, Admitted: 1}}
	want["lan2"] = &model.AdjacencyTraffic{Out: model.AdjacencyCalls{Open: 1, Offered: 1, Admitted: 1}}
	check("while it is set up")
	b.receive(lan2, callee, answerTo(invite, 200, "OK", "Contact: <sip:bob@192.168.43.2:5060>"))
	want["lan1"].In.Answered, want["lan2"].Out.Answered = 1, 1
	check("when it is answered")

	const others = 8
	offer := func(name string) {
		for i := range others {
			text := request("INVITE", bob, fmt.Sprint(name, i), 1)
			b.receive(lan1, caller, strings.Replace(text, "call-1@", fmt.Sprint(name, i, "@"), 1))
		}
	}
	b.gate.refusal = hop.Refusal{Status: 503}
	offer("early")
	want["lan1"].In.Offered += others
	check("when calls are refused as they come in")
	b.gate.refusal, b.gate.place = hop.Refusal{}, hop.Refusal{Status: 503}
	offer("late")
	want["lan1"].In.Offered += others
	want["lan1"].In.Admitted += others
	want["lan2"].Out.Offered += others
	check("when there is no room where they go")

	next := b.reborn(true)
	if got := next.p.adjacencyCalls(); len(got) > 0 {
		t.Errorf("after a restart there are the calls %+v", got)
	}
}
