package gate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// request is what COM wants, a call or a stream.
type request struct {
	session Session
	name    string // as wire.Signed.Method has it
	service string // its switch; empty: any
	signed  bool   // it must be
	may     func(model.Rights) bool
	meta    wire.Meta
	params  json.RawMessage // in canonical form
}

// admitted is a request that the configuration, its signature and its time let
// through.
type admitted struct {
	request
	operator string // who has signed it; empty: nobody
	key      string // his, as the configuration had it then
}

// origin is that of model.Operator.
func (a *admitted) origin() string { return origin(a.meta.Actor, a.operator) }

func origin(actor, operator string) string {
	text := strings.TrimSpace("com " + actor)
	if operator != "" {
		text += " via " + operator
	}
	return text
}

// by is who stands in logs for what is done or refused.
func by(actor, operator string) model.Operator {
	return model.Operator{User: model.COMAdmin, Origin: plain(origin(actor, operator))}
}

// longestActor is that of a name that COM gives somebody, in octets.
const longestActor = 64

// admit checks all that comes before the rights of COMAdmin.
func (g *Gate) admit(r request) (admitted, error) {
	g.mu.Lock()
	com, operators := g.com, g.operators
	g.mu.Unlock()
	open, support := g.open(&com, r.service)
	switch {
	case !open:
		return admitted{request: r}, Refuse(wire.CodeDisabled, "%s is switched off on this box", cmp.Or(r.service, "what COM may do"))
	case !g.options.Allows(wire.FeatureManagement):
		return admitted{request: r}, Refuse(wire.CodeSubscribed, "the box has no subscription for %s", wire.FeatureManagement)
	case len(r.meta.Actor) > longestActor || strings.ContainsFunc(r.meta.Actor, func(c rune) bool { return c <= ' ' || c > '~' }):
		return admitted{request: r}, Refuse(wire.CodeParams, "the actor is no name of at most %d characters", longestActor)
	}
	if r.meta.Signature == "" {
		switch {
		case r.signed:
			return admitted{request: r}, Refuse(wire.CodeNotAllowed, "%s is to be signed by an operator", r.name)
		case support:
			return admitted{request: r}, Refuse(wire.CodeNotAllowed, "support access is for operators that the box trusts: %s is to be signed", r.name)
		}
		return admitted{request: r}, nil
	}
	name, err := g.signer(r, operators)
	if err != nil {
		return admitted{request: r}, err
	}
	left := time.Unix(r.meta.Expires.Unix(), 0).Sub(g.options.Now())
	switch {
	case left <= 0:
		return admitted{request: r}, Refuse(wire.CodeExpired, "the signature has expired")
	case left > wire.LongestLife:
		return admitted{request: r}, Refuse(wire.CodeExpired, "the signature is for more than %v, or the clocks differ", wire.LongestLife)
	case len(r.meta.Idem) != lengthUUID || strings.Trim(r.meta.Idem, "0123456789abcdefABCDEF-") != "":
		return admitted{request: r}, Refuse(wire.CodeParams, "idem is no UUID")
	}
	return admitted{r, name, operators[name].text}, nil
}

// lengthUUID is that of a UUID as text (RFC 9562 §4).
const lengthUUID = 36

// signer gives the operator who has signed a request.
func (g *Gate) signer(r request, operators map[string]operator) (string, error) {
	serial, err := g.options.Serial()
	if err != nil {
		return "", err
	}
	text, err := payload(wire.Signed{
		Audience: serial, Session: r.session.ID, Method: r.name, Params: digest(r.params),
		Idem: r.meta.Idem, Expires: r.meta.Expires.Unix(), Actor: r.meta.Actor,
	})
	if err != nil {
		return "", err
	}
	name, err := verify(operators, r.meta.Signature, text)
	if err != nil {
		return "", Refuse(wire.CodeNotAllowed, "%v", err)
	}
	return name, nil
}

// open says whether the switch of a service is on, and whether it is support
// access alone that has it so.
func (g *Gate) open(com *model.COM, service string) (open, support bool) {
	switch {
	case service == "" && len(com.Services) > 0, com.Serves(service):
		return true, false
	case g.support.left() > 0 && (service == "" || opensSupport(service)):
		return true, true
	}
	return false, false
}

// permitted checks the rights of COMAdmin.
func permitted(r request, rights model.Rights) error {
	if r.may != nil && !r.may(rights) {
		return Refuse(wire.CodeNotAllowed, "the group of %s does not permit %s", model.COMAdmin, r.name)
	}
	return nil
}

// refuse writes down what was refused, at a pace that leaves the access log room
// for refusals at the other doors of the box.
func (g *Gate) refuse(operator model.Operator, line string, err error) {
	why := plain(err.Error())
	g.mu.Lock()
	if !g.refusals.take(g.options.Uptime(), refusedEvery, refusedBurst) {
		g.unsaid++
		g.mu.Unlock()
		return
	}
	if g.unsaid > 0 {
		why = fmt.Sprintf("%s, and %d refusals before it", why, g.unsaid)
	}
	g.unsaid = 0
	g.mu.Unlock()
	g.options.Door.Refuse(model.Audit{Operator: operator, Line: plain(line)}, why)
}

// plain is a text of somebody else as it may stand on a terminal.
func plain(text string) string {
	const most = 300 // octets
	text = text[:min(len(text), most)]
	return strings.Map(func(c rune) rune {
		if c == unicode.ReplacementChar || !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
}

// told is what was written down of what need not be signed. COM may do such
// things as often as it likes, and shall not wash out the log by that: what would
// have to be written down beyond the pace is refused, so nothing is done unseen.
type told struct {
	session uint64          // of the link
	lines   map[string]bool // in this session
	pace    pace
}

// mostTold lines are remembered.
const mostTold = 64

// first says whether a line about a call is to be written down: once in a session
// of the link, as long as it is remembered.
func (t *told) first(session uint64, line string, now time.Duration) (bool, error) {
	if t.session != session || t.lines == nil || len(t.lines) == mostTold {
		t.session, t.lines = session, map[string]bool{}
	}
	switch {
	case t.lines[line]:
		return false, nil
	case !t.pace.take(now, toldEvery, toldBurst):
		return false, Refuse(wire.CodeBusy, "more is read than the access log is to hold")
	}
	t.lines[line] = true
	return true, nil
}
