package firewall

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Report is the answer of control.firewall: what the rules let in and what
// they have counted.
type Report struct {
	Off     bool         `json:"off"`
	Problem string       `json:"problem"` // empty if the table is as configured
	Ports   []PortReport `json:"ports"`
	Forward []Line       `json:"forward"` // what goes through the box
}

// PortReport is what comes in by one port, in the order in which it is tried.
type PortReport struct {
	Port  model.Port `json:"port"`
	Lines []Line     `json:"lines"`
}

// Line is one kind of packets and what becomes of them.
type Line struct {
	What    string `json:"what"`
	Dropped bool   `json:"dropped"` // else accepted
	Counter
}

// Methods are what control answers for the firewall.
func (f *Firewall) Methods() link.Methods {
	return link.Methods{"control.firewall": func(context.Context) (Report, error) { return f.Report() }}
}

// Report reads the table.
func (f *Firewall) Report() (Report, error) {
	f.mu.Lock()
	config, leases, problem := f.config, f.leases, f.problem
	f.mu.Unlock()
	if config == nil {
		return Report{}, errors.New("no configuration is in force yet")
	}
	report := Report{Off: config.FirewallOff, Problem: problem}
	rules := plan(config, leases)
	difference, counted, err := f.kernel.Compare(rules)
	if err == nil && difference != "" {
		rules = rules.closed()
		difference, counted, err = f.kernel.Compare(rules)
	}
	switch {
	case err != nil:
		report.Problem = err.Error()
	case difference != "":
		report.Problem = "being put right: " + difference
	default:
		report.fill(config, rules, counted)
	}
	return report, nil
}

// fill makes the lines of rules that stand.
func (r *Report) fill(config *model.Config, rules Ruleset, counted Counters) {
	for _, chain := range rules.Chains {
		if chain.Hook == Forward {
			r.Forward = lines(chain, counted)
		}
		for _, lan := range config.LANs {
			if chain.Name == lan.Port.Interface() {
				port := PortReport{lan.Port, append(sipLines(rules, chain.Name, counted), lines(chain, counted)...)}
				r.Ports = append(r.Ports, port)
			}
		}
	}
}

// sipLines are a line for each listener that may be reached by the interface,
// with all that came for it.
func sipLines(rules Ruleset, in string, counted Counters) []Line {
	var list []Line
	for _, set := range rules.Sets {
		for _, e := range set.Elements {
			if set.Counted && (e.In == in || e.In == "") {
				what := fmt.Sprintf("SIP, %s %v", set.protocol(), netip.AddrPortFrom(e.Address, e.Port))
				list = append(list, Line{what, false, counted[elementCounter(set.Name, e)]})
			}
		}
	}
	return list
}

// protocol names the transport of a set of listeners.
func (s Set) protocol() string {
	if slices.Contains(s.Key, TCPDestination) {
		return "tcp"
	}
	return "udp"
}

// lines are a line for each kind of packets that the chain's rules name.
func lines(chain Chain, counted Counters) []Line {
	var list []Line
	for _, rule := range chain.Rules {
		line := Line{rule.What, rule.Verdict == Drop, counted[ruleCounter(chain.Name, rule.What)]}
		if !slices.Contains(list, line) { // of rules for both families
			list = append(list, line)
		}
	}
	return list
}
