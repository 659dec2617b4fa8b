package sip

import (
	"slices"

	"causeway/appliance/model"
)

// counter is one thing that is counted, in each shard by itself.
type counter uint8

const (
	countRequests counter = iota
	countResponses
	countForwarded
	countReplied
	countAbsorbed
	countRetransmitted
	countStray
	countTimedOut
	countCalls
	countCancelled
	countRefused
	countNoLicence
	countOverCPS
	countNoCredits
	countUnrecorded
	counterCount
)

// counterNames are the names in Status, by counter.
var counterNames = [counterCount]string{
	countRequests:      "requests",          // parsed
	countResponses:     "responses",         // parsed
	countForwarded:     "forwarded",         // requests and responses sent on
	countReplied:       "replied",           // responses of our own
	countAbsorbed:      "absorbed",          // retransmissions that ended here
	countRetransmitted: "retransmitted",     // by our timers
	countStray:         "stray",             // belonged to nothing known, dropped
	countTimedOut:      "timed-out",         // timers B, C and F
	countCalls:         "calls",             // admitted
	countCancelled:     "cancelled",         // by the caller
	countRefused:       "refused",           // INVITEs given a final response of our own
	countNoLicence:     "refused-licence",   // of these: the grant allows no calls
	countOverCPS:       "refused-cps",       // of these: licensed rate exceeded
	countNoCredits:     "refused-credits",   // of these: no room for their events
	countUnrecorded:    "unrecorded-events", // beyond a call's reservation, and no room left
}

// refusals say what a rule that refuses calls answers and counts.
var refusals = map[string]struct {
	phrase string
	count  counter
}{
	model.RuleLicence: {"Calls Are Not Licensed", countNoLicence},
	model.RuleCPS:     {"Licensed Call Rate Exceeded", countOverCPS},
	model.RuleCredits: {"Billing Journal Full", countNoCredits},
}

// Status fills in what the proxy knows: listen points, open calls,
// transactions, counters.
func (p *Proxy) Status(status *model.ProxyStatus) {
	for _, l := range p.config.Load().own {
		status.Listens = append(status.Listens, l.network.name+" udp "+l.address.String())
	}
	slices.Sort(status.Listens)
	var total [counterCount]int64
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for c, n := range s.counted {
			total[c] += n
		}
		status.OpenCalls += len(s.calls)
		status.Transactions += len(s.servers)
		s.mu.Unlock()
	}
	p.restoredMu.Lock()
	status.OpenCalls += len(p.restored)
	p.restoredMu.Unlock()
	status.Counters = map[string]int64{
		"keep-alives": p.keepAlives.Load(),
		"garbage":     p.garbage.Load(),
		"unsendable":  p.unsendable.Load(),
	}
	for c, n := range total {
		status.Counters[counterNames[c]] = n
	}
}
