package locate

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// Why a host has no places, beside what the DNS says.
var (
	errBusy       = errors.New("too many look-ups are under way")
	errMute       = errors.New("no listen point speaks a transport that will do")
	errNotOffered = errors.New("the domain offers no such service")
)

// stepTime bounds the look-ups of one kind of records that have others after
// them, so that a DNS which is silent about these leaves time for the rest.
const stepTime = patience / 3

// domainServices are the names of transports in the DNS, by transport
// (RFC 3263 §4.1, RFC 7118).
var domainServices = [...]struct {
	srv   string // before the domain
	naptr string
}{
	model.UDP: {"_sip._udp.", "SIP+D2U"},
	model.TCP: {"_sip._tcp.", "SIP+D2T"},
	model.TLS: {"_sips._tcp.", "SIPS+D2T"},
	model.WS:  {"_sip._ws.", "SIP+D2W"},
	model.WSS: {"_sips._ws.", "SIPS+D2W"},
}

// serviceName is a name to ask for SRV records.
type serviceName struct {
	transport model.Transport
	name      string
}

// search is the look-up of one query.
type search struct {
	l     *Locator
	query hop.Query
	dns   model.SIPDNS

	mu      sync.Mutex
	life    time.Duration // the shortest of all outcomes
	guessed bool
}

// look looks a query up (RFC 3263 §4.1, §4.2).
func (l *Locator) look(ctx context.Context, q hop.Query) *answer {
	s := &search{l: l, query: q, dns: l.options.DNS(), life: longestLife}
	services, err := s.run(ctx)
	a := &answer{services: services, err: err, guessed: s.guessed, stored: time.Now(), life: max(s.life, shortestLife)}
	if a.failed() || a.guessed {
		a.life = failureLife
	}
	return a
}

// run gives the services, or why there is none.
func (s *search) run(ctx context.Context) ([]service, error) {
	transports := slices.DeleteFunc(s.transports(), func(t model.Transport) bool { return !s.l.speaks(t) })
	if s.query.Port == 0 && !s.dns.NoSRV { // a named port leaves SRV nothing to say
		sets, declined := s.servers(ctx, s.serviceNames(ctx, transports))
		if len(sets) > 0 {
			return s.services(ctx, sets)
		}
		transports = slices.DeleteFunc(transports, func(t model.Transport) bool { return slices.Contains(declined, t) })
		if len(declined) > 0 && len(transports) == 0 {
			return nil, errNotOffered
		}
	}
	if len(transports) == 0 {
		return nil, errMute
	}
	t := transports[0]
	return s.services(ctx, []serverSet{{t, []model.SRV{{Port: port(s.query, t), Target: s.query.Host}}}})
}

// transports are those that the query allows without NAPTR, the first being
// that of a domain without SRV either.
func (s *search) transports() []model.Transport {
	if t := implied(s.query); s.query.Fixed || s.query.Secure {
		return []model.Transport{t}
	}
	return []model.Transport{model.UDP, model.TCP}
}

// speaks says whether requests can be sent over t at all.
func (l *Locator) speaks(t model.Transport) bool {
	return l.options.Speaks(t, false) || l.options.Speaks(t, true)
}

// serviceNames gives the names to ask for SRV records: those that NAPTR says,
// or else one for each transport.
func (s *search) serviceNames(ctx context.Context, transports []model.Transport) []serviceName {
	if !s.query.Fixed && !s.dns.NoNAPTR {
		if names := s.rules(ctx); len(names) > 0 {
			return names
		}
	}
	var names []serviceName
	for _, t := range transports {
		names = append(names, serviceName{t, domainServices[t].srv + s.query.Host})
	}
	return names
}

