package servergroup

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// GroupStatus is a group as proxy.server-groups has it.
type GroupStatus struct {
	Name     string          `json:"name"`
	Network  string          `json:"network"`
	Balance  string          `json:"balance"` // word of "lbtype", never "global"
	State    string          `json:"state"`   // "up", "partialdown", "down"
	Elements []ElementStatus `json:"elements"`
}

// ElementStatus is an element of a group. Its counters are those of all groups
// of the network that have it.
type ElementStatus struct {
	Element   string        `json:"element"`    // "udp 192.0.2.1:5060"
	Adjacency string        `json:"adjacency"`  // of its address; empty: it is named by host
	Q         int           `json:"q"`          // thousandths
	Weight    int           `json:"weight"`     // as configured
	State     string        `json:"state"`      // "up", "down"
	Shutdown  bool          `json:"shutdown"`   // in this group: new calls do not go there, whatever its state
	Open      int           `json:"open"`       // calls that went there and are open
	Since     time.Time     `json:"since"`      // of the state
	Reason    string        `json:"reason"`     // what was heard of it last, or brought it into its state
	Rest      time.Duration `json:"rest"`       // of its Retry-After that is left; 0: none
	Failures  int           `json:"failures"`   // in a row
	Calls     [4]int64      `json:"calls"`      // requests by hop.Outcome
	Pinged    string        `json:"pinged"`     // "adaptive", "proactive", "reactive"; empty: not pinged
	Sent      int64         `json:"pings"`      // pings sent
	Answered  int64         `json:"answered"`   // pings answered
	Trip      time.Duration `json:"round_trip"` // of the last ping that was answered
	Problem   string        `json:"problem"`    // why pings cannot be sent; empty: they can
	Loss      int           `json:"loss"`       // percent of new calls that it does not want (RFC 7339)
}

// Service is the state of the element, and whether it is shut down: "up", "shut
// down (up)".
func (e *ElementStatus) Service() string {
	if e.Shutdown {
		return "shut down (" + e.State + ")"
	}
	return e.State
}

// Status is all groups of the set in force, in the order of the configuration.
func (r *Registry) Status() []GroupStatus {
	var open map[hop.Element]int
	if r.options.OpenCalls != nil {
		open = r.options.OpenCalls()
	}
	return r.statusWith(open)
}

// statusWith is Status with the open calls that were counted.
func (r *Registry) statusWith(open map[hop.Element]int) []GroupStatus {
	set, now, wall := r.current.Load(), r.now(), time.Now()
	groups := make([]GroupStatus, len(set.groups))
	for i := range set.groups {
		g := &set.groups[i]
		groups[i] = GroupStatus{
			Name: g.name, Network: g.network, Balance: g.balance.String(), State: g.state(), Elements: make([]ElementStatus, len(g.members)),
		}
		for j := range g.members {
			m := &g.members[j]
			status := m.element.status(now, wall)
			status.Q, status.Weight, status.Shutdown, status.Open = m.q, m.weight, m.shutdown, open[m.element]
			if a := m.target.Adjacency; a != nil {
				status.Adjacency = a.Name
			}
			if probe := set.elements[m.element].probe; probe.on() {
				status.Pinged = model.PingTypeNames[probe.kind]
			}
			groups[i].Elements[j] = status
		}
	}
	return groups
}

// state is the word of CISCO-USP-MIB. An element that is shut down takes no
// calls, as one that is down.
func (g *group) state() string {
	ups := 0
	for i := range g.members {
		if m := &g.members[i]; !m.shutdown && m.element.Up() {
			ups++
		}
	}
	switch ups {
	case 0:
		return "down"
	case len(g.members):
		return "up"
	}
	return "partialdown"
}

// status is what is known of an element, whatever groups have it.
func (e *Element) status(now time.Duration, wall time.Time) ElementStatus {
	c := e.condition.Load().at(now)
	s := ElementStatus{
		Element: e.key.String(), State: "up", Reason: reasonTexts[c.reason], Failures: c.failures,
		Since: wall.Add(c.since - now),
		Sent:  e.pings.sent.Load(), Answered: e.pings.answered.Load(), Trip: time.Duration(e.pings.roundTrip.Load()),
	}
	for o := range e.outcomes {
		s.Calls[o] = e.outcomes[o].Load()
	}
	if c.state != up {
		s.State = "down"
	}
	if c.state == busy {
		s.Rest = c.until - now
	}
	if problem := e.pings.problem.Load(); problem != nil {
		s.Problem = *problem
	}
	if int64(now) < e.lossUntil.Load() {
		s.Loss = int(e.loss.Load())
	}
	return s
}

// Conditions are the elements that are down and the groups that have none
// left, but for what is shut down on purpose.
func (r *Registry) Conditions() []model.Condition {
	var found []model.Condition
	told := make(map[string]bool) // elements that several groups have
	for _, g := range r.statusWith(nil) {
		inService := func(e ElementStatus) bool { return !e.Shutdown }
		if g.State == "down" && slices.ContainsFunc(g.Elements, inService) {
			found = append(found, model.Condition{Name: alarm.ServerGroupDown, Object: g.Name,
				Text: fmt.Sprintf("no element of server group %s is up", g.Name)})
		}
		for _, e := range g.Elements {
			object := e.Element + " of " + g.Network
			if e.State == "up" || e.Shutdown || told[object] {
				continue
			}
			told[object] = true
			found = append(found, model.Condition{Name: alarm.ElementDown, Object: object, Text: fmt.Sprintf("%s is down: %s", object, e.Reason)})
		}
	}
	return found
}

