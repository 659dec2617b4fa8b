package resolver

import (
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/model"
)

// staticTTL is what is said of static hosts: a change of the configuration
// counts after this time wherever their addresses are kept.
const staticTTL = time.Minute

// localhost is known always (RFC 6761 §6.3).
var localhost = model.Host{
	Name:      "localhost",
	Addresses: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()},
}

// staticAnswers gives the answers that are known without asking: the addresses
// of the hosts, none included, and the names of their addresses.
func staticAnswers(hosts []model.Host) map[dns.Question]answer {
	static := map[dns.Question]answer{}
	for _, host := range slices.Concat(hosts, []model.Host{localhost}) {
		name := dns.CanonicalName(host.Name)
		for _, qtype := range addressTypes {
			question := dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
			static[question] = answer{ttl: staticTTL}
		}
		for _, address := range host.Addresses {
			addStatic(static, name, addressRecord(address))
			reverse, err := dns.ReverseAddr(address.String())
			if err == nil { // it is an address
				addStatic(static, reverse, &dns.PTR{Hdr: dns.RR_Header{Rrtype: dns.TypePTR}, Ptr: name})
			}
		}
	}
	return static
}

// staticAnswer gives the answer that is known without asking. Of localhost and
// the names below it, which are its aliases, nobody is asked anything.
func (r *Resolver) staticAnswer(question dns.Question) (answer, bool) {
	const top = "localhost."
	if !dns.IsSubDomain(top, question.Name) {
		found, ok := r.static[question]
		return found, ok
	}
	name := question.Name
	question.Name = top
	found := r.static[question]
	if name != top && len(found.records) > 0 {
		header := dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: seconds(staticTTL)}
		found.aliases = []dns.RR{&dns.CNAME{Hdr: header, Target: top}}
	}
	return found, true
}

// addressTypes are those of records that hold addresses.
var addressTypes = [...]uint16{dns.TypeA, dns.TypeAAAA}

func addressRecord(a netip.Addr) dns.RR {
	if a.Is4() {
		return &dns.A{Hdr: dns.RR_Header{Rrtype: dns.TypeA}, A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: dns.RR_Header{Rrtype: dns.TypeAAAA}, AAAA: a.AsSlice()}
}

// addStatic adds a record of a name to the answer to the question for its type.
func addStatic(static map[dns.Question]answer, name string, record dns.RR) {
	header := record.Header()
	header.Name, header.Class, header.Ttl = name, dns.ClassINET, seconds(staticTTL)
	question := dns.Question{Name: name, Qtype: header.Rrtype, Qclass: dns.ClassINET}
	known := static[question]
	static[question] = answer{records: append(known.records, record), ttl: staticTTL}
}
