package sip

import (
	"context"
	"slices"
	"strings"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// historyKept is how many calls that ended are remembered in all shards
// together, 1 MiB. A secret hash of the Call-ID spreads calls over the shards: even
// the one that has most of them keeps its share of the last historyListed. Who has
// one Call-ID for all of his calls shortens the time that the list goes back.
const (
	historyKept   = 1536
	historyListed = 1000
)

// history is the calls of a shard that ended last. It takes no more memory
// after its beginning, and whoever ends a call holds the lock of the shard.
type history struct {
	ring []endedCall
	over int // calls since the process started; the next one goes to its place in the ring
}

func newHistory(shards int) history { return history{ring: make([]endedCall, historyKept/shards)} }

// endedCall is what is remembered of a call: copies only, as the call and the
// configuration that its sides belong to are not to live on for it.
type endedCall struct {
	key                  model.CallKey
	cause                model.EndCause
	status               uint16
	began, answer, ended time.Time
	caller, callee       hop.Place
	lengths              [keptTexts]uint8
	text                 [keptOctets]byte // all texts, one behind the other
}

// The texts of an ended call.
const (
	keptCallID = iota
	keptFrom
	keptTo
	keptRule
	keptCallerNetwork
	keptCallerAdjacency
	keptCalleeNetwork
	keptCalleeAdjacency
	keptTexts
)

// keptMost is how many octets are kept of each: of names all.
var keptMost = [keptTexts]int{keptCallID: 112, keptFrom: 96, keptTo: 96, keptRule: 64,
	keptCallerNetwork: 32, keptCallerAdjacency: 32, keptCalleeNetwork: 32, keptCalleeAdjacency: 32}

const keptOctets = 112 + 2*96 + 64 + 4*32

// note remembers a call that is over: status is that of the final response, rule
// what refused it.
func (h *history) note(c *call, status int, rule string) {
	e := &h.ring[h.over%len(h.ring)]
	h.over++
	e.key, e.cause, e.status = c.key, c.cause, uint16(status)
	e.began, e.answer, e.ended = c.began, c.answer, time.Now()
	e.caller, e.callee = c.in.place(), c.out.place()
	texts := [keptTexts]string{keptCallID: c.callID, keptFrom: c.from, keptTo: c.to, keptRule: rule}
	texts[keptCallerNetwork], texts[keptCallerAdjacency] = c.in.names()
	texts[keptCalleeNetwork], texts[keptCalleeAdjacency] = c.out.names()
	at := 0
	for i, text := range texts {
		n := copy(e.text[at:], text[:min(len(text), keptMost[i])])
		e.lengths[i] = uint8(n)
		at += n
	}
}

// kept are the calls that h remembers.
func (h *history) kept() []endedCall { return h.ring[:min(h.over, len(h.ring))] }

// since is when the oldest call ended that h remembers, once it has forgotten
// others.
func (h *history) since() (t time.Time) {
	if h.over > len(h.ring) {
		t = h.ring[h.over%len(h.ring)].ended
	}
	return t
}

// EndedCall is a call that is over. Of a text that is longer than usual the
// rest is missing; URIs have neither password nor parameters.
type EndedCall struct {
	model.OpenCall
	Ended  time.Time     `json:"ended"`
	Lasted time.Duration `json:"lasted"` // from the answer; 0: there was none, or it is not known when
	Cause  string        `json:"cause"`  // a model.EndCause
	Status int           `json:"status"` // of the final response to the INVITE, or to the BYE if it was answered; 0: none came
	Rule   string        `json:"rule"`   // of ours that refused it, or empty
}

func (e *endedCall) show() EndedCall {
	var texts [keptTexts]string
	at := 0
	for i, n := range e.lengths {
		texts[i] = string(e.text[at : at+int(n)])
		at += int(n)
	}
	shown := EndedCall{
		OpenCall: model.OpenCall{
			Key: e.key.String(), CallID: texts[keptCallID], From: plain(texts[keptFrom]), To: plain(texts[keptTo]), Began: e.began, Answered: e.answer,
			Caller: model.CallSide{Network: texts[keptCallerNetwork], Adjacency: texts[keptCallerAdjacency], Peer: peerOf(e.caller)},
			Callee: model.CallSide{Network: texts[keptCalleeNetwork], Adjacency: texts[keptCalleeAdjacency], Peer: peerOf(e.callee)},
		},
		Ended: e.ended, Cause: e.cause.String(), Status: int(e.status), Rule: texts[keptRule],
	}
	if !e.answer.IsZero() {
		shown.Lasted = e.ended.Sub(e.answer) // by the monotonic clock: that of the wall may have been set
	}
	return shown
}

func plain(uri string) string {
	return message.PlainURI([]byte(uri), message.Span{End: uint16(len(uri))}, len(uri))
}

// userOf is whom a plain URI names to people: user or number, or the host where
// there is none.
func userOf(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	user, _, _ := strings.Cut(rest, "@")
	return user
}

// HistoryQuery says which calls are wanted: the last ones of those whose caller
// or callee has Number in its user part.
type HistoryQuery struct {
	Last   int    `json:"last"` // at most 1,000
	Number string `json:"number"`
}

// History is the answer, calls newest first.
type History struct {
	Started time.Time   `json:"started"` // the proxy
	Over    int         `json:"over"`    // calls that ended since then
	Since   time.Time   `json:"since"`   // what ended before is forgotten; zero: nothing is
	Total   int         `json:"total"`   // calls that are wanted but for Last
	Some    []EndedCall `json:"some"`
}

// history gives the calls that ended last. Those that only some of the shards
// still remember are left out: there are no gaps.
func (p *Proxy) history(_ context.Context, q HistoryQuery) (History, error) {
	shown := History{Started: p.start}
	all := make([]endedCall, 0, historyKept)
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		all = append(all, s.history.kept()...)
		shown.Over += s.history.over
		if since := s.history.since(); since.After(shown.Since) {
			shown.Since = since
		}
		s.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b endedCall) int { return b.ended.Compare(a.ended) })
	for i := range all {
		if all[i].ended.Before(shown.Since) {
			break
		}
		one := all[i].show()
		if !strings.Contains(userOf(one.From), q.Number) && !strings.Contains(userOf(one.To), q.Number) {
			continue
		}
		if shown.Total++; len(shown.Some) < min(q.Last, historyListed) {
			shown.Some = append(shown.Some, one)
		}
	}
	return shown, nil
}
