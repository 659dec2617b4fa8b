package resolver

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// What control.resolve takes and answers.
type (
	Name struct {
		Name string `json:"name"` // a host's, or an address literal
	}
	Addresses struct {
		Addresses []netip.Addr `json:"addresses"` // at least one, IPv4 before IPv6
	}
)

// State is the answer of control.dns.
type State struct {
	Status   string           `json:"status"` // as Resolver.Status
	Served   []Served         `json:"served"`
	Servers  []Server         `json:"servers"` // in the order of the configuration
	Checks   []Checked        `json:"checks"`
	Counters map[string]int64 `json:"counters"` // questions since control started, by what became of them
	Cached   int              `json:"cached"`   // answers
	Octets   int              `json:"octets"`   // of them, on the wire
}

// Served is one address where the box is served.
type Served struct {
	Place   string `json:"place"`   // "127.0.0.1:53 udp"
	Problem string `json:"problem"` // why it is not; empty: it is
}

// Server is one name server.
type Server struct {
	Address   netip.Addr    `json:"address"`
	Origin    string        `json:"origin"` // "configured", "DHCP LAN1", "default"
	Silent    bool          `json:"silent"` // it cannot be reached or did not answer a probe
	Problem   string        `json:"problem"`
	Asked     int64         `json:"asked"`
	Failed    int64         `json:"failed"`     // of these
	RoundTrip time.Duration `json:"round_trip"` // 0: it never answered
	Answered  time.Duration `json:"answered"`   // ago, if it ever did
}

// Checked is one name that must resolve.
type Checked struct {
	Name    string        `json:"name"`
	Use     string        `json:"use"`     // "COM domain"
	Done    bool          `json:"done"`    // once, at least
	Ago     time.Duration `json:"ago"`     // the last time
	Problem string        `json:"problem"` // empty: it resolves
}

// Hosts is the answer of control.dns-hosts: all names that are known.
type Hosts struct {
	Static []model.Host `json:"static"`
	Cached []Cached     `json:"cached"` // by name, then type
}

// Cached is one answer that is kept.
type Cached struct {
	Name    string        `json:"name"`
	Type    string        `json:"type"`
	Outcome string        `json:"outcome"` // why there are no records; empty if there are
	Left    time.Duration `json:"left"`    // below zero: it is stale
	Records []Record      `json:"records"`
}

// Record is one resource record; all is text that a terminal may print.
type Record struct {
	Name string `json:"name"`
	TTL  uint32 `json:"ttl"` // in seconds
	Type string `json:"type"`
	Data string `json:"data"`
}

// Query is what control.dns-query takes.
type Query struct {
	Name   string     `json:"name"`
	Type   string     `json:"type"`   // "SRV"
	Server netip.Addr `json:"server"` // to ask; invalid: as everybody asks
}

// Outcome is what it answers.
type Outcome struct {
	Source  string        `json:"source"`  // "192.0.2.53", "cache", "stale", "static host"
	Time    time.Duration `json:"time"`    // that the server took, or the age of what was kept
	Outcome string        `json:"outcome"` // as in Cached
	Records []Record      `json:"records"`
}

// Cleared is the answer of control.dns-clear.
type Cleared struct {
	Answers int `json:"answers"`
}

// Methods are what control serves of the resolver, to any process of the box.
func (r *Resolver) Methods() link.Methods {
	return link.Methods{
		"control.resolve": func(ctx context.Context, n Name) (Addresses, error) {
			addresses, err := r.LookupHost(ctx, n.Name)
			return Addresses{addresses}, err
		},
		"control.dns":       func(context.Context) (State, error) { return r.state(), nil },
		"control.dns-hosts": func(context.Context) (Hosts, error) { return r.hosts(), nil },
		"control.dns-query": r.query,
		"control.dns-clear": link.ForOperators(func(context.Context, struct{}) (Cleared, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			cleared := Cleared{len(r.cache.entries)}
			r.cache = cache{}
			return cleared, nil
		}),
	}
}

