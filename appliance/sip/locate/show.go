package locate

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
)

// shownMost bounds the queries in one answer of proxy.sip-dns.
const shownMost = 200

// StateRequest is what proxy.sip-dns takes.
type StateRequest struct {
	Host string `json:"host"` // only queries about it; empty: all
}

// State is the answer of proxy.sip-dns.
type State struct {
	Counts
	Kept     int     `json:"kept"` // queries in memory
	UnderWay int     `json:"under_way"`
	Queries  []Known `json:"queries"` // by host, at most shownMost
	More     int     `json:"more"`    // that are not among them
}

// Known is one query in memory.
type Known struct {
	Query   string        `json:"query"` // "example.com:5061 over tls"
	Age     time.Duration `json:"age"`   // of the answer
	Left    time.Duration `json:"left"`  // below zero: it is stale
	Problem string        `json:"problem"`
	Places  []KnownPlace  `json:"places"` // by service and priority
}

// KnownPlace is one place with the rank of its server.
type KnownPlace struct {
	Priority  uint16         `json:"priority"`
	Weight    uint16         `json:"weight"`
	Transport string         `json:"transport"`
	Address   netip.AddrPort `json:"address"`
}

// Cleared is the answer of proxy.sip-dns-clear.
type Cleared struct {
	Queries int `json:"queries"`
}

// Methods are what the proxy serves of the locator.
func (l *Locator) Methods() link.Methods {
	return link.Methods{
		"proxy.sip-dns": func(_ context.Context, r StateRequest) (State, error) { return l.state(r), nil },
		"proxy.sip-dns-clear": link.ForOperators(func(context.Context, struct{}) (Cleared, error) {
			return Cleared{l.Clear()}, nil
		}),
	}
}

func (l *Locator) state(r StateRequest) State {
	host := strings.ToLower(r.Host)
	l.mu.Lock()
	s := State{Counts: l.counts, Kept: len(l.kept.slots) - len(l.kept.free), UnderWay: len(l.flights)}
	var entries []*entry
	for _, e := range l.kept.slots {
		if e != nil && (host == "" || e.query.Host == host) {
			entries = append(entries, e)
		}
	}
	l.mu.Unlock()
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(strings.Compare(a.query.Host, b.query.Host), cmp.Compare(a.query.Port, b.query.Port),
			cmp.Compare(a.query.Transport, b.query.Transport))
	})
	now := time.Now()
	for _, e := range entries[:min(len(entries), shownMost)] {
		s.Queries = append(s.Queries, e.known(now))
	}
	s.More = len(entries) - len(s.Queries)
	return s
}

func (e *entry) known(now time.Time) Known {
	q, a := e.query, e.answer.Load()
	k := Known{Query: q.Host, Age: now.Sub(a.stored)}
	k.Left = a.life - k.Age
	if q.Port != 0 {
		k.Query = net.JoinHostPort(q.Host, strconv.Itoa(int(q.Port)))
	}
	if q.Fixed {
		k.Query += " over " + q.Transport.String()
	} else if q.Secure {
		k.Query += " for sips"
	}
	if a.err != nil {
		k.Problem = a.err.Error()
	}
	for _, s := range a.services {
		for _, server := range s {
			for _, place := range server.places {
				k.Places = append(k.Places, KnownPlace{server.priority, server.weight, place.Transport.String(), place.Address})
			}
		}
	}
	return k
}

// ExecCommands declares what an operator may ask of the locator.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{
			Syntax: "show sip dns [HOST]", Help: "SIP servers that were located in the DNS",
			Args: []config.Argument{{Name: "HOST", Type: config.Host{}, Help: "Only of this host"}},
			Run:  showDNS,
		},
		{
			Syntax: "clear sip dns", Level: exec.Privileged,
			Help: "Forget where SIP servers are; the next call to each looks it up",
			Run:  clearDNS,
		},
	}
}

func showDNS(ctx context.Context, s exec.Session, a config.Args) error {
	var now State
	if err := s.Call(ctx, "proxy", "proxy.sip-dns", StateRequest{a.Text("HOST")}, &now); err != nil {
		return err
	}
	exec.Field(s, "Queries kept", fmt.Sprintf("%d of %d", now.Kept, cacheSize))
	exec.Field(s, "Under way", now.UnderWay)
	exec.Field(s, "Look-ups", now.Lookups)
	exec.Field(s, "Look-ups in vain", now.Failed)
	exec.Field(s, "Refused for too many", now.Refused)
	for _, query := range now.Queries {
		left := "for " + rounded(query.Left)
		if query.Left < 0 {
			left = "stale since " + rounded(-query.Left)
		}
		fmt.Fprintf(s, "%s, found %s ago, %s:\n", query.Query, rounded(query.Age), left)
		table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
		for _, place := range query.Places {
			fmt.Fprintf(table, "  priority %d\tweight %d\t%s\t%v\n", place.Priority, place.Weight, place.Transport, place.Address)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		if query.Problem != "" {
			fmt.Fprintf(s, "  %s\n", query.Problem)
		}
	}
	if now.More > 0 {
		fmt.Fprintf(s, "%d more are not shown\n", now.More)
	}
	return nil
}

func clearDNS(ctx context.Context, s exec.Session, _ config.Args) error {
	var cleared Cleared
	if err := s.Call(ctx, "proxy", "proxy.sip-dns-clear", struct{}{}, &cleared); err != nil {
		return err
	}
	fmt.Fprintf(s, "%d answers forgotten\n", cleared.Queries)
	return nil
}

// rounded is a time as people say it.
func rounded(d time.Duration) string { return d.Round(time.Second).String() }
