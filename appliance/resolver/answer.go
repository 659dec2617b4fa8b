package resolver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// answer is what one question came to. Without addresses it says that there
// are none.
type answer struct {
	addresses []netip.Addr
	ttl       time.Duration // how long it may be kept; 0 means not at all
}

// Bounds of the time for which an answer is kept, whatever it allows.
const (
	longestTTL         = 24 * time.Hour
	longestNegativeTTL = 15 * time.Minute // RFC 2308 §5 leaves the bound to us
)

// longestChain bounds the CNAMEs that lead to an address.
const longestChain = 16

// Why a reply is of no use.
var (
	errOtherQuestion = errors.New("the reply is to another question")
	errTruncated     = errors.New("the reply is truncated over TCP too")
)

// readReply takes the addresses that question asks for from a reply, following
// the CNAMEs in it (RFC 1034 §3.6.2) in whatever order they stand. An error
// means that another server should be asked.
func readReply(question dns.Question, reply *dns.Msg) (answer, error) {
	if !reply.Response || len(reply.Question) != 1 || !sameQuestion(reply.Question[0], question) {
		return answer{}, errOtherQuestion
	}
	if reply.Truncated {
		return answer{}, errTruncated
	}
	if reply.Rcode != dns.RcodeSuccess && reply.Rcode != dns.RcodeNameError {
		return answer{}, fmt.Errorf("it answers %s", dns.RcodeToString[reply.Rcode])
	}

	ttl := longestTTL
	var addresses []netip.Addr
	name := question.Name
	for range longestChain {
		next := ""
		for _, record := range reply.Answer {
			header := record.Header()
			if header.Class != question.Qclass || dns.CanonicalName(header.Name) != name {
				continue
			}
			switch record := record.(type) {
			case *dns.A:
				addresses = appendType(addresses, question.Qtype == dns.TypeA, record.A)
			case *dns.AAAA:
				addresses = appendType(addresses, question.Qtype == dns.TypeAAAA, record.AAAA)
			case *dns.CNAME:
				next = dns.CanonicalName(record.Target)
			default:
				continue
			}
			ttl = min(ttl, timeToLive(header.Ttl))
		}
		if len(addresses) > 0 {
			return answer{addresses, ttl}, nil
		}
		if next == "" {
			break
		}
		name = next
	}
	return answer{ttl: min(ttl, negativeTTL(reply))}, nil
}

// appendType appends the address if it is of the type asked for. A record
// without an address (RDLENGTH 0) has none to append.
func appendType(list []netip.Addr, asked bool, ip net.IP) []netip.Addr {
	if address, ok := netip.AddrFromSlice(ip); ok && asked {
		list = append(list, address.Unmap())
	}
	return list
}

func sameQuestion(a, b dns.Question) bool {
	return a.Qtype == b.Qtype && a.Qclass == b.Qclass && dns.CanonicalName(a.Name) == dns.CanonicalName(b.Name)
}

// timeToLive reads a TTL; one with the highest bit set is zero (RFC 2181 §8).
func timeToLive(seconds uint32) time.Duration {
	if seconds > 1<<31-1 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestTTL)
}

// negativeTTL says how long the absence of addresses may be kept: the smaller
// of the SOA's TTL and its minimum, and not at all without SOA (RFC 2308 §5).
func negativeTTL(reply *dns.Msg) time.Duration {
	for _, record := range reply.Ns {
		if soa, ok := record.(*dns.SOA); ok {
			return min(timeToLive(soa.Hdr.Ttl), timeToLive(soa.Minttl), longestNegativeTTL)
		}
	}
	return 0
}
