package resolver

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// How often the names are checked.
const (
	checkPause = 5 * time.Minute  // after all resolved
	checkRetry = 30 * time.Second // after one did not
)

// check is one name that must resolve.
type check struct {
	name    string
	use     string    // "COM domain"
	at      time.Time // of the last check; zero: none yet
	problem string    // empty: it resolves
}

// setChecks makes the names of COM those to check. mu is held.
func (r *Resolver) setChecks(com model.COM) {
	checks := []check{
		{name: cmp.Or(com.Domain, model.DefaultCOMDomain), use: "COM domain"},
		{name: cmp.Or(com.FileStore, model.DefaultFileStore), use: "file store"},
	}
	if _, err := netip.ParseAddr(com.Server); err != nil && com.Dials() {
		checks = append(checks, check{name: com.Server, use: "subscription server"})
	}
	if slices.EqualFunc(checks, r.checks, func(a, b check) bool { return a.name == b.name }) {
		return
	}
	r.checks = checks
	r.checkSoon()
}

// checkSoon has the names checked now.
func (r *Resolver) checkSoon() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// checkNames checks the names again and again. It asks the servers whatever the
// cache says, so a server that fell silent is noticed on an idle box.
func (r *Resolver) checkNames(ctx context.Context) {
	for {
		select { // it is done now
		case <-r.kick:
		default:
		}
		pause := checkPause
		if !r.checkAll(ctx) {
			pause = checkRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-time.After(pause):
		}
	}
}

// checkAll checks each name once and reports whether all resolve. While no
// server answers it leaves that to the probes.
func (r *Resolver) checkAll(ctx context.Context) bool {
	r.mu.Lock()
	checks, silent := slices.Clone(r.checks), r.allSilent()
	r.mu.Unlock()
	if silent {
		return false
	}
	all := true
	for _, c := range checks {
		problem := r.checkName(ctx, c.name)
		if ctx.Err() != nil {
			return false
		}
		all = all && problem == ""
		r.mu.Lock()
		for i := range r.checks {
			if r.checks[i].name == c.name {
				r.checks[i].at, r.checks[i].problem = time.Now(), problem
			}
		}
		r.mu.Unlock()
	}
	return all
}

// checkName says why a name does not resolve; nothing if it does. A name
// resolves when it exists: any answer but NXDOMAIN says so (RFC 8020 §2).
func (r *Resolver) checkName(ctx context.Context, name string) string {
	question := dns.Question{Name: dns.CanonicalName(name), Qtype: dns.TypeA, Qclass: dns.ClassINET}
	r.mu.Lock()
	_, static := r.staticAnswer(question)
	r.mu.Unlock()
	if static {
		return ""
	}
	got, err := r.forward(ctx, question)
	if err != nil {
		return err.Error()
	}
	r.mu.Lock()
	if r.upstream(got.server) != nil { // it still is one of ours
		r.keep(question, got, nil)
	}
	r.mu.Unlock()
	if got.rcode == dns.RcodeNameError {
		return fmt.Sprintf("name server %s says that it does not exist", got.server)
	}
	return ""
}

// Conditions are what should not be. While no server answers that alone is
// told: no name can resolve.
func (r *Resolver) Conditions() []model.Condition {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.allSilent() {
		return []model.Condition{{Name: alarm.DNSDown, Text: r.silence()}}
	}
	var list []model.Condition
	for _, c := range r.checks {
		if c.problem != "" {
			list = append(list, model.Condition{
				Name: alarm.NameUnresolved, Object: c.name,
				Text: fmt.Sprintf("the %s %s does not resolve: %s", c.use, c.name, c.problem),
			})
		}
	}
	return list
}
