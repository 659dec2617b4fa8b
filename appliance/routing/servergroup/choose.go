package servergroup

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// MaxElements is the most elements that a group can have.
const MaxElements = 64

// rank is the place of a member in the order for one call, lower ones first:
// its tier in the upper 8 bits, its score in the next 48, and its number in the
// lowest 8, so that equal scores go in the order of the configuration.
type rank uint64

const (
	tierShift  = 56
	scoreShift = 8
	scoreBits  = 48
)

func (r rank) member() int { return int(r & 0xff) }

// Choose appends the elements that a request goes to, in the order to try them:
// by falling q-value, and among equal ones as the group's balance says. A hash
// is a rendezvous: each key has an order of its own of all elements, so that
// calls whose element serves keep it when another one goes or comes. Elements
// that are down or at rest are left out; when all are, the one that would have
// been the first is tried all the same. Nothing is appended when the group is
// empty, when all of it is shut down, or when all elements that are up have asked for fewer calls and this
// one falls under that: it is to be answered 503.
func (s *Set) Choose(group int, in *hop.Incoming, to []hop.Target) []hop.Target {
	g := &s.groups[group]
	var space [MaxElements]rank
	order := g.order(in, space[:0])
	now := s.registry.now()
	first, declined := len(to), false
	for i, r := range order {
		m := &g.members[r.member()]
		switch {
		case !m.element.take(now, i == 0):
		case m.element.declines(now) && isNewCall(in):
			declined = true
		default:
			to = append(to, m.target)
		}
	}
	if len(to) == first && !declined && len(order) > 0 {
		to = append(to, g.members[order[0].member()].target)
	}
	return to
}

// isNewCall says whether a request may be withheld from a server that is
// overloaded. Emergency calls (RFC 5031) may not.
func isNewCall(in *hop.Incoming) bool {
	return in.Message.Method == message.Invite && !bytes.EqualFold(in.Message.Get(in.URI.Scheme), []byte("urn"))
}

// order appends the members in the order for one request, but for those that
// are shut down.
func (g *group) order(in *hop.Incoming, order []rank) []rank {
	key := g.key(in)
	for i := range g.members {
		m := &g.members[i]
		if m.shutdown {
			continue
		}
		var score uint64
		switch g.balance {
		case model.BalanceHighestQ:
		case model.BalanceWeight:
			score = weigh(m.share)
		default:
			score = mix(key^m.hash) >> (64 - scoreBits)
		}
		order = append(order, rank(m.tier<<tierShift|score<<scoreShift|uint64(i)))
	}
	slices.Sort(order)
	return order
}

// key is the hash of what the balance of the group goes by.
func (g *group) key(in *hop.Incoming) uint64 {
	m := in.Message
	switch g.balance {
	case model.BalanceRequestURI:
		return hash(m.Get(m.URI))
	case model.BalanceCallID:
		return hash(m.Get(m.CallID))
	case model.BalanceToURI:
		return hash(m.Get(m.ToURI))
	}
	return 0
}

// weigh draws the score of a share. Of exponential draws, each divided by its
// share, one is the lowest as often as its part in the sum of the shares; so
// it is among the others when that one is taken away. A share of 0 comes after
// all others.
func weigh(share float64) uint64 {
	if share == 0 {
		return 1<<scoreBits - 1
	}
	// Positive floats sort as their bits do; the first one is 0.
	return math.Float64bits(rand.ExpFloat64()/share) >> (63 - scoreBits)
}

// hash is FNV-1a: short, without a seed, so that a key finds the same element
// after a restart.
func hash[T string | []byte](key T) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 0x100000001b3
	}
	return h
}

// mix spreads every bit of h over all of them (the finaliser of MurmurHash3).
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
