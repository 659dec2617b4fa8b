package routing

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"causeway/appliance/model"
)

// What a table can hold.
const (
	maxRoutes      = 200_000 // typed ones and those of its file
	maxExpressions = 1_000   // of a table that is looked up by rule regex: they are tried one by one
)

var errNoSubnet = errors.New("it is no address and no network such as 192.0.2.0/24")

// table maps keys to destinations, with an index for each way in which some
// policy looks keys up. Exact, prefix and fixed lookups share one.
type table struct {
	name    string
	refusal string // Rule of what its routes refuse
	file    string
	problem error // with the file: its routes are not there
	hits    *atomic.Int64

	keys         keys    // as configured, in their order
	destinations []int32 // of each key, in Plan.destinations

	begins      *trie // of the keys in lower case
	ends        *trie // the same backwards, without a leading dot
	subnets     *subnets[int32]
	expressions []*regexp.Regexp
}

// table makes a table that has no index yet. A file with a fault is refused,
// unless the box starts or runs with that fault already.
func (c *compiler) table(m *model.RouteTable) (*table, error) {
	t := &table{
		name: m.Name, refusal: "route table " + m.Name, file: m.File,
		hits: c.counter("route table " + m.Name),
	}
	err := c.fillTable(t, m.Routes, m.File)
	if err != nil && m.File != "" && c.toleratesFile(m) {
		t.problem = err
		err = c.fillTable(t, m.Routes, "")
	}
	if err != nil {
		return nil, fmt.Errorf("route table %s: %w", m.Name, err)
	}
	return t, nil
}

// toleratesFile says whether a table may do without the routes of its file: no
// plan is in force yet, or the one in force does without them.
func (c *compiler) toleratesFile(m *model.RouteTable) bool {
	if c.old == nil {
		return true
	}
	old := c.old.tables[m.Name]
	return old != nil && old.file == m.File && old.problem != nil
}

// fillTable puts the typed routes and those of a file, if there is one, into
// the table. Routes go from their line into the table one by one: all of a file
// are never held twice.
func (c *compiler) fillTable(t *table, typed []model.Route, file string) error {
	var text strings.Builder
	t.keys.ends, t.destinations = nil, nil
	taken := make(map[string]struct{}, len(typed))
	take := func(r *model.Route) error { return c.add(t, &text, taken, r) }
	for i := range typed {
		if err := take(&typed[i]); err != nil {
			return err
		}
	}
	if file != "" {
		if err := c.router.readRouteFile(file, take); err != nil {
			return err
		}
	}
	t.keys.text, t.keys.ends, t.destinations = text.String(), slices.Clip(t.keys.ends), slices.Clip(t.destinations)
	return nil
}

func (c *compiler) add(t *table, text *strings.Builder, taken map[string]struct{}, r *model.Route) error {
	_, double := taken[r.Key]
	switch {
	case r.Key == "" || len(r.Key) > keyMax || strings.IndexByte(r.Key, 0) >= 0:
		return fmt.Errorf("key %.20q has not 1 to %d octets", r.Key, keyMax)
	case double:
		return fmt.Errorf("key %s: the table has it already", r.Key)
	case t.keys.len() == maxRoutes:
		return fmt.Errorf("key %s: a table holds no more than %d routes", r.Key, maxRoutes)
	}
	destination, err := c.destination(&r.Destination)
	if err != nil {
		return fmt.Errorf("key %s: %w", r.Key, err)
	}
	taken[r.Key] = struct{}{}
	text.WriteString(r.Key)
	t.keys.ends = append(t.keys.ends, uint32(text.Len()))
	t.destinations = append(t.destinations, destination)
	return nil
}

// index makes what lookups by a rule need, if it is not there.
func (t *table) index(rule model.MatchRule) error {
	var err error
	switch {
	case rule == model.MatchSubdomain && t.ends == nil:
		ends := newTrie(t.keys.backwards())
		t.ends = &ends
	case rule == model.MatchSubnet && t.subnets == nil:
		t.subnets, err = t.newSubnets()
	case rule == model.MatchRegex && t.expressions == nil:
		t.expressions, err = t.newExpressions()
	case rule <= model.MatchFixed && t.begins == nil:
		begins := newTrie(t.keys.lower())
		t.begins = &begins
	}
	if err != nil {
		return fmt.Errorf("route table %s: %w", t.name, err)
	}
	return nil
}