func (r *Resolver) state() State {
	s := State{Status: r.Status()}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for place, problem := range r.listening {
		s.Served = append(s.Served, Served{place, problem})
	}
	slices.SortFunc(s.Served, func(a, b Served) int { return strings.Compare(a.Place, b.Place) })
	for _, u := range r.upstreams {
		server := Server{
			Address: u.address, Origin: u.origin, Silent: u.silent, Problem: printable(u.problem),
			Asked: u.asked, Failed: u.failed, RoundTrip: u.roundTrip,
		}
		if !u.answered.IsZero() {
			server.Answered = now.Sub(u.answered)
		}
		s.Servers = append(s.Servers, server)
	}
	for _, c := range r.checks {
		checked := Checked{Name: c.name, Use: c.use, Done: !c.at.IsZero(), Problem: printable(c.problem)}
		if checked.Done {
			checked.Ago = now.Sub(c.at)
		}
		s.Checks = append(s.Checks, checked)
	}
	s.Counters = map[string]int64{
		"questions": r.counts.questions, "from-static-hosts": r.counts.static, "from-cache": r.counts.cached,
		"from-cache-stale": r.counts.stale, "without-answer": r.counts.failed, "refused-busy": r.counts.refused,
	}
	s.Cached, s.Octets = len(r.cache.entries), r.cache.octets
	return s
}

func (r *Resolver) hosts() Hosts {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := Hosts{Static: r.config.Hosts}
	now := time.Now()
	for question, e := range r.cache.entries {
		if !e.usable(now) {
			continue
		}
		cached := known{e.answer, fromCache, now.Sub(e.stored)}
		h.Cached = append(h.Cached, Cached{
			Name: printable(withoutDot(question.Name)), Type: typeName(question.Qtype),
			Outcome: cached.outcome(), Left: e.expires.Sub(now), Records: cached.text(),
		})
	}
	slices.SortFunc(h.Cached, func(a, b Cached) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type))
	})
	return h
}

// query answers a question of an operator.
func (r *Resolver) query(ctx context.Context, q Query) (Outcome, error) {
	qtype, ok := dns.StringToType[q.Type]
	if !ok {
		return Outcome{}, fmt.Errorf("%q is not a type of records", q.Type)
	}
	name, err := canonicalName(q.Name)
	if err != nil {
		return Outcome{}, fmt.Errorf("look up %q: %w", q.Name, err)
	}
	question := dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
	start := time.Now()
	got := known{source: fromServer}
	if q.Server.IsValid() {
		got.answer, err = r.ask(ctx, q.Server, question)
	} else {
		got, err = r.resolve(ctx, question)
	}
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Source: got.source, Time: got.age, Outcome: got.outcome(), Records: got.text()}
	if got.source == fromServer {
		o.Source, o.Time = got.server.String(), time.Since(start)
	}
	return o, nil
}

// outcome says why there are no records; nothing if there are.
func (k known) outcome() string {
	switch {
	case k.rcode == dns.RcodeNameError:
		return "no such name"
	case len(k.records) == 0:
		return "no such record"
	}
	return ""
}

// text gives all records for people to read.
func (k known) text() []Record {
	var list []Record
	for _, record := range slices.Concat(k.aliases, k.records) {
		header := record.Header()
		fields := strings.SplitN(record.String(), "\t", 5) // name, TTL, class, type, data
		list = append(list, Record{
			Name: printable(header.Name), TTL: k.aged(record).Header().Ttl, Type: typeName(header.Rrtype),
			Data: printable(fields[len(fields)-1]),
		})
	}
	return list
}

// typeName is the word for a type of records, as RFC 3597 §5 writes one that
// nobody knows.
func typeName(qtype uint16) string { return dns.Type(qtype).String() }

// printable is text from outside that no terminal obeys: octets that are not
// printable ASCII are written as master files have them (RFC 1035 §5.1).
func printable(text string) string {
	var b strings.Builder
	for _, octet := range []byte(text) {
		if octet < ' ' || octet > '~' {
			fmt.Fprintf(&b, `\%03d`, octet)
		} else {
			b.WriteByte(octet)
		}
	}
	return b.String()
}
