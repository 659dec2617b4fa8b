package sip

import (
	"fmt"
	"slices"
	"sync/atomic"

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
	countUnreachable
	countFlood
	countOffered
	countCalls
	countFailed
	countCancelled
	countRefused
	countNoLicence
	countOverCPS
	countShed
	countNoCredits
	countNoMemory
	countNoRoom
	countMisdirected
	countExpired
	countUnrecorded
	counterCount
)

// counterNames are the names in Status, by counter.
var counterNames = [counterCount]string{
	countRequests:      "requests",             // parsed
	countResponses:     "responses",            // parsed
	countForwarded:     "forwarded",            // requests and responses sent on
	countReplied:       "replied",              // responses of our own
	countAbsorbed:      "absorbed",             // retransmissions that ended here
	countRetransmitted: "retransmitted",        // by our timers
	countStray:         "stray",                // belonged to nothing known, dropped
	countTimedOut:      "timed-out",            // timers B, C and F
	countUnreachable:   "unreachable",          // ICMP error, or no connection
	countFlood:         "flood",                // requests of sources that send too many, dropped
	countOffered:       "offered",              // valid initial INVITEs
	countCalls:         "calls",                // admitted
	countFailed:        "failed",               // of these: not answered, cancelled ones included
	countCancelled:     "cancelled",            // of the failed ones: given up by the caller
	countRefused:       "refused",              // INVITEs given a final response of our own
	countNoLicence:     "refused-licence",      // of these: the grant allows no calls
	countOverCPS:       "refused-cps",          // of these: licensed rate exceeded
	countShed:          "refused-overload",     // of these: overload
	countNoCredits:     "refused-credits",      // of these: no room for their events
	countNoMemory:      "refused-transactions", // of these: no memory for more transactions
	countNoRoom:        "refused-cac",          // targets that call admission control refused
	countMisdirected:   "misdirected",          // BYEs that went elsewhere than to the other side
	countExpired:       "expired-sessions",     // calls whose session nobody refreshed (RFC 4028)
	countUnrecorded:    "unrecorded-events",    // beyond a call's reservation, and no room left
}

// traffic counts messages by transport. Each worker counts by itself.
type traffic struct{ received, sent [len(model.Transports)]int64 }

// trafficSum is the traffic of all workers.
type trafficSum struct {
	received, sent [len(model.Transports)]atomic.Int64
}

// take adds what a worker has counted, and has it begin anew.
func (sum *trafficSum) take(t *traffic) {
	for i := range model.Transports {
		if n := t.received[i]; n > 0 {
			sum.received[i].Add(n)
		}
		if n := t.sent[i]; n > 0 {
			sum.sent[i].Add(n)
		}
	}
	*t = traffic{}
}

// Status fills in what the proxy knows: listen points, open calls,
// transactions, counters.
func (p *Proxy) Status(status *model.ProxyStatus) {
	for _, l := range p.config.Load().own {
		status.Listens = append(status.Listens, fmt.Sprintf("%s %v %v", l.network.name, l.Transport, l.Address))
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
		"keep-alives":      p.keepAlives.Load(),
		"garbage":          p.garbage.Load(),
		"denied":           p.denied.Load(),
		"unsendable":       p.unsendable.Load(),
		"dropped-overload": p.dropped.Load(), // INVITEs
	}
	for c, n := range total {
		status.Counters[counterNames[c]] = n
	}
	for _, t := range model.Transports {
		status.Counters["received-"+t.String()] = p.traffic.received[t].Load() // parsed
		status.Counters["sent-"+t.String()] = p.traffic.sent[t].Load()
	}
	p.streams.Counters(status.Counters)
}