func (t *table) newSubnets() (*subnets[int32], error) {
	s := new(subnets[int32])
	for i := range t.keys.len() {
		network, err := parseSubnet(t.keys.at(i))
		if err != nil {
			return nil, fmt.Errorf("key %s, looked up by rule subnet: %w", t.keys.at(i), err)
		}
		s.add(network, int32(i))
	}
	return s, nil
}

func (t *table) newExpressions() ([]*regexp.Regexp, error) {
	if t.keys.len() > maxExpressions {
		return nil, fmt.Errorf("%d keys; rule regex looks at no more than %d", t.keys.len(), maxExpressions)
	}
	expressions := make([]*regexp.Regexp, t.keys.len())
	for i := range expressions {
		var err error
		if expressions[i], err = compileWhole(t.keys.at(i)); err != nil {
			return nil, fmt.Errorf("key %s, looked up by rule regex: %w", t.keys.at(i), err)
		}
	}
	return expressions, nil
}

// find gives the route of a key, or none. The key is in lower case; scratch is
// as long as it at least; address is what the key says as one.
func (t *table) find(s *step, key, scratch []byte, address netip.Addr) int32 {
	switch s.rule {
	case model.MatchExact:
		return t.begins.exact(key)
	case model.MatchPrefix:
		return t.begins.longest(key, false)
	case model.MatchFixed:
		if len(key) < s.length {
			return none
		}
		return t.begins.exact(key[:s.length])
	case model.MatchSubdomain:
		return t.ends.longest(reverse(scratch, bytes.TrimSuffix(key, []byte("."))), true)
	case model.MatchSubnet:
		if route, length := t.subnets.longest(address, func(int32) bool { return true }); length >= 0 {
			return route
		}
	case model.MatchRegex:
		for i, expression := range t.expressions {
			if expression.Match(key) {
				return int32(i)
			}
		}
	}
	return none
}

// bytes is the memory that the table takes, without its expressions.
func (t *table) bytes() int {
	n := t.keys.bytes() + 4*len(t.destinations)
	for _, index := range []*trie{t.begins, t.ends} {
		if index != nil {
			n += index.bytes()
		}
	}
	if t.subnets != nil {
		n += len(t.subnets.values) * subnetBytes
	}
	return n
}

// subnetBytes is about what a network costs in a map that is three quarters full.
const subnetBytes = 56

// keys are the keys of a table in their order, in one piece of memory.
type keys struct {
	text string
	ends []uint32 // of each key in text
}

func (k *keys) len() int { return len(k.ends) }

// begin is where a key begins in the text.
func (k *keys) begin(i int) int {
	if i == 0 {
		return 0
	}
	return int(k.ends[i-1])
}

func (k *keys) at(i int) string { return k.text[k.begin(i):k.ends[i]] }

func (k *keys) bytes() int { return len(k.text) + 4*len(k.ends) }

// lower gives the keys in lower case: their octets are where they were.
func (k *keys) lower() *keys { return &keys{lower(k.text), k.ends} }

// backwards gives the keys in lower case, each from its end to its begin and
// without a leading dot.
func (k *keys) backwards() *keys {
	var text strings.Builder
	text.Grow(len(k.text))
	changed := &keys{ends: make([]uint32, 0, k.len())}
	var scratch []byte
	for i := range k.len() {
		scratch = reverse(scratch, []byte(strings.TrimPrefix(lower(k.at(i)), ".")))
		text.Write(scratch)
		changed.ends = append(changed.ends, uint32(text.Len()))
	}
	changed.text = text.String()
	return changed
}

// lower is the key in lower case: only of ASCII letters, as lookups do it.
func lower(key string) string {
	if strings.IndexFunc(key, func(r rune) bool { return 'A' <= r && r <= 'Z' }) < 0 {
		return key
	}
	return string(appendLower(nil, []byte(key)))
}

// appendLower appends text with its ASCII letters in lower case.
func appendLower(b, text []byte) []byte {
	for _, c := range text {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		b = append(b, c)
	}
	return b
}

// reverse puts text backwards into b from its begin.
func reverse(b, text []byte) []byte {
	b = append(b[:0], text...)
	slices.Reverse(b)
	return b
}
