package network

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"causeway/appliance/model"
)

// repairs is how often one reconciliation repairs before it reports what is
// left. The later ones finish what the first could not: a VLAN has to be there
// before it has addresses, and routes go with the address they came from.
const repairs = 3

// errNotLasting means that a change was made and undone by somebody else.
var errNotLasting = errors.New("did not last")

// results are what became of changes.
type results map[attempt]error

// attempt names a change.
type attempt struct {
	port model.Port
	what string
}

// reconcile reports whether all is well with the ports, and whether changes
// were made in vain.
func (r *Reconciler) reconcile() (good, vain bool) {
	r.mu.Lock()
	desired, refused := r.desired, r.refused
	r.mu.Unlock()
	if desired.Interfaces == nil {
		return true, false
	}
	tried := results{}
	for repair := 0; ; repair++ {
		actual, err := r.kernel.Read()
		if err != nil {
			return r.publish(unreadable(desired, err)), false
		}
		left := difference(desired, actual)
		r.log.Debug("network looked at", "differences", len(left))
		if len(left) == 0 || repair == repairs {
			return r.report(desired, actual, left, tried), len(left) > 0
		}
		for _, change := range left {
			r.make(change, tried, refused)
		}
	}
}

// make makes one change, unless it would disturb and was to no avail before.
func (r *Reconciler) make(c change, tried, refused results) {
	err, before := tried[c.attempt]
	switch {
	case refused[c.attempt] != nil:
		tried[c.attempt] = refused[c.attempt]
		return
	case c.disturbing && before && err == nil:
		refused[c.attempt] = errNotLasting
		return
	}
	if err = c.do(r.kernel); err == nil {
		r.log.Info("network changed", "lan", c.port, "did", c.what)
	} else if c.disturbing {
		refused[c.attempt] = err
	}
	tried[c.attempt] = err
}

// unreadable is the status of the ports while the kernel does not tell.
func unreadable(desired State, err error) []model.InterfaceStatus {
	var list []model.InterfaceStatus
	for _, port := range desired.ports() {
		list = append(list, model.InterfaceStatus{LAN: port.String(), Link: "unknown", Problem: "state not readable: " + err.Error()})
	}
	return list
}

// report publishes the status of each port, made from what the kernel has and
// from the changes that are left, and reports whether no port has a problem.
func (r *Reconciler) report(desired, actual State, left changes, tried results) bool {
	var list []model.InterfaceStatus
	for _, port := range desired.ports() {
		status := statusOf(port, desired.Interfaces[port], actual)
		var problems []string
		if status.Problem != "" {
			problems = append(problems, status.Problem)
		}
		for _, change := range left {
			if change.port == port {
				problems = append(problems, fmt.Sprintf("%s: %v", change.what, cmp.Or(tried[change.attempt], errNotLasting)))
			}
		}
		status.Problem = strings.Join(problems, "; ")
		list = append(list, status)
		r.announce(port, status, actual.Interfaces[port].Addresses)
	}
	return r.publish(list)
}

// statusOf gives a port as show commands print it. Its Problem is what no
// change can mend.
func statusOf(port model.Port, wanted Interface, actual State) model.InterfaceStatus {
	have, present := actual.Interfaces[port]
	s := model.InterfaceStatus{LAN: port.String(), MAC: have.MAC, Shutdown: !wanted.Up, DHCP: wanted.Leased}
	var addresses []string
	for _, address := range have.Addresses {
		addresses = append(addresses, address.String())
	}
	s.Address = strings.Join(addresses, ", ")
	_, pluggable := actual.Interfaces[model.Port{LAN: port.LAN}]
	switch {
	case s.Shutdown: // nothing is missed there
	case !pluggable:
		s.Link, s.Problem = "missing", "no NIC for "+port.LAN.String()
	case !present:
		s.Link = "missing"
	case have.Up && have.Carrier:
		s.Link = "up"
	default:
		s.Link, s.Problem = "down", "no carrier"
	}
	return s
}

// announce tells the neighbours of a port's IPv4 addresses when they or its
// link are new. IPv6 is the kernel's matter (ndisc_notify).
func (r *Reconciler) announce(port model.Port, now model.InterfaceStatus, addresses []netip.Prefix) {
	before := r.statusNamed(now.LAN)
	if now.Link != "up" || before.Link == "up" && before.Address == now.Address {
		return
	}
	for _, address := range addresses {
		if !address.Addr().Is4() {
			continue
		}
		if err := r.kernel.Announce(port, address.Addr()); err != nil {
			r.log.Warn("address not announced", "lan", port, "address", address.Addr(), "error", err)
		}
	}
}

// statusNamed gives a port as the last pass found it.
func (r *Reconciler) statusNamed(name string) model.InterfaceStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.status {
		if s.LAN == name {
			return s
		}
	}
	return model.InterfaceStatus{}
}

// publish makes the status of the ports what it is now, logs what is new, and
// reports whether no port has a problem.
func (r *Reconciler) publish(list []model.InterfaceStatus) bool {
	good := true
	for _, s := range list {
		good = good && s.Problem == ""
		switch {
		case s == r.statusNamed(s.LAN):
		case s.Problem != "":
			r.log.Warn("network not as configured", "lan", s.LAN, "problem", s.Problem)
		default:
			r.log.Info("network as configured", "lan", s.LAN, "address", s.Address, "link", s.Link)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = list
	return good
}
