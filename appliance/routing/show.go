package routing

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Overview is the answer of proxy.routes. Hits count the calls of this life of
// the process.
type Overview struct {
	Tables   []TableStatus   `json:"tables"`
	Policies []PolicyStatus  `json:"policies"`
	Triggers []TriggerStatus `json:"triggers"`
	NextHops []NextHopStatus `json:"next_hops"`
}

// TableStatus is one route table.
type TableStatus struct {
	Name    string `json:"name"`
	Routes  int    `json:"routes"`
	Bytes   int    `json:"bytes"` // of memory
	Hits    int64  `json:"hits"`  // lookups that found a route
	File    string `json:"file"`
	Problem string `json:"problem"` // why the routes of the file are not there
}

// PolicyStatus is one lookup policy.
type PolicyStatus struct {
	Name  string       `json:"name"`
	Steps []StepStatus `json:"steps"`
}

// StepStatus is one step of a policy.
type StepStatus struct {
	Sequence int    `json:"sequence"`
	Table    string `json:"table"`
	Field    string `json:"field"`
	Rule     string `json:"rule"`
	Hits     int64  `json:"hits"`
}

// TriggerStatus is one trigger.
type TriggerStatus struct {
	Stage     string `json:"stage"`
	Sequence  int    `json:"sequence"`
	Condition string `json:"condition"` // empty: always
	Policy    string `json:"policy"`    // empty: by-pass
	Hits      int64  `json:"hits"`
}

// NextHopStatus is where requests of a network go that no trigger takes.
type NextHopStatus struct {
	Network string         `json:"network"`
	Address netip.AddrPort `json:"address"`
	Hits    int64          `json:"hits"`
}

// TablePage is a part of the answer about the routes of a table, RoutesQuery
// what is asked for: those from an index on whose key begins with Key.
type (
	TablePage struct {
		Routes []RouteStatus `json:"routes"`
		Next   int           `json:"next"` // where to go on; 0: that was all
	}
	RoutesQuery struct {
		Table string `json:"table"`
		Key   string `json:"key"`
		From  int    `json:"from"`
	}
	RouteStatus struct {
		Key         string `json:"key"`
		Destination string `json:"destination"`
	}
)

// pageSize is how many routes are in one answer.
const pageSize = 1000

// Methods are what the proxy serves of routing.
func (r *Router) Methods() link.Methods {
	return link.Methods{
		"proxy.adjacencies": func(context.Context) (Adjacencies, error) { return r.current.Load().adjacencies(), nil },
		"proxy.test-route":  r.TestRoute,
		"proxy.routes":      func(context.Context) (Overview, error) { return r.current.Load().overview(), nil },
		"proxy.route-table": func(_ context.Context, q RoutesQuery) (TablePage, error) { return r.current.Load().page(q) },
	}
}

// overview is everything that counts; nil has nothing.
func (p *Plan) overview() (o Overview) {
	if p == nil {
		return o
	}
	for _, name := range p.tableNames() {
		t := p.tables[name]
		status := TableStatus{Name: name, Routes: t.keys.len(), Bytes: t.bytes(), Hits: t.hits.Load(), File: t.file}
		if t.problem != nil {
			status.Problem = t.problem.Error()
		}
		o.Tables = append(o.Tables, status)
	}
	for _, name := range slices.Sorted(maps.Keys(p.policies)) {
		policy := PolicyStatus{Name: name}
		for i := range p.policies[name].steps {
			s := &p.policies[name].steps[i]
			policy.Steps = append(policy.Steps, StepStatus{
				s.sequence, s.table.name, describe(s.field), model.MatchRuleNames[s.rule], s.hits.Load(),
			})
		}
		o.Policies = append(o.Policies, policy)
	}
	for stage := range p.triggers {
		for _, t := range p.triggers[stage] {
			status := TriggerStatus{Stage: model.TriggerKindNames[stage], Sequence: t.sequence, Policy: t.policy, Hits: t.hits.Load()}
			if t.condition != nil {
				status.Condition = t.condition.name
			}
			o.Triggers = append(o.Triggers, status)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.nextHops)) {
		next := p.nextHops[name]
		o.NextHops = append(o.NextHops, NextHopStatus{name, next.target.Address, next.hits.Load()})
	}
	return o
}

func (p *Plan) page(q RoutesQuery) (page TablePage, err error) {
	if p == nil || p.tables[q.Table] == nil {
		return page, fmt.Errorf("there is no route table %s", q.Table)
	}
	t := p.tables[q.Table]
	for i := max(0, q.From); i < t.keys.len(); i++ {
		key := t.keys.at(i)
		if !strings.HasPrefix(key, q.Key) {
			continue
		}
		if len(page.Routes) == pageSize {
			page.Next = i
			break
		}
		page.Routes = append(page.Routes, RouteStatus{key, destinationText(&p.destinations[t.destinations[i]].Destination)})
	}
	return page, nil
}

