package admission

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// defaultSourceRate is how many requests a second one address may send.
const defaultSourceRate = 1000

// defaultEmergencyNumbers are emergency calls beside urn:service:sos, unless
// others are configured.
var defaultEmergencyNumbers = []string{"112", "911"}

// plan is what a configuration says, as the call path needs it. It never changes.
type plan struct {
	immediate  bool
	equal      bool // the average equal to the limit rejects
	rejectCode int
	callRate   int

	exempting bool // emergency calls pass
	emergency []string

	logsFailures bool
	sourceRate   int            // requests a second of one address
	denied       []netip.Prefix // by rising address, none inside another
	shed         hop.Refusal

	sbc  string
	sets []*policySet
	cac  *policySet // the active one; nil: none
}

// newPlan makes the plan of a configuration. tallies gives the counters of an
// entry.
func newPlan(c *model.Config, tallies func(entryKey) *tallies) *plan {
	a := &c.Admission
	p := &plan{
		immediate: a.CPSImmediate, equal: a.CPSEqual, rejectCode: 503, callRate: a.CallRate,
		exempting: !a.EmergencyCounted, emergency: a.EmergencyNumbers,
		logsFailures: a.FailedCallsLog,
		sourceRate:   cmp.Or(a.SourceRate, defaultSourceRate),
		denied:       disjoint(a.Denied),
		shed:         shedRefusal(c.SIP.Overload),
		sbc:          c.SBC.Name,
	}
	if a.CPSCode500 {
		p.rejectCode = 500
	}
	if p.emergency == nil {
		p.emergency = defaultEmergencyNumbers
	}
	for i := range c.SBC.CACPolicySets {
		set := newPolicySet(&c.SBC.CACPolicySets[i], tallies)
		p.sets = append(p.sets, set)
		if set.config.Number == c.SBC.ActiveCACPolicySet || c.SBC.ActiveCACPolicySet == 0 && len(c.SBC.CACPolicySets) == 1 {
			p.cac = set
		}
	}
	return p
}

// rateLimit is the limit that binds, and what a caller is told about it.
type rateLimit struct {
	cps          int // calls per second; 0: none
	rule, reason string
}

// limit is the smaller one of what the licence and the operator allow.
func (p *plan) limit(a model.Allowance) rateLimit {
	if p.callRate > 0 && (a.LimitCPS == 0 || p.callRate < a.LimitCPS) {
		return rateLimit{p.callRate, model.RuleCallRate, "Call Rate Exceeded"}
	}
	return rateLimit{a.LimitCPS, model.RuleCPS, "Licensed Call Rate Exceeded"}
}

// rejects says whether calls are rejected at an average, in calls per second
// (CP-5…CP-7, CP-11, CP-12): there is no state beside the average, so that
// service is resumed when it has fallen to the limit, or to a new one. A call at
// the edge of a window is in it or not by chance: one more or less is the limit.
func (p *plan) rejects(a average, limit int) bool {
	if !a.enforced {
		return false
	}
	over := float64(a.Calls) - float64(limit)*a.Span.Seconds()
	return over > 1 || p.equal && over >= -1
}

// exempts says whether the request is an emergency call that passes: one to
// urn:service:sos (RFC 5031) or to an emergency number.
func (p *plan) exempts(in *hop.Incoming) bool {
	if !p.exempting {
		return false
	}
	raw := in.Message.Raw
	if user := in.URI.User.In(raw); len(user) > 0 {
		for _, number := range p.emergency {
			// A parameter of the number may stand in the user part (RFC 3261 §19.1.6).
			if len(user) >= len(number) && string(user[:len(number)]) == number && (len(user) == len(number) || user[len(number)] == ';') {
				return true
			}
		}
		return false
	}
	return isSOS(in.Message.URI.In(raw))
}

const sos = "urn:service:sos"

// isSOS says whether a URI is the service sos or one below it.
func isSOS(uri []byte) bool {
	return len(uri) >= len(sos) && strings.EqualFold(string(uri[:len(sos)]), sos) && (len(uri) == len(sos) || uri[len(sos)] == '.')
}

// disjoint sorts prefixes and leaves out those inside another.
func disjoint(prefixes []netip.Prefix) []netip.Prefix {
	sorted := slices.SortedFunc(slices.Values(prefixes), func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	var kept []netip.Prefix
	for _, p := range sorted {
		if len(kept) == 0 || !kept[len(kept)-1].Contains(p.Addr()) {
			kept = append(kept, p)
		}
	}
	return kept
}

// denies says whether a source is one that gets no answer.
func (p *plan) denies(from netip.Addr) bool {
	if len(p.denied) == 0 {
		return false
	}
	from = from.Unmap().WithZone("")
	after, _ := slices.BinarySearchFunc(p.denied, from, func(p netip.Prefix, a netip.Addr) int {
		if p.Addr().Compare(a) <= 0 {
			return -1
		}
		return 1
	})
	return after > 0 && p.denied[after-1].Contains(from)
}
