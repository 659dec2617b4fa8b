package locate

import (
	"time"

	"causeway/appliance/sip/hop"
)

// Bounds of one answer: whoever tries so many places in vain tries no more.
const (
	maxServers = 32 // of one service
	maxPlaces  = 64
)

// answer is what a query came to. It never changes.
type answer struct {
	services []service // in the order to try them; none: err says why
	err      error
	guessed  bool // the DNS failed in a part that could have said otherwise
	stored   time.Time
	life     time.Duration
}

// failed says whether there is no place to try.
func (a *answer) failed() bool { return len(a.services) == 0 }

// service is the servers of one transport that have addresses, in the order of
// ordered. A host without SRV records is the only one of its service.
type service []server

// server is one of them.
type server struct {
	priority, weight uint16
	places           []hop.Place
}

// appendPlaces appends all places in an order to try them. random gives a
// number from 0 to below n.
func (a *answer) appendPlaces(to []hop.Place, random func(n int) int) []hop.Place {
	for _, s := range a.services {
		for len(s) > 0 {
			equal := 1
			for equal < len(s) && s[equal].priority == s[0].priority {
				equal++
			}
			to = appendDrawn(to, s[:equal], random)
			s = s[equal:]
		}
	}
	return to
}

// appendDrawn appends the places of servers of one priority, at most
// maxServers, drawn by their weights (RFC 2782, "Usage rules").
func appendDrawn(to []hop.Place, servers []server, random func(n int) int) []hop.Place {
	if len(servers) == 1 {
		return append(to, servers[0].places...)
	}
	sum := 0
	for i := range servers {
		sum += int(servers[i].weight)
	}
	var drawn uint32 // a bit for each
	for range servers {
		left, next := random(sum+1), -1
		for i := range servers {
			if drawn&(1<<i) != 0 {
				continue
			}
			next = i
			if left -= int(servers[i].weight); left <= 0 {
				break
			}
		}
		drawn |= 1 << next
		sum -= int(servers[next].weight)
		to = append(to, servers[next].places...)
	}
	return to
}
