package routing

import (
	"fmt"
	"strings"
	"sync/atomic"

	"causeway/appliance/model"
	"causeway/appliance/routing/field"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// What one request can lead to. Groups and policies may lead to each other, so
// something must end it.
const (
	maxTargets = 16
	maxDepth   = 8   // groups and policies within each other
	maxVisits  = 256 // of groups and policies
)

// walk is the way of one message through the plan. The router keeps them for
// other messages, with their buffers.
type walk struct {
	plan *Plan
	in   *hop.Incoming
	out  *hop.Target   // nil before routing
	d    *hop.Decision // of the routing stage

	table    *table // in which the last route was found
	answered bool   // a route led to a response: nothing comes after it
	path     [maxDepth]int32
	depth    int
	visits   int
	now      int64 // minute since 1970; 0: not asked for yet

	scratch   [field.Scratch]byte
	folded    []byte // the key in lower case
	backwards []byte
	second    *hop.Incoming // the message after a change; made when it is first needed

	notes  *[]string // of test route; nil: a call
	indent int
}

// begin takes a walk for a message.
func (p *Plan) begin(in *hop.Incoming, out *hop.Target) *walk {
	w := p.router.walks.Get().(*walk)
	w.plan, w.in, w.out = p, in, out
	return w
}

// end gives it back: nothing of the message stays.
func (w *walk) end() {
	r := w.plan.router
	if w.second != nil {
		m := w.second.Message
		*m = message.Message{Fields: m.Fields[:0]}
		*w.second = hop.Incoming{Message: m}
	}
	*w = walk{folded: w.folded, backwards: w.backwards, second: w.second}
	r.walks.Put(w)
}

// route is the routing stage.
func (w *walk) route() {
	t := w.trigger(model.TriggerRouting)
	switch {
	case t == nil:
		w.nextHop()
	case t.lookup == nil:
		if w.notes != nil {
			w.note("by-pass: the request goes where it says itself")
		}
		w.byPass()
	default:
		if !w.lookup(t.lookup) {
			w.refuse(404, "no route")
		}
	}
	if len(w.d.Targets) > 0 {
		w.d.Targets = w.d.Targets[:min(len(w.d.Targets), maxTargets)]
		w.d.Refusal = hop.Refusal{}
	} else if w.d.Refusal.Status == 0 {
		w.refuse(404, "no route")
	}
}

// nextHop is for what no trigger takes.
func (w *walk) nextHop() {
	next := w.plan.nextHops[w.in.Network]
	if next == nil {
		if w.notes != nil {
			w.note("no trigger takes it, and network %s has no next-hop", w.in.Network)
		}
		w.refuse(404, "no route")
		return
	}
	w.count(next.hits)
	if w.notes != nil {
		w.note("no trigger takes it: next-hop of network %s", w.in.Network)
	}
	w.add(&next.target)
}

// add adds a target.
func (w *walk) add(t *hop.Target) { w.d.Targets = append(w.d.Targets, *t) }

// refuse notes the first refusal. It is in force only while there is no target.
func (w *walk) refuse(status int, rule string) {
	if w.d.Refusal.Status == 0 {
		w.d.Refusal = hop.Refusal{Status: status, Rule: rule}
	}
}

// minute is the time that policies are held against.
func (w *walk) minute() int64 {
	if w.now == 0 {
		w.now = w.plan.router.options.Now().Unix() / 60
	}
	return w.now
}

// count counts a hit of a call.
func (w *walk) count(hits *atomic.Int64) {
	if w.notes == nil {
		hits.Add(1)
	}
}

// enter goes into a group or policy, unless that would be a circle or too far.
func (w *walk) enter(id int32, kind, name string) bool {
	w.visits++
	refused := ""
	for _, open := range w.path[:w.depth] {
		if open == id {
			refused = ": left out, it is a circle"
		}
	}
	if w.depth == maxDepth || w.visits > maxVisits {
		refused = ": left out, there are too many on the way"
	}
	if w.notes != nil {
		w.note("%s %s%s", kind, name, refused)
	}
	if refused != "" {
		return false
	}
	w.path[w.depth] = id
	w.depth++
	w.indent++
	return true
}

func (w *walk) leave() {
	w.depth--
	w.indent--
}

// done says that nothing more may be added.
func (w *walk) done() bool {
	return w.answered || len(w.d.Targets) >= maxTargets || w.visits > maxVisits
}

// note says a line of test route.
func (w *walk) note(format string, args ...any) {
	*w.notes = append(*w.notes, strings.Repeat("  ", w.indent)+fmt.Sprintf(format, args...))
}
