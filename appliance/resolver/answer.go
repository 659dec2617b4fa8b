package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// answer is what one question came to. Nobody changes the records of one that
// has been handed out.
type answer struct {
	rcode   int           // NOERROR or NXDOMAIN
	aliases []dns.RR      // the CNAMEs that lead from the name asked for to the records
	records []dns.RR      // of the type asked for; none: there are none
	soa     *dns.SOA      // of the zone that has none; nil: it was not given
	ttl     time.Duration // how long it may be kept; 0: not at all
	server  netip.Addr    // that gave it; invalid: a static host
	octets  int           // its length on the wire
}

// Bounds of the time for which an answer is kept, whatever it allows.
const (
	longestTTL         = 24 * time.Hour
	longestNegativeTTL = 15 * time.Minute // RFC 2308 §5 leaves the bound to us
)

// longestChain bounds the CNAMEs that lead to a record.
const longestChain = 16

// Why a reply is of no use.
var (
	errTruncated = errors.New("the reply is truncated over TCP too")
	errChain     = errors.New("the aliases in the reply lead nowhere")
	errReferral  = errors.New("it refers to other servers instead of asking them")
)

// readAnswer takes from a reply what answers the question, following the
// CNAMEs in it (RFC 1034 §3.6.2) in whatever order they stand. All else in the
// reply is left alone: whoever is asked about one name has no say about others
// (RFC 5452 §6). An error means that another server should be asked.
func readAnswer(question dns.Question, reply *dns.Msg) (answer, error) {
	if reply.Truncated {
		return answer{}, errTruncated
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return answer{}, fmt.Errorf("it answers %s", rcodeName(reply.Rcode))
	}
	got := answer{rcode: reply.Rcode, ttl: longestTTL, octets: reply.Len()}
	name := dns.CanonicalName(question.Name)
	for range longestChain {
		var alias *dns.CNAME
		for _, record := range reply.Answer {
			header := record.Header()
			if header.Class != question.Qclass || dns.CanonicalName(header.Name) != name {
				continue
			}
			if header.Rrtype == question.Qtype || question.Qtype == dns.TypeANY {
				got.records = append(got.records, got.bound(record))
			} else if cname, ok := record.(*dns.CNAME); ok {
				alias = cname
			}
		}
		if len(got.records) > 0 {
			return got, nil
		}
		if alias == nil {
			got.setNegative(name, reply.Ns)
			if got.soa == nil && got.rcode == dns.RcodeSuccess && slices.ContainsFunc(reply.Ns, isNS) {
				return answer{}, errReferral // RFC 2308 §2.2
			}
			return got, nil
		}
		got.aliases = append(got.aliases, got.bound(alias))
		name = dns.CanonicalName(alias.Target)
	}
	return answer{}, errChain
}

// bound brings the TTL of a record into its bounds, and that of the answer
// down to it.
func (a *answer) bound(record dns.RR) dns.RR {
	ttl := timeToLive(record.Header().Ttl)
	record.Header().Ttl = seconds(ttl)
	a.ttl = min(a.ttl, ttl)
	return record
}

// setNegative says how long the absence of records at name may be kept: the
// smaller of the SOA's TTL and its minimum, and not at all without the SOA of
// a zone that name is in (RFC 2308 §5).
func (a *answer) setNegative(name string, authority []dns.RR) {
	for _, record := range authority {
		soa, ok := record.(*dns.SOA)
		if !ok || soa.Hdr.Class != dns.ClassINET || !dns.IsSubDomain(soa.Hdr.Name, name) {
			continue
		}
		a.ttl = min(a.ttl, timeToLive(soa.Hdr.Ttl), timeToLive(soa.Minttl), longestNegativeTTL)
		soa.Hdr.Ttl = seconds(a.ttl)
		a.soa = soa
		return
	}
	a.ttl = 0
}

func isNS(record dns.RR) bool { return record.Header().Rrtype == dns.TypeNS }

// addresses are those of its A and AAAA records.
func (a *answer) addresses() []netip.Addr {
	var list []netip.Addr
	for _, record := range a.records {
		var octets []byte
		switch record := record.(type) {
		case *dns.A:
			octets = record.A
		case *dns.AAAA:
			octets = record.AAAA
		}
		// A record without an address (RDLENGTH 0) has none to give.
		if address, ok := netip.AddrFromSlice(octets); ok {
			list = append(list, address.Unmap())
		}
	}
	return list
}

// timeToLive reads a TTL; one with the highest bit set is zero (RFC 2181 §8).
func timeToLive(seconds uint32) time.Duration {
	if seconds > 1<<31-1 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestTTL)
}

// seconds is a time as a TTL.
func seconds(d time.Duration) uint32 { return uint32(max(d, 0) / time.Second) }

// rcodeName is the word for a response code, which may be one that nobody
// assigned.
func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("the code %d", rcode)
}