// Clear sets the counters of all elements back.
func (r *Registry) Clear() {
	for e := range r.current.Load().elements {
		for o := range e.outcomes {
			e.outcomes[o].Store(0)
		}
		e.pings.sent.Store(0)
		e.pings.answered.Store(0)
	}
}

// Methods are what the proxy process serves.
func (r *Registry) Methods() link.Methods {
	return link.Methods{
		"proxy.ping-sip":      link.ForOperators(r.pingOnce),
		"proxy.server-groups": func(context.Context) ([]GroupStatus, error) { return r.Status(), nil },
		"proxy.server-groups-clear": link.ForOperators(func(context.Context, struct{}) (struct{}, error) {
			r.Clear()
			return struct{}{}, nil
		}),
	}
}

// ExecCommands declares what an operator may ask of server groups.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{
			Syntax: "show status server-group sip [NAME]",
			Args:   []config.Argument{{Name: "NAME", Type: config.Name{Max: 64}, Help: "Name of a server group: everything about its elements"}},
			Help:   "Server groups and the states of their elements", Run: showStatus,
		},
		{Syntax: "clear server-group sip statistics", Help: "Set the counters of all elements back", Level: exec.Privileged, Run: clearStatistics},
	}
}

func showStatus(ctx context.Context, s exec.Session, a config.Args) error {
	var groups []GroupStatus
	if err := s.Call(ctx, "proxy", "proxy.server-groups", nil, &groups); err != nil {
		return err
	}
	name, shown := a.Text("NAME"), 0
	for _, g := range groups {
		if name != "" && g.Name != name {
			continue
		}
		if shown++; shown > 1 {
			fmt.Fprintln(s)
		}
		fmt.Fprintf(s, "Server group %s: %s\n", g.Name, g.State)
		exec.Field(s, "Network", g.Network)
		exec.Field(s, "Load balancing", g.Balance)
		if name != "" {
			showElements(s, g.Elements)
		} else if err := tabulate(s, g.Elements); err != nil {
			return err
		}
	}
	switch {
	case shown > 0:
		return nil
	case name != "":
		return fmt.Errorf("there is no server group %s", name)
	}
	fmt.Fprintln(s, "No server group is configured")
	return nil
}

// tabulate prints how far the elements that are shut down are drained, and a line
// for each element.
func tabulate(s exec.Session, elements []ElementStatus) error {
	for _, e := range elements {
		if e.Shutdown {
			exec.Field(s, "Shut down", fmt.Sprintf("%s (%s), open calls: %d", e.Element, e.State, e.Open))
		}
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Element\tq-value\tWeight\tState\tSince\tCalls\tFailed")
	for _, e := range elements {
		state := e.State
		if e.Shutdown {
			state = "shut"
		}
		calls := e.Calls[hop.Failed] + e.Calls[hop.TimedOut] + e.Calls[hop.Unreachable]
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%d\t%d\n",
			e.Element, qValue(e.Q), e.Weight, state, exec.Time(s, e.Since, "Jan 02 15:04:05"), calls+e.Calls[hop.Answered], calls)
	}
	return table.Flush()
}

// showElements prints everything about each element.
func showElements(s exec.Session, elements []ElementStatus) {
	for _, e := range elements {
		fmt.Fprintln(s)
		fmt.Fprintf(s, "Element %s: %s\n", e.Element, e.Service())
		exec.Field(s, "Since", exec.Time(s, e.Since, time.DateTime))
		exec.Field(s, "Reason", e.Reason)
		exec.Field(s, "q-value", qValue(e.Q))
		exec.Field(s, "Weight", e.Weight)
		exec.Field(s, "Failures in a row", e.Failures)
		if e.Rest > 0 {
			exec.Field(s, "Wants no calls for", e.Rest.Round(time.Second))
		}
		if e.Loss > 0 {
			exec.Field(s, "Wants fewer calls by", fmt.Sprintf("%d %%", e.Loss))
		}
		exec.Field(s, "Open calls", e.Open)
		exec.Field(s, "Calls answered", e.Calls[hop.Answered])
		exec.Field(s, "Calls with a failover response", e.Calls[hop.Failed])
		exec.Field(s, "Calls not answered", e.Calls[hop.TimedOut])
		exec.Field(s, "Calls that did not reach it", e.Calls[hop.Unreachable])
		exec.Field(s, "Pings", cmp.Or(e.Pinged, "none"))
		if e.Pinged == "" {
			continue
		}
		exec.Field(s, "Pings sent", e.Sent)
		exec.Field(s, "Pings answered", e.Answered)
		if e.Trip > 0 {
			exec.Field(s, "Round trip", fmt.Sprintf("%.1f ms", float64(e.Trip)/float64(time.Millisecond)))
		}
		if e.Problem != "" {
			exec.Field(s, "Pings cannot be sent", e.Problem)
		}
	}
}

// qValue is a q-value as commands have it: "0.75", "1.0".
func qValue(thousandths int) string {
	text := strconv.FormatFloat(float64(thousandths)/1000, 'f', -1, 64)
	if thousandths%1000 == 0 {
		text += ".0"
	}
	return text
}

func clearStatistics(ctx context.Context, s exec.Session, _ config.Args) error {
	return s.Call(ctx, "proxy", "proxy.server-groups-clear", struct{}{}, nil)
}