// ExecCommands declares what an operator may ask of routing.
func ExecCommands() []exec.Command {
	table := config.Argument{Name: "TABLE", Type: config.Name{Max: 64}, Help: "Name of a route table"}
	key := config.Argument{Name: "KEY", Type: config.Word{Max: keyMax}, Help: "Begin of a key"}
	policy := config.Argument{Name: "POLICY", Type: config.Name{Max: 64}, Help: "Name of a lookup policy"}
	return append(adjacencyExecCommands(), []exec.Command{
		{Syntax: "show route table", Help: "The route tables, what they hold and how often they are hit", Run: showTables},
		{Syntax: "show routes table TABLE [key KEY]", Args: []config.Argument{table, key}, Help: "The routes of a table", Run: showRoutes},
		{Syntax: "show policy lookup [POLICY]", Args: []config.Argument{policy}, Help: "The lookup policies and how often their steps find a route", Run: showPolicies},
		{Syntax: "show trigger", Help: "The triggers and how often they decide", Run: showTriggers},
		{
			Syntax: "test route REQUEST-URI [from URI] [network NETWORK] [source ADDRESS] [method METHOD] [time TIME]",
			Args: []config.Argument{
				{Name: "REQUEST-URI", Type: config.Word{Max: maxTestURI}, Help: "Where the request is to go: sip:4930123@example.com"},
				{Name: "URI", Type: config.Word{Max: maxTestURI}, Help: "Who it is from"},
				{Name: "NETWORK", Type: config.Name{}, Help: "SIP network that it comes in on"},
				{Name: "ADDRESS", Type: config.Address{}, Help: "Address that it comes from"},
				{Name: "METHOD", Type: config.Word{Max: 32}, Help: "Method of the request (default INVITE)"},
				{Name: "TIME", Type: config.DateTime{}, Help: "When, in the zone of the box (default now)"},
			},
			Help: "Where a request would go, and why", Run: testRoute,
		},
	}...)
}

func showTables(ctx context.Context, s exec.Session, _ config.Args) error {
	var o Overview
	if err := s.Call(ctx, "proxy", "proxy.routes", nil, &o); err != nil {
		return err
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Table\tRoutes\tOctets\tHits\tFile")
	for _, t := range o.Tables {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\n", t.Name, t.Routes, t.Bytes, t.Hits, dash(t.File))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, t := range o.Tables {
		if t.Problem != "" {
			fmt.Fprintf(s, "Table %s is without its file:\n  %s\n", t.Name, t.Problem)
		}
	}
	return nil
}

func showRoutes(ctx context.Context, s exec.Session, a config.Args) error {
	q := RoutesQuery{Table: a.Text("TABLE"), Key: a.Text("KEY")}
	for more := true; more; more = q.From > 0 {
		var page TablePage
		if err := s.Call(ctx, "proxy", "proxy.route-table", q, &page); err != nil {
			return err
		}
		for _, r := range page.Routes {
			if _, err := fmt.Fprintf(s, "key %s %s\n", r.Key, r.Destination); err != nil {
				return err
			}
		}
		q.From = page.Next
	}
	return nil
}

func showPolicies(ctx context.Context, s exec.Session, a config.Args) error {
	var o Overview
	if err := s.Call(ctx, "proxy", "proxy.routes", nil, &o); err != nil {
		return err
	}
	if name := a.Text("POLICY"); name != "" {
		if o.Policies = slices.DeleteFunc(o.Policies, func(p PolicyStatus) bool { return p.Name != name }); len(o.Policies) == 0 {
			return fmt.Errorf("there is no lookup policy %s", name)
		}
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Policy\tSequence\tTable\tKey\tRule\tHits")
	for _, p := range o.Policies {
		for _, step := range p.Steps {
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%d\n", p.Name, step.Sequence, step.Table, step.Field, step.Rule, step.Hits)
		}
	}
	return table.Flush()
}

func showTriggers(ctx context.Context, s exec.Session, _ config.Args) error {
	var o Overview
	if err := s.Call(ctx, "proxy", "proxy.routes", nil, &o); err != nil {
		return err
	}
	table := tabwriter.NewWriter(s, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "Trigger\tSequence\tCondition\tPolicy\tHits")
	for _, t := range o.Triggers {
		condition, policy := t.Condition, t.Policy
		if condition == "" {
			condition = "always"
		}
		if policy == "" {
			policy = "by-pass"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%d\n", t.Stage, t.Sequence, condition, policy, t.Hits)
	}
	for _, n := range o.NextHops {
		fmt.Fprintf(table, "next-hop\t-\tnetwork %s\tudp %v\t%d\n", n.Network, n.Address, n.Hits)
	}
	return table.Flush()
}

func testRoute(ctx context.Context, s exec.Session, a config.Args) error {
	q := TestQuery{
		URI: a.Text("REQUEST-URI"), From: a.Text("URI"), Network: a.Text("NETWORK"),
		Source: a.Addr("ADDRESS"), Method: a.Text("METHOD"), Time: a.Text("TIME"),
	}
	var e Explanation
	if err := s.Call(ctx, "proxy", "proxy.test-route", q, &e); err != nil {
		return err
	}
	for _, line := range e.Steps {
		fmt.Fprintln(s, line)
	}
	if e.Refusal != "" {
		exec.Field(s, "Refused", e.Refusal)
		return nil
	}
	fmt.Fprintln(s, "Targets, each when the one before has failed:")
	for _, target := range e.Targets {
		fmt.Fprintln(s, "  "+target)
	}
	return nil
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// destinationText is a destination in the words of the commands.
func destinationText(d *model.Destination) string {
	switch d.Kind {
	case model.ToGroup:
		return "group " + d.Name
	case model.ToPolicy:
		return "policy " + d.Name
	case model.ToResponse:
		return fmt.Sprintf("response %d", d.Status)
	case model.ToRequestURI:
		return "default-sip " + d.Network
	}
	host := config.HostPort{}.Format(config.HostAndPort{Host: d.Host, Port: d.Port})
	words := []string{"target-destination", host, d.Network}
	if d.Transport != "" {
		words = append(words, d.Transport)
	}
	return strings.Join(words, " ")
}