// rules asks for NAPTR records and gives what those of the best order say that
// we can obey. A sip URI may lead to TLS, a sips URI to nothing else.
func (s *search) rules(ctx context.Context) []serviceName {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	found, life, err := s.l.options.Resolver.LookupNAPTR(ctx, s.query.Host)
	s.note(life, err)
	slices.SortStableFunc(found, func(a, b model.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	var names []serviceName
	var order uint16
	for _, rule := range found {
		if len(names) > 0 && rule.Order != order {
			break
		}
		t, ok := serviceOf(rule)
		if ok && s.l.speaks(t) && (t.Secure() || !s.query.Secure) {
			order = rule.Order
			names = append(names, serviceName{t, rule.Replacement})
		}
	}
	return names
}

// serviceOf gives the transport that a rule leads to, if it is one of SIP.
func serviceOf(rule model.NAPTR) (t model.Transport, ok bool) {
	if !strings.EqualFold(rule.Flags, "s") || rule.Replacement == "" {
		return 0, false
	}
	for _, t := range model.Transports {
		if strings.EqualFold(rule.Service, domainServices[t].naptr) {
			return t, true
		}
	}
	return 0, false
}

// serverSet is what one name has of SRV records, in the order of ordered.
type serverSet struct {
	transport model.Transport
	servers   []model.SRV
}

// ordered sorts servers by priority, those of weight 0 first within one
// (RFC 2782), and gives the first maxServers.
func ordered(servers []model.SRV) []model.SRV {
	slices.SortStableFunc(servers, func(a, b model.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	return servers[:min(len(servers), maxServers)]
}

// servers asks for the SRV records of all names and gives those that have
// some, and the transports that the domain says it does not offer.
func (s *search) servers(ctx context.Context, names []serviceName) (sets []serverSet, declined []model.Transport) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	found := make([][]model.SRV, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		asking.Go(func() {
			var life time.Duration
			var err error
			found[i], life, err = s.l.options.Resolver.LookupSRV(ctx, name.name)
			s.note(life, err)
		})
	}
	asking.Wait()
	for i, servers := range found {
		none := len(servers) == 0
		servers = slices.DeleteFunc(servers, func(server model.SRV) bool { return server.Target == "" })
		switch {
		case len(servers) > 0:
			sets = append(sets, serverSet{names[i].transport, ordered(servers)})
		case !none:
			declined = append(declined, names[i].transport)
		}
	}
	return sets, declined
}

// services asks for the addresses of all servers and gives the services that
// have one which we can reach.
func (s *search) services(ctx context.Context, sets []serverSet) ([]service, error) {
	hosts := s.hosts(ctx, sets)
	var services []service
	var failure error
	room := maxPlaces
	for _, set := range sets {
		var found service
		for _, srv := range set.servers {
			failure = cmp.Or(failure, hosts[srv.Target].err)
			var places []hop.Place
			for _, address := range hosts[srv.Target].addresses {
				if room > 0 && s.l.options.Speaks(set.transport, address.Is6()) {
					places = append(places, hop.Place{Transport: set.transport, Address: netip.AddrPortFrom(address, srv.Port)})
					room--
				}
			}
			if len(places) > 0 {
				found = append(found, server{srv.Priority, srv.Weight, places})
			}
		}
		if len(found) > 0 {
			services = append(services, found)
		}
	}
	if len(services) > 0 {
		return services, nil // even if other servers have no address now
	}
	s.guessed = s.guessed || isSilence(failure)
	return nil, cmp.Or(failure, errMute)
}

// host is what the DNS says of one.
type host struct {
	addresses []netip.Addr
	err       error
}

// hosts asks for the addresses of all servers at once.
func (s *search) hosts(ctx context.Context, sets []serverSet) map[string]*host {
	hosts := make(map[string]*host)
	var asking sync.WaitGroup
	for _, set := range sets {
		for _, srv := range set.servers {
			if hosts[srv.Target] != nil {
				continue
			}
			h := new(host)
			hosts[srv.Target] = h
			asking.Go(func() {
				var life time.Duration
				h.addresses, life, h.err = s.l.options.Resolver.LookupHost(ctx, srv.Target)
				if isSilence(h.err) {
					s.note(failureLife, nil) // the others serve meanwhile
				} else {
					s.note(life, nil)
				}
			})
		}
	}
	asking.Wait()
	return hosts
}

// note takes into account how long the outcome of a question holds, and that
// the answer would be another one perhaps if the DNS had not failed.
func (s *search) note(life time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isSilence(err) {
		s.guessed = true
	} else {
		s.life = min(s.life, life)
	}
}

// isSilence says whether nobody could answer a question.
func isSilence(err error) bool { return err != nil && !errors.Is(err, model.ErrNoSuchName) }
