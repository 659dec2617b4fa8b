package routing

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync/atomic"

	"causeway/appliance/model"
	"causeway/appliance/routing/field"
)

// trigger binds a condition to what is done then.
type trigger struct {
	sequence  int
	condition *condition    // nil: always
	policy    string        // empty: by-pass
	lookup    *lookupPolicy // of the routing stage
	hits      *atomic.Int64
}

// condition is true when one of its sequences is.
type condition struct {
	name      string
	sequences []triggerSequence
}

// triggerSequence is true when all of its tests are.
type triggerSequence struct {
	number int
	tests  []test
}

// test compares one part of a message. A part that the message has not is
// like none, so that the opposite of the test is true.
type test struct {
	field      model.Field
	value      string
	not        bool
	comparison comparison
	reader     field.Reader
	literal    []byte // of isLiteral and beginsWith, in lower case
	expression *regexp.Regexp
	network    netip.Prefix
	time       *timePolicy
}

// comparison is how a test compares.
type comparison uint8

const (
	isLiteral    comparison = iota // is the literal, in any case
	beginsWith                     // begins with it
	isThere                        // whatever it is
	isExpression                   // matches the expression
	isInside                       // is an address of the network
	isNow                          // the time policy holds
)

func (c *compiler) condition(m *model.TriggerCondition) (*condition, error) {
	compiled := &condition{name: m.Name}
	for _, s := range m.Sequences {
		sequence := triggerSequence{number: s.Sequence}
		for _, t := range s.Tests {
			one, err := c.test(t)
			if err != nil {
				return nil, fmt.Errorf("trigger condition %s sequence %d: %s %s: %w", m.Name, s.Sequence, describe(t.Field), t.Value, err)
			}
			sequence.tests = append(sequence.tests, one)
		}
		compiled.sequences = append(compiled.sequences, sequence)
	}
	return compiled, nil
}

func (c *compiler) test(m model.TriggerTest) (t test, err error) {
	t = test{field: m.Field, value: m.Value, not: m.Not}
	if m.Field.Kind == model.FieldTime {
		t.comparison = isNow
		t.time, err = c.timePolicy(m.Value)
		return t, err
	}
	if t.reader, err = field.Compile(m.Field); err != nil {
		return t, err
	}
	if m.Field.Kind == model.FieldLocalIP || m.Field.Kind == model.FieldRemoteIP {
		t.comparison = isInside
		t.network, err = parseSubnet(m.Value)
		return t, err
	}
	return t, t.compare(m.Value)
}

// compare makes the comparison with an expression that must match all of a
// text: one of octets where that says the same, which most do.
func (t *test) compare(value string) error {
	parsed, err := syntax.Parse(value, syntax.Perl|syntax.FoldCase|syntax.DotNL)
	if err != nil {
		return fmt.Errorf("%q is no regular expression: %w", value, err)
	}
	parts := []*syntax.Regexp{parsed}
	if parsed.Op == syntax.OpConcat {
		parts = parsed.Sub
	}
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		parts = parts[1:]
	}
	if len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText {
		parts = parts[:len(parts)-1]
	}
	if len(parts) > 0 && parts[0].Op == syntax.OpLiteral {
		t.literal = []byte(strings.ToLower(string(parts[0].Rune)))
		parts = parts[1:]
	}
	switch rest := len(parts); {
	case rest == 0 || rest == 1 && parts[0].Op == syntax.OpEmptyMatch:
		t.comparison = isLiteral
	case rest == 1 && isAnything(parts[0]) && t.literal != nil:
		t.comparison = beginsWith
	case rest == 1 && isAnything(parts[0]):
		t.comparison = isThere
	default:
		t.comparison = isExpression
		t.expression, err = compileWhole(value)
	}
	return err
}

func isAnything(e *syntax.Regexp) bool {
	return e.Op == syntax.OpStar && e.Sub[0].Op == syntax.OpAnyChar
}

// compileWhole compiles an expression that is to match all of a text, in small
// or capital letters.
func compileWhole(value string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(value); err != nil { // by itself, so that no bracket pairs with ours
		return nil, err
	}
	return regexp.Compile(`(?is)\A(?:` + value + `)\z`)
}

// holds says whether a condition is true of the message in hand; nil always is.
func (w *walk) holds(c *condition) bool {
	if c == nil {
		return true
	}
	for i := range c.sequences {
		s := &c.sequences[i]
		if failed := w.firstFalse(s); failed == nil {
			if w.notes != nil {
				w.note("sequence %d is true", s.number)
			}
			return true
		} else if w.notes != nil {
			w.noteTest(s, failed)
		}
	}
	return false
}

// firstFalse gives the first test of a sequence that is not true, or nil.
func (w *walk) firstFalse(s *triggerSequence) *test {
	for i := range s.tests {
		if t := &s.tests[i]; w.passes(t) == t.not {
			return t
		}
	}
	return nil
}

// passes compares, without regard to t.not.
func (w *walk) passes(t *test) bool {
	switch {
	case t.comparison == isNow:
		return t.time.holds(w.minute())
	case t.field.Kind == model.FieldLocalIP:
		return t.network.Contains(w.in.Local.Addr().Unmap())
	case t.field.Kind == model.FieldRemoteIP:
		return t.network.Contains(w.in.Remote.Addr().Unmap())
	}
	text, ok := t.reader.Read(w.scratch[:0], w.in, w.out)
	return ok && t.matches(text)
}

// matches compares a text.
func (t *test) matches(text []byte) bool {
	switch t.comparison {
	case isThere:
		return true
	case isLiteral:
		return bytes.EqualFold(text, t.literal)
	case beginsWith:
		return len(text) >= len(t.literal) && bytes.EqualFold(text[:len(t.literal)], t.literal)
	}
	return t.expression.Match(text)
}

// trigger gives the first trigger of a stage whose condition holds, or nil.
func (w *walk) trigger(stage model.TriggerKind) *trigger {
	triggers := w.plan.triggers[stage]
	for i := range triggers {
		t := &triggers[i]
		if w.notes != nil {
			w.noteTrigger(stage, t)
			w.indent++
		}
		holds := w.holds(t.condition)
		if w.notes != nil {
			w.indent--
		}
		if holds {
			w.count(t.hits)
			return t
		}
	}
	return nil
}
