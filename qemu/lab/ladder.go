package lab

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Ladder is one side of a call: what SIPp sends and what it must receive, in
// that order, separated by commas.
//
//	send INVITE, recv 100, recv 180, recv 200, send ACK, hold, send BYE, recv 200
//
// A number is the status of a response, a word the method of a request. After
// it may stand
//
//	?                 recv: it may be missing
//	ends              recv: a final response to INVITE that may be missing; after it the call is over
//	of METHOD         a response: to that request; else to the last one that has no final response
//	with "Name: text"  send: one more header field, or another value of one
//	body N            send: a body of N octets; INVITE and its 2xx have an SDP by themselves
//	sendonly          send: which way that SDP has media flow: sendonly, recvonly or inactive; else both
//
// "hold" waits as long as SIPp.Hold says, "wait 200ms" that long.
//
// Each response must name the request in its CSeq, and what begins a dialog
// must have been record-routed, or the call fails. A side that is not the first
// to send is a callee. A request that is answered when another one has come
// in between must have come through one box from one caller, and from one LAN to
// the other. Of two messages that are sent in a row, the first must not be one
// that the other side answers at once: SIPp does not listen in between.
type Ladder string

// step is one of them.
type step struct {
	send, optional, ends bool
	pause                string // attribute of <pause>, with a blank; "hold" has none
	method               string // of a request, or of what a response is to
	status               int    // 0: a request
	of                   string
	headers              []string
	body                 int
	direction            string // of media
	exchange             *exchange
	late                 bool // a response that is sent when another request has come in between
}

// exchange is a request and its responses.
type exchange struct {
	method  string
	sent    bool
	number  int       // in CSeq, of one that is sent
	index   int       // of the request among the steps
	inside  bool      // a dialog
	final   int       // status; 0: none yet
	kept    bool      // what its responses repeat is kept
	cancels *exchange // what a CANCEL is about
}

func (e *exchange) beginsDialog() bool {
	return !e.inside && slices.Contains([]string{"INVITE", "SUBSCRIBE", "REFER"}, e.method)
}

// parse reads the steps and finds out which exchange each belongs to.
func (l Ladder) parse() ([]*step, error) {
	var steps []*step
	var course course
	for i, text := range splitQuoted(string(l), ',') {
		s, err := parseStep(strings.TrimSpace(text))
		switch {
		case err != nil || s.pause != "":
		case s.status == 0:
			err = course.request(s, i)
		default:
			err = course.response(s)
		}
		if err != nil {
			return nil, fmt.Errorf("step %d, %q: %w", i+1, strings.TrimSpace(text), err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// course is how far a ladder has been read.
type course struct {
	exchanges []*exchange
	number    int       // of the last request sent, in CSeq
	dialog    bool      // there is one
	received  *exchange // whose request was the last one received
}

// request begins an exchange; an ACK belongs to that of its INVITE.
func (c *course) request(s *step, index int) error {
	e := &exchange{method: s.method, sent: s.send, index: index, inside: c.dialog}
	switch s.method {
	case "ACK", "CANCEL":
		invite := c.last(func(o *exchange) bool { return o.method == "INVITE" && o.sent == s.send })
		switch {
		case invite == nil:
			return errors.New("there is no INVITE")
		case s.method == "ACK":
			s.exchange = invite
			return nil
		}
		e.number, e.cancels, e.inside = invite.number, invite, false
	default:
		if s.send {
			c.number++
			e.number = c.number
		}
	}
	s.exchange = e
	c.exchanges = append(c.exchanges, e)
	if !s.send {
		c.received = e
	}
	return nil
}

// response finds the exchange of a response.
func (c *course) response(s *step) error {
	e := c.last(func(o *exchange) bool {
		return o.sent != s.send && (s.of == o.method || s.of == "" && o.final == 0)
	})
	if e == nil {
		return errors.New("there is no request that it answers")
	}
	s.exchange, s.method = e, e.method
	if s.send && e != c.received {
		if e.method != "INVITE" {
			return errors.New("only INVITE can be answered when another request has come in between")
		}
		s.late, e.kept = true, true
	}
	if s.status >= 200 && !s.ends {
		e.final = s.status
	}
	c.dialog = c.dialog || e.beginsDialog() && s.status > 100 && s.status < 300
	return nil
}

func (c *course) last(is func(*exchange) bool) *exchange {
	for _, e := range slices.Backward(c.exchanges) {
		if is(e) {
			return e
		}
	}
	return nil
}

// parseStep reads one step.
func parseStep(text string) (*step, error) {
	words := slices.DeleteFunc(splitQuoted(text, ' '), func(word string) bool { return word == "" })
	if len(words) == 0 {
		return nil, errors.New("there is none")
	}
	next := func() (word string) {
		if len(words) > 0 {
			word, words = words[0], words[1:]
		}
		return word
	}
	s := &step{}
	switch verb := next(); verb {
	case "hold":
		s.pause = " "
	case "wait":
		length, err := time.ParseDuration(next())
		if err != nil {
			return nil, err
		}
		s.pause = fmt.Sprintf(` milliseconds="%d"`, length.Milliseconds())
	case "send", "recv":
		s.send = verb == "send"
		what, optional := strings.CutSuffix(next(), "?")
		s.optional = optional
		if status, err := strconv.Atoi(what); err == nil {
			s.status = status
		} else if s.method = what; what == "" {
			return nil, errors.New("neither a method nor a status")
		}
	default:
		return nil, fmt.Errorf("%q is no verb", verb)
	}
	for len(words) > 0 {
		var err error
		switch word := next(); word {
		case "of":
			s.of = next()
		case "ends":
			s.optional, s.ends = true, true
		case "with":
			s.headers = append(s.headers, strings.Trim(next(), `"`))
		case "sendonly", "recvonly", "inactive":
			s.direction = word
		case "body":
			s.body, err = strconv.Atoi(next())
		default:
			err = fmt.Errorf("%q is not understood", word)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// splitQuoted splits at the separator where it is not between quotes.
func splitQuoted(text string, separator rune) []string {
	quoted := false
	var parts []string
	begin := 0
	for i, r := range text {
		switch r {
		case '"':
			quoted = !quoted
		case separator:
			if !quoted {
				parts = append(parts, text[begin:i])
				begin = i + 1
			}
		}
	}
	return append(parts, text[begin:])
}

// Ladders that several tests climb.
const (
	// Caller wants our own 100, holds the call, and hangs up.
	Caller Ladder = "send INVITE, recv 100, recv 180, recv 200, send ACK, hold, send BYE, recv 200"
	Callee Ladder = "recv INVITE, send 180, send 200, recv ACK, recv BYE, send 200"

	// The far side hangs up: the way back through the route set.
	CallerHungUpOn Ladder = "send INVITE, recv 100, recv 180, recv 200, send ACK, recv BYE, send 200"
	CalleeHangsUp  Ladder = "recv INVITE, send 180, send 200, recv ACK, hold, send BYE, recv 200"

	// The call is given up while it rings.
	CallerCancels   Ladder = "send INVITE, recv 100, recv 180, send CANCEL, recv 200 of CANCEL, recv 487, send ACK"
	CalleeCancelled Ladder = "recv INVITE, send 180, recv CANCEL, send 200, send 487, recv ACK"

	CallerFindsBusy Ladder = "send INVITE, recv 100, recv 486, send ACK"
	CalleeBusy      Ladder = "recv INVITE, send 486, recv ACK"

	// CallerHeld holds the call until an INFO from outside says: hang up.
	CallerHeld Ladder = "send INVITE, recv 100, recv 180, recv 200, send ACK, recv INFO, send BYE, recv 200"
)
