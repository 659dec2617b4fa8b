// Package audit holds the calls that SIPp has in its own log against the event
// messages that record keepers have stored: each call must have its whole set,
// in order, with its true cause. What the box itself has counted is never asked.
//
//   - calls.go reads SIPp's log and says what each call must have.
//   - halves.go collects what is stored, duplicates once.
//   - audit.go compares.
package audit

import (
	"strconv"
	"strings"
	"time"

	"causeway/appliance/billing/packetcable"
	"causeway/qemu/lab"
)

// From is a ladder whose calls each come from a telephone number of their own,
// by which their records are found: prefix and the number of the call.
func From(prefix string, ladder lab.Ladder) lab.Ladder {
	const invite = "send INVITE"
	from := invite + ` with "From: <sip:` + prefix + `[call_number]@[local_ip]:[local_port]>;tag=[pid]-[call_number]"`
	return lab.Ladder(strings.Replace(string(ladder), invite, from, 1))
}

// Call is a call as its caller's log has it. Times are those of SIPp's
// clock, zero for what it has not seen.
type Call struct {
	Number   string    // that it came from
	Sent     time.Time // the first of its INVITEs
	Routed   time.Time
	Answered time.Time
	Changed  []time.Time // re-INVITEs that were answered
	Over     time.Time   // a final response of 300 or more, or the 200 of BYE
	Status   int         // of the final response to its INVITE
	Rang     bool

	Media bool // its records tell of media

	Cause uint32 // of its end; 0: the one that its status tells
}

// Calls reads the log of a caller whose ladder is From(prefix, …) and whose
// Call-IDs end with a dash and the number of the call.
func Calls(prefix string, log []lab.Seen) []Call {
	var order []string
	calls := map[string]*Call{}
	for _, seen := range log {
		c := calls[seen.CallID]
		if c == nil {
			c = &Call{Number: prefix + seen.CallID[strings.LastIndexByte(seen.CallID, '-')+1:]}
			calls[seen.CallID] = c
			order = append(order, seen.CallID)
		}
		c.note(seen)
	}
	all := make([]Call, len(order))
	for i, id := range order {
		all[i] = *calls[id]
	}
	return all
}

// note takes one message in.
func (c *Call) note(seen lab.Seen) {
	if seen.Sent && seen.CSeq == "1 INVITE" {
		c.Sent = firstTime(c.Sent, seen.At)
	}
	words := strings.Fields(seen.Start)
	if len(words) < 2 || words[0] != "SIP/2.0" {
		return
	}
	status, err := strconv.Atoi(words[1])
	if err != nil || status == 100 {
		return
	}
	switch first := !seen.Sent && seen.CSeq == "1 INVITE"; {
	case first && status < 200:
		c.Routed, c.Rang = firstTime(c.Routed, seen.At), c.Rang || status == 180
	case first && status < 300:
		c.Routed, c.Answered = firstTime(c.Routed, seen.At), firstTime(c.Answered, seen.At)
		c.Status = status
	case first:
		c.Over, c.Status = firstTime(c.Over, seen.At), status
	case status < 200 || status >= 300:
	case strings.HasSuffix(seen.CSeq, " INVITE"):
		c.Changed = append(c.Changed, seen.At)
	case strings.HasSuffix(seen.CSeq, " BYE"):
		c.Over = firstTime(c.Over, seen.At)
	}
}

func firstTime(known, now time.Time) time.Time {
	if known.IsZero() {
		return now
	}
	return known
}

// Over is of how many calls the caller has seen the end.
func Over(calls []Call) (n int) {
	for _, c := range calls {
		if !c.Over.IsZero() {
			n++
		}
	}
	return n
}

// due is an event message that must be there, and when the caller saw what it
// tells of.
type due struct {
	kind packetcable.MessageType
	seen time.Time
}

// due are the event messages that each half-call must have of what the caller
// saw until then, in order.
func (c Call) due(until time.Time) (messages []due) {
	add := func(seen time.Time, kinds ...packetcable.MessageType) {
		if seen.IsZero() || seen.After(until) {
			return
		}
		for _, kind := range kinds {
			if c.Media || kind != packetcable.QoSReserve && kind != packetcable.QoSCommit && kind != packetcable.QoSRelease {
				messages = append(messages, due{kind, seen})
			}
		}
	}
	if c.Answered.IsZero() && c.Status >= 300 {
		add(c.Over, packetcable.SignalingStart, packetcable.SignalingStop)
		return messages
	}
	add(c.Routed, packetcable.SignalingStart)
	add(c.Answered, packetcable.QoSReserve, packetcable.CallAnswer, packetcable.QoSCommit)
	for _, at := range c.Changed {
		add(at, packetcable.QoSCommit)
	}
	add(c.Over, packetcable.CallDisconnect, packetcable.QoSRelease, packetcable.SignalingStop)
	return messages
}

// causes are the termination codes of calls that were not answered, by the
// status that their caller got (billing requirements §1.9).
var causes = map[int]uint32{
	404: 3, 487: 16, 486: 17, 600: 17, 480: 20, 484: 28, 502: 27, 500: 41, 504: 41, 408: 41,
	403: 47, 603: 47, 402: 47, 405: 63, 501: 63, 415: 65, 488: 65, 606: 65, 400: 95, 420: 97, 481: 111, 482: 111, 483: 111,
}

// causesRung are those of calls whose callee was alerted.
var causesRung = map[int]uint32{480: 19, 408: 19}

// cause is the termination code that a finished call must have.
func (c Call) cause() uint32 {
	if c.Cause != 0 {
		return c.Cause
	}
	if !c.Answered.IsZero() {
		return 16
	}
	if code, rung := causesRung[c.Status]; rung && c.Rang {
		return code
	}
	if code, known := causes[c.Status]; known {
		return code
	}
	return 127
}
