package routing

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"causeway/appliance/model"
	"causeway/appliance/routing/field"
	"causeway/appliance/sip/message"
)

// lookupPolicy is steps that are tried in order until one finds a route.
type lookupPolicy struct {
	id    int32 // among groups and policies
	name  string
	steps []step
}

// step looks one key up in one table.
type step struct {
	sequence int
	table    *table
	field    model.Field
	reader   field.Reader
	rule     model.MatchRule
	length   int // of rule fixed

	ignorePlus       bool
	ignoreSeparators bool
	expression       *regexp.Regexp // nil: none
	replacement      []byte

	hits *atomic.Int64
}

// lookupPolicy fills in a policy.
func (c *compiler) lookupPolicy(p *lookupPolicy, m *model.LookupPolicy) error {
	for i := range m.Steps {
		step, err := c.step(m.Name, &m.Steps[i])
		if err != nil {
			return fmt.Errorf("lookup policy %s sequence %d: %w", m.Name, m.Steps[i].Sequence, err)
		}
		p.steps = append(p.steps, step)
	}
	return nil
}

func (c *compiler) step(policy string, m *model.LookupStep) (s step, err error) {
	s = step{
		sequence: m.Sequence, field: m.Field, rule: m.Rule, length: m.Length,
		ignorePlus: m.IgnorePlus, ignoreSeparators: m.IgnoreTelSeparators,
		hits: c.counter(fmt.Sprintf("policy lookup %s %d", policy, m.Sequence)),
	}
	if s.table = c.plan.tables[m.Table]; s.table == nil {
		return s, fmt.Errorf("there is no route table %q", m.Table)
	}
	if s.reader, err = field.Compile(m.Field); err != nil {
		return s, err
	}
	if m.Rule == model.MatchFixed && m.Length < 1 {
		return s, fmt.Errorf("rule fixed of %d characters", m.Length)
	}
	if m.Match != "" {
		if s.expression, err = regexp.Compile(m.Match); err != nil {
			return s, fmt.Errorf("regex-match: %w", err)
		}
		s.replacement = template(m.Replace)
	}
	return s, s.table.index(m.Rule)
}

// template is the replacement as regexp has it: there, letters behind $1 would
// be taken for part of a name.
func template(replace string) []byte {
	return regexp.MustCompile(`\$(\d+)`).ReplaceAll([]byte(replace), []byte(`$${$1}`))
}

// lookup tries the steps of a policy, and says whether one decided.
func (w *walk) lookup(p *lookupPolicy) (decided bool) {
	if !w.enter(p.id, "policy lookup", p.name) {
		return false
	}
	defer w.leave()
	for i := range p.steps {
		s := &p.steps[i]
		route := w.find(s)
		if route == none {
			continue
		}
		w.count(s.hits)
		w.count(s.table.hits)
		w.table = s.table
		if w.follow(w.plan.destinations[s.table.destinations[route]]) {
			return true
		}
	}
	return false
}

// find gives the route that a step finds, or none.
func (w *walk) find(s *step) (route int32) {
	key, ok := w.key(s)
	if !ok {
		if w.notes != nil {
			w.note("sequence %d: the request has no %s", s.sequence, describe(s.field))
		}
		return none
	}
	w.backwards = slices.Grow(w.backwards[:0], len(key))
	route = s.table.find(s, key, w.backwards, w.address(s, key))
	if w.notes != nil {
		w.noteStep(s, key, route)
	}
	return route
}

// key is what a step looks up, in lower case.
func (w *walk) key(s *step) (key []byte, ok bool) {
	text, ok := s.reader.Read(w.scratch[:0], w.in, nil)
	if !ok {
		return nil, false
	}
	if s.ignorePlus {
		text = bytes.TrimPrefix(text, []byte("+"))
	}
	if s.expression != nil {
		text = s.expression.ReplaceAll(text, s.replacement)
	}
	w.folded = w.folded[:0]
	for _, c := range text {
		switch {
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case s.ignoreSeparators && strings.IndexByte("-.()", c) >= 0:
			continue
		}
		w.folded = append(w.folded, c)
	}
	return w.folded, len(w.folded) > 0
}

// address is the address that a key of rule subnet is; invalid if it is none.
func (w *walk) address(s *step, key []byte) netip.Addr {
	switch {
	case s.rule != model.MatchSubnet:
		return netip.Addr{}
	case s.field.Kind == model.FieldRemoteIP:
		return w.in.Remote.Addr()
	case s.field.Kind == model.FieldLocalIP:
		return w.in.Local.Addr()
	}
	host := message.URI{Host: message.Span{End: uint16(len(key))}}
	address, _ := host.Addr(key)
	return address
}
