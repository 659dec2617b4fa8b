package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/config"
	"causeway/appliance/exec"
)

// queryTypes are the types of records that can be looked up.
var queryTypes = config.Choice{"A", "AAAA", "ANY", "CAA", "CNAME", "DS", "MX", "NAPTR", "NS", "PTR", "SOA", "SRV", "TLSA", "TXT"}

// queryName is a name with the underscores that services have, or an address.
// Its value is a string.
type queryName struct{}

// Parse reads a name or an address.
func (queryName) Parse(word string) (any, error) {
	if address, err := (config.Address{}).Parse(word); err == nil {
		return fmt.Sprint(address), nil
	}
	if _, err := (config.Name{Max: 253}).Parse(word); err != nil {
		return nil, fmt.Errorf("%s is neither a domain name nor an IP address", word)
	}
	return word, nil
}

// Format prints the name.
func (queryName) Format(value any) string { return fmt.Sprint(value) }

// String gives the notations.
func (queryName) String() string { return "DOMAIN|A.B.C.D|X:X::X" }

// lookUp asks for the types that the operator wants and prints what came of each.
func lookUp(ctx context.Context, s exec.Session, a config.Args) error {
	query, types := Query{Name: a.Text("NAME")}, []string{"A", "AAAA"}
	if address, err := netip.ParseAddr(query.Name); err == nil {
		reverse, err := dns.ReverseAddr(address.String())
		if err != nil {
			return fmt.Errorf("look up %v: %w", address, err)
		}
		query.Name, types = reverse, []string{"PTR"}
	}
	if a.Has("TYPE") {
		types = []string{a.Text("TYPE")}
	}
	if a.Has("ADDRESS") {
		query.Server = a.Addr("ADDRESS")
	}
	for _, query.Type = range types {
		var outcome Outcome
		if err := s.Call(ctx, "control", "control.dns-query", query, &outcome); err != nil {
			return err
		}
		fmt.Fprintf(s, "%s %s, from %s:\n", query.Name, query.Type, source(outcome))
		if err := printRecords(s, outcome.Records, outcome.Outcome); err != nil {
			return err
		}
	}
	return nil
}

// source says where an answer comes from.
func source(o Outcome) string {
	switch o.Source {
	case fromStatic:
		return "the configuration"
	case fromCache:
		return fmt.Sprintf("the cache, %s old", rounded(o.Time))
	case fromStale:
		return fmt.Sprintf("the cache, %s old, for want of a new answer", rounded(o.Time))
	}
	return fmt.Sprintf("%s in %.1f ms", o.Source, float64(o.Time)/float64(time.Millisecond))
}
