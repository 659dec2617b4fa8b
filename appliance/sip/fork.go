package sip

import (
	"slices"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// attempt is a target that is still to be tried.
type attempt struct {
	hop.Target
	listen *listenPoint // where it leaves from; nil: one of the target's network
	rest   []attempt    // other places of the same target, for when this one fails
	// udpOnly says that the request goes over UDP whatever its length: TCP was
	// tried for the length alone, and there was nobody (RFC 3261 §18.1.1).
	udpOnly bool
}

// failoverDefault are the responses that lead to the next target where it
// says nothing else.
var failoverDefault = []model.CodeRange{{From: 503, To: 503}}

// recursionCodes lead from one contact of a redirection to the next.
var recursionCodes = []model.CodeRange{{From: 300, To: 599}}

// failsOver says whether a final response is a reason to try the next target.
func (t *clientTransaction) failsOver(status int) bool {
	codes := t.failover
	if codes == nil {
		codes = failoverDefault
	}
	for _, r := range codes {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	return false
}

// tryNext starts the next target of server, with those that are to be tried
// at the same time, unless branches before it are still under way, and says
// whether anything is under way now. The request is in hand.
func (w *worker) tryNext(s *shard, server *serverTransaction) (underWay bool) {
	underWay = server.pending > 0
	for len(server.targets) > 0 {
		next := &server.targets[0]
		switch {
		case underWay && !next.Parallel:
			return true
		case (underWay || server.status != 0 || len(server.targets) > 1) && next.Element != nil && !next.Element.InService():
			server.drop() // shut down since it was chosen
			continue
		case (underWay || server.status != 0) && len(server.targets) > 1 && next.Element != nil && !next.Element.Up():
			server.drop()
			continue
		case !next.Address.IsValid():
			if !w.locate(s, server) {
				return true
			}
			continue
		case !underWay && !w.spread(server):
			server.targets = server.targets[:0]
			server.make(440, hop.Refusal{Status: 440, Reason: "Max-Breadth Exceeded"})
			return false
		}
		w.trying = *next
		server.drop()
		if w.start(s, server, &w.trying) {
			underWay = true
		} else {
			server.instead(w.trying.rest)
		}
	}
	return underWay
}

// drop takes the first target off the list.
func (t *serverTransaction) drop() { t.targets = slices.Delete(t.targets, 0, 1) }

// maxBreadth is what a request without Max-Breadth gets (RFC 5393 §5.3.3.1).
const maxBreadth = 60

// spread shares the breadth of the request among the targets that are tried
// at the same time from now on, and those that take the place of one of them;
// false if there is not enough for one each.
func (w *worker) spread(server *serverTransaction) bool {
	branches := 1
	for branches < len(server.targets) && server.targets[branches].Parallel {
		branches++
	}
	server.breadth = 0
	if branches == 1 {
		return true
	}
	breadth := maxBreadth
	if field, found := w.msg.Lookup("Max-Breadth"); found {
		breadth = 0
		for _, digit := range w.msg.Get(field.Value) {
			if digit < '0' || digit > '9' || breadth > maxBreadth {
				break
			}
			breadth = 10*breadth + int(digit-'0')
		}
	}
	server.breadth = breadth / branches
	return server.breadth > 0
}

// locate finds the places of the first target. It says false when DNS must be
// asked: then the request goes on when the answer is there.
func (w *worker) locate(s *shard, server *serverTransaction) (known bool) {
	target := server.targets[0]
	if locator := w.p.options.Locator; locator == nil {
		w.places = w.places[:0]
	} else if w.places, known = locator.Locate(target.Query, w.places[:0]); !known {
		w.await(s, server, target.Query)
		return false
	}
	server.drop()
	var found []attempt
	for i, place := range w.places {
		one := target
		one.Transport, one.Address = place.Transport, place.Address
		if i < placesMost && w.leaves(&one) != nil {
			found = append(found, one)
		}
	}
	if len(found) == 0 {
		server.make(500, hop.Refusal{Status: 500, Reason: "Destination Not Found", Rule: "dns " + target.Host})
		return true
	}
	found[0].rest = found[1:]
	server.targets = slices.Insert(server.targets, 0, found[0])
	return true
}

// instead puts the first of those places before the other targets: it takes
// the place of a branch that has ended, whatever others do meanwhile.
func (t *serverTransaction) instead(rest []attempt) {
	if len(rest) == 0 || t.cancelled {
		return
	}
	one := rest[0]
	one.rest, one.Parallel = rest[1:], true
	t.targets = slices.Insert(t.targets, 0, one)
}

// placesMost bounds the addresses of one host that are tried.
const placesMost = 8

// await has the request go on when it is known where q is.
func (w *worker) await(s *shard, server *serverTransaction, q hop.Query) {
	if server.locating {
		return
	}
	p, key, life := w.p, server.key, server.life
	server.locating = true
	server.pending++
	p.options.Locator.Await(q, func() {
		w := p.borrow()
		defer p.giveBack(w)
		s.mu.Lock()
		defer s.unlock(p)
		if s.servers[key] != server || server.life != life {
			return
		}
		server.locating = false
		server.pending--
		w.next(s, server)
	})
}

// next goes on with the targets of server, or answers if there are none.
func (w *worker) next(s *shard, server *serverTransaction) {
	if server.state != serverProceeding {
		return
	}
	if !server.cancelled && len(server.targets) > 0 && w.revive(server) && w.tryNext(s, server) {
		return
	}
	w.settle(s, server)
}

// revive puts the request of server in hand again.
func (w *worker) revive(server *serverTransaction) bool {
	if w.msg.Parse(server.request) != nil {
		return false // impossible: we parsed and kept it
	}
	w.arrived(server.back, server.from)
	w.in.MidDialog, w.loop = server.inDialog, server.loop
	w.prepared, w.scratch = w.prepared[:0], w.scratch[:0]
	return true
}

// branchEnded goes on after a branch that ended without a response; rest are
// the other places of its target.
func (w *worker) branchEnded(s *shard, server *serverTransaction, rest []attempt, status int) {
	server.pending--
	if server.state != serverProceeding {
		return
	}
	server.make(status, hop.Refusal{})
	server.instead(rest)
	w.next(s, server)
}

// make notes a final response that we would make up, if it is better than
// what there is.
func (t *serverTransaction) make(status int, refusal hop.Refusal) {
	if t.status == 0 || rank(status) < rank(t.status) {
		t.status, t.refusal, t.best = status, refusal, t.best[:0]
	}
}

// rank orders final responses: the lowest is the best (§16.7 step 6).
func rank(status int) int {
	switch {
	case status >= 600:
		return 0
	case status == 401, status == 407, status == 415, status == 420, status == 484:
		return 40 // they tell the caller how to do better
	case status == 408:
		return 48
	case status == 503:
		return 58
	}
	return status/100*10 + 4
}

// settle answers the request with the best response there is, once no branch
// is waited for.
func (w *worker) settle(s *shard, server *serverTransaction) {
	if server.pending > 0 || server.state != serverProceeding {
		return
	}
	if server.status == 0 {
		server.status = 500 // every target was given up before it was tried
	}
	if server.cancelled && len(server.best) == 0 {
		server.status = 487
	}
	status := server.status
	if status == 503 && server.refusal.Status == 0 {
		// It is a neighbour's, or stands for one that could not be reached
		// (§16.9). Upstream it would mean that we can serve no request at all:
		// they would send us none for a while (§16.7 step 6, §21.5.4).
		status = 500
	}
	made := len(server.best) == 0
	w.concluded(s, server, status, made)
	if !server.invite && status == 408 {
		server.lapse(w, s)
		return
	}
	if made {
		w.answerFrom(s, server, status)
		return
	}
	payload := w.out.buffer()
	if (status == 401 || status == 407) && len(server.challenges) > 0 && w.kept.Parse(server.best) == nil {
		at := message.Span{Start: w.kept.FirstHeader, End: w.kept.FirstHeader}
		payload = message.Splice(payload, server.best, []message.Edit{{At: at, With: server.challenges}})
	} else {
		payload = append(payload, server.best...)
	}
	w.deliver(s, server, status, payload)
}

// deliver sends a response upstream in the server transaction.
func (w *worker) deliver(s *shard, server *serverTransaction, status int, payload []byte) {
	back := server.back
	server.responded(w, s, status, payload)
	w.put(back, payload)
	s.counted[countForwarded]++
}

// cancelBranches ends all branches that have no final response yet: those
// that rang get a CANCEL, the others as soon as they do (§9.1).
func (w *worker) cancelBranches(s *shard, server *serverTransaction) {
	server.endSearch()
	if server.locating { // nothing that is under way could bring an answer
		server.locating = false
		server.pending--
		server.life++
	}
	for t := server.branches; t != nil; t = t.sibling {
		switch {
		case !t.invite || t.state > clientProceeding || t.cancel != cancelNone:
		case t.state == clientCalling:
			t.cancel = cancelWanted
		default:
			t.startCancel(w, s)
		}
	}
}

// endSearch gives up the targets that were not tried.
func (t *serverTransaction) endSearch() {
	clear(t.targets)
	t.targets = t.targets[:0]
}

// keep keeps the response in hand, as it would go upstream, if it is the best
// so far.
func (w *worker) keep(s *shard, server *serverTransaction, t *clientTransaction) {
	status := w.msg.Status
	challenge := status == 401 || status == 407
	if challenge {
		for _, field := range w.msg.Fields {
			if w.challenges(field) {
				s.buffers.hold(&server.challenges, append(server.challenges, w.msg.Get(field.Line)...))
			}
		}
	}
	if server.status != 0 && (rank(server.status) < rank(status) || rank(server.status) == rank(status) && len(server.best) > 0) {
		return // of equal ones, what somebody really said is better than what we would make up
	}
	edits := w.upstreamEdits(server, t)
	if challenge {
		for _, field := range w.msg.Fields {
			if w.challenges(field) {
				edits = append(edits, message.Edit{At: field.Line})
			}
		}
		sortEdits(edits)
		w.edits = edits
	}
	payload := message.Splice(w.out.buffer(), w.msg.Raw, edits)
	s.buffers.keep(&server.best, payload)
	w.chose(s, server, t)
	server.status, server.refusal = status, hop.Refusal{}
}

func (w *worker) challenges(field message.Field) bool {
	name := w.msg.Get(field.Name)
	return equalFold(name, "WWW-Authenticate") || equalFold(name, "Proxy-Authenticate")
}

// targetsMost bounds the targets of one request.
const targetsMost = 16

// recurse puts the contacts of the redirection in hand before the targets, in
// the order of their q-values; those of equal q-value are tried at the same
// time (§16.5, §16.7 step 4). It says whether there were any to try.
func (w *worker) recurse(server *serverTransaction, t *clientTransaction) bool {
	type contact struct {
		attempt
		q int
	}
	m, network := &w.msg, t.to.listen.network
	var contacts []contact
	for _, c := range m.Contacts() {
		text := m.Get(c.URI)
		uri, err := message.ParseURI(m.Raw, c.URI)
		if err != nil || len(server.tried) == targetsMost || slices.Contains(server.tried, string(text)) {
			continue
		}
		one, refused := w.targetOf(m, &uri, network)
		if refused.Status != 0 {
			continue
		}
		server.tried = append(server.tried, string(text))
		one.URI, one.Failover = slices.Clone(text), recursionCodes
		contacts = append(contacts, contact{one, c.Q(m.Raw)})
	}
	slices.SortStableFunc(contacts, func(a, b contact) int { return b.q - a.q })
	for i := range contacts {
		contacts[i].Parallel = i > 0 && contacts[i].q == contacts[i-1].q
		server.targets = slices.Insert(server.targets, i, contacts[i].attempt)
	}
	return len(contacts) > 0
}
