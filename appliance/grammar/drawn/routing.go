package drawn

import (
	"fmt"
	"net/netip"
	"strings"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawRouting draws server groups, tables, policies and triggers of networks.
// local is an address that is not listened on.
func drawRouting(t *rapid.T, s *model.SIP, local netip.AddrPort) {
	r := &s.Routing
	network := rapid.SampledFrom(networkNames(s))
	r.Balance = rapid.SampledFrom([]model.Balance{0, 1, 2, 3, 4, 5}).Draw(t, "balance")
	r.RetryAfter = orDefault(1, 3600000).Draw(t, "retry after")
	r.Retries = model.ElementTries{UDP: orDefault(1, 65535).Draw(t, "udp"), TCP: orDefault(1, 65535).Draw(t, "tcp"), TLS: orDefault(1, 65535).Draw(t, "tls")}
	r.GlobalPing = rapid.Bool().Draw(t, "pings")
	if rapid.Bool().Draw(t, "has ping options") {
		r.PingOptions = []model.PingOptions{pingOptions(t, network.Draw(t, "network"), local)}
	}
	names := func(label string) []string { return rapid.SliceOfNDistinct(name, 0, 2, rapid.ID).Draw(t, label) }
	for _, n := range names("server groups") {
		r.Groups = append(r.Groups, serverGroup(t, n, network.Draw(t, "network")))
	}
	times := names("time policies")
	for _, n := range times {
		r.TimePolicies = append(r.TimePolicies, timePolicy(t, n))
	}
	// Groups and policies name only those behind them: no circles.
	groups, policies := names("route groups"), names("lookup policies")
	for i, n := range groups {
		to := destination(r.Groups, network, groups[i+1:], policies)
		g := model.RouteGroup{Name: n, Parallel: rapid.Bool().Draw(t, "parallel")}
		for _, d := range rapid.SliceOfNDistinct(to, 0, 4, rapid.ID).Draw(t, "elements") {
			g.Elements = append(g.Elements, model.RouteElement{
				Destination: d, Q: rapid.IntRange(0, 1000).Draw(t, "q"), Weight: rapid.IntRange(0, 100).Draw(t, "weight"),
				FailoverCodes: codes.Draw(t, "codes"), TimePolicy: rapid.SampledFrom(append(times, "")).Draw(t, "times"),
			})
		}
		r.RouteGroups = append(r.RouteGroups, g)
	}
	for i, n := range policies { // each looks up a table of its own
		table := routeTable(t, "t-"+n, destination(r.Groups, network, nil, policies[i+1:]))
		r.Tables = append(r.Tables, table)
		r.Lookups = append(r.Lookups, lookupPolicy(t, n, table.Name))
	}
	if rapid.Bool().Draw(t, "has a table that nobody looks up") {
		r.Tables = append(r.Tables, routeTable(t, "spare", destination(r.Groups, network, groups, policies)))
	}
	for _, n := range names("normalization policies") {
		r.Normalizers = append(r.Normalizers, normalizationPolicy(t, n))
	}
	if rapid.Bool().Draw(t, "has a condition") {
		r.Conditions = []model.TriggerCondition{{Name: name.Draw(t, "condition"), Sequences: []model.TriggerSequence{
			{Sequence: rapid.IntRange(1, 65535).Draw(t, "sequence"), Tests: tests(t, network, times)},
		}}}
	}
	drawTriggers(t, r)
}

func pingOptions(t *rapid.T, network string, local netip.AddrPort) model.PingOptions {
	p := model.PingOptions{Network: network, Local: local, Timeout: orDefault(100, 60000).Draw(t, "timeout")}
	p.Type = rapid.SampledFrom([]model.PingType{model.PingAdaptive, model.PingProactive, model.PingReactive}).Draw(t, "ping type")
	interval := rapid.IntRange(100, 3600000)
	if p.Type != model.PingReactive {
		p.Up = interval.Draw(t, "up")
	}
	if p.Type != model.PingProactive {
		p.Down = interval.Draw(t, "down")
	}
	return p
}

func serverGroup(t *rapid.T, name, network string) model.ServerGroup {
	g := model.ServerGroup{
		Name: name, Network: network, FailoverCodes: codes.Draw(t, "codes"), NoPing: rapid.Bool().Draw(t, "no ping"),
		Balance: rapid.SampledFrom([]model.Balance{0, 1, 2, 3, 4, 5}).Draw(t, "balance"),
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "elements") {
		g.Elements = append(g.Elements, model.ServerElement{
			Host: fmt.Sprintf("gw%d.example.com", i), Port: rapid.IntRange(0, 65535).Draw(t, "port"), Transport: elementTransport.Draw(t, "transport"),
			Q: rapid.IntRange(0, 1000).Draw(t, "q"), Weight: rapid.IntRange(1, 100).Draw(t, "weight"),
			Shutdown: rapid.Bool().Draw(t, "shutdown"),
		})
	}
	return g
}

var (
	elementTransport = rapid.SampledFrom([]model.Transport{model.UDP, model.TCP, model.TLS})
	codes            = rapid.SampledFrom([][]model.CodeRange{nil, {{From: 503, To: 503}}, {{From: 500, To: 503}, {From: 603, To: 603}}})
	regex            = rapid.SampledFrom([]string{"^698", "(.*)@(.*)", "[0-9]{3}", "a|b", `\+49.*`})
	headerField      = rapid.SampledFrom([]string{"From", "To", "P-Asserted-Identity", "Diversion", "X-Tenant"})
	component        = rapid.SampledFrom([]string{"user", "phone", "host", "host-port", "domain", "uri", "scheme"})
	uriText          = rapid.StringMatching(`[a-z0-9$+.-]{0,12}`)
)

// destination draws where a route leads.
func destination(servers []model.ServerGroup, network *rapid.Generator[string], groups, policies []string) *rapid.Generator[model.Destination] {
	return rapid.Custom(func(t *rapid.T) model.Destination {
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case kind == 0 && len(servers) > 0:
			g := rapid.SampledFrom(servers).Draw(t, "server group")
			return model.Destination{Kind: model.ToTarget, Host: g.Name, Network: g.Network}
		case kind == 1 && len(groups) > 0:
			return model.Destination{Kind: model.ToGroup, Name: rapid.SampledFrom(groups).Draw(t, "route group")}
		case kind == 2 && len(policies) > 0:
			return model.Destination{Kind: model.ToPolicy, Name: rapid.SampledFrom(policies).Draw(t, "policy")}
		case kind == 3:
			return model.Destination{Kind: model.ToResponse, Status: rapid.IntRange(300, 699).Draw(t, "status")}
		case kind == 4:
			return model.Destination{Kind: model.ToRequestURI, Network: network.Draw(t, "network")}
		}
		d := model.Destination{
			Kind: model.ToTarget, Host: label.Draw(t, "host") + ".example.com", Port: orDefault(1, 65535).Draw(t, "port"), Network: network.Draw(t, "network"),
		}
		if rapid.Bool().Draw(t, "has a transport") {
			d.Transport = elementTransport.Draw(t, "transport").String()
		}
		return d
	})
}

func routeTable(t *rapid.T, name string, to *rapid.Generator[model.Destination]) model.RouteTable {
	table := model.RouteTable{Name: name, File: rapid.SampledFrom([]string{"", "harddisk:/routes", "usb0:/a.txt"}).Draw(t, "file")}
	for _, key := range rapid.SliceOfNDistinct(rapid.StringMatching(`[!-~]{1,12}`), 0, 6, rapid.ID).Draw(t, "keys") {
		table.Put(model.Route{Key: key, Destination: to.Draw(t, "destination")})
	}
	return table
}

func timePolicy(t *rapid.T, name string) model.TimePolicy {
	p := model.TimePolicy{Name: name}
	days := func(least, most int, label string) []int { return rising(t, rapid.IntRange(least, most), label) }
	for _, n := range rising(t, rapid.IntRange(1, 65535), "sequences") {
		s := model.TimeSequence{Sequence: n, Months: days(1, 12, "months"), Days: days(1, 31, "days"), Weekdays: days(0, 6, "weekdays")}
		if rapid.Bool().Draw(t, "has an end") {
			s.Start = fmt.Sprintf("2026%02d01T000000", rapid.IntRange(1, 12).Draw(t, "start"))
			s.End = fmt.Sprintf("2027%02d01T120000", rapid.IntRange(1, 12).Draw(t, "end"))
		}
		if rapid.Bool().Draw(t, "has a time") {
			s.From = rapid.IntRange(0, 1000).Draw(t, "from")
			s.To = s.From + rapid.IntRange(1, 439).Draw(t, "duration")
		}
		p.Sequences = append(p.Sequences, s)
	}
	return p
}

// messagePart draws a part of a message that lookups and conditions can be about.
func messagePart(t *rapid.T) model.Field {
	header, param := headerField.Draw(t, "header"), label.Draw(t, "parameter")
	return rapid.SampledFrom([]model.Field{
		{Kind: model.FieldRequestURI, Component: component.Draw(t, "component")},
		{Kind: model.FieldURIParam, Param: param},
		{Kind: model.FieldHeader, Header: header},
		{Kind: model.FieldHeader, Header: header, Component: component.Draw(t, "component")},
		{Kind: model.FieldURIParam, Header: header, Param: param},
		{Kind: model.FieldHeaderParam, Header: header, Param: param},
	}).Draw(t, "part")
}

func lookupPolicy(t *rapid.T, name, table string) model.LookupPolicy {
	p := model.LookupPolicy{Name: name}
	facts := []model.FieldKind{
		model.FieldRequestURI, model.FieldInNetwork, model.FieldLocalIP, model.FieldLocalPort,
		model.FieldRemoteIP, model.FieldRemotePort, model.FieldProtocol, model.FieldMethod,
	}
	for n := range rapid.IntRange(0, 8).Draw(t, "steps") {
		s := model.LookupStep{
			Sequence: 10 * (n + 1), Table: table, Field: messagePart(t),
			Rule:       rapid.SampledFrom([]model.MatchRule{model.MatchExact, model.MatchPrefix, model.MatchFixed, model.MatchSubdomain}).Draw(t, "rule"),
			IgnorePlus: rapid.Bool().Draw(t, "ignores plus"), IgnoreTelSeparators: rapid.Bool().Draw(t, "ignores separators"),
		}
		if rapid.Bool().Draw(t, "looks a fact up") {
			s.Field = model.Field{Kind: rapid.SampledFrom(facts).Draw(t, "fact")}
		}
		if s.Rule == model.MatchFixed {
			s.Length = rapid.IntRange(1, 64).Draw(t, "length")
		}
		if rapid.Bool().Draw(t, "replaces") {
			s.Match, s.Replace = regex.Draw(t, "match"), lineText.Draw(t, "replacement")
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

// lineText draws the rest of a line, with quotes and blanks in all places.
var lineText = rapid.OneOf(uriText, rapid.StringMatching(`[ -~]{0,20}`))

func normalizationPolicy(t *rapid.T, name string) model.NormalizationPolicy {
	p := model.NormalizationPolicy{Name: name}
	header, param := headerField.Draw(t, "header"), label.Draw(t, "parameter")
	fields := map[model.NormalizationAction][]model.Field{
		model.NormalizeAdd:      {{Kind: model.FieldHeader, Header: header}},
		model.NormalizeRemove:   {{Kind: model.FieldHeader, Header: header}},
		model.NormalizeSIPToTel: {{Kind: model.FieldRequestURI}, {Kind: model.FieldHeader, Header: header}},
		model.NormalizeUpdate: {
			{Kind: model.FieldHeader, Header: header},
			{Kind: model.FieldHeader, Header: header, Component: component.Draw(t, "component")},
			{Kind: model.FieldRequestURI, Component: component.Draw(t, "component")},
		},
	}
	fields[model.NormalizeTelToSIP] = fields[model.NormalizeSIPToTel]
	for _, action := range []model.NormalizationAction{model.NormalizeAdd, model.NormalizeUpdate, model.NormalizeRemove} {
		fields[action] = append(fields[action], model.Field{Kind: model.FieldHeaderParam, Header: header, Param: param},
			model.Field{Kind: model.FieldURIParam, Header: header, Param: param}, model.Field{Kind: model.FieldURIParam, Param: param})
	}
	for action := range model.NormalizationAction(5) {
		for _, f := range someOf(t, fields[action], "steps") {
			p.Steps = append(p.Steps, normalizationStep(t, 7*(len(p.Steps)+1), action, f))
		}
	}
	return p
}

// normalizationStep draws a step with what such a one has.
func normalizationStep(t *rapid.T, sequence int, action model.NormalizationAction, f model.Field) model.NormalizationStep {
	s := model.NormalizationStep{Sequence: sequence, Action: action, Field: f}
	adds := action == model.NormalizeAdd && f.Kind == model.FieldHeader
	s.All = f.Header != "" && !adds && rapid.Bool().Draw(t, "all")
	if action == model.NormalizeUpdate || action == model.NormalizeRemove && f.Kind == model.FieldHeader {
		s.Match = rapid.OneOf(rapid.Just(""), regex).Draw(t, "match")
	}
	switch inURI := f.Kind == model.FieldURIParam || f.Component != ""; {
	case action == model.NormalizeTelToSIP:
		s.Value = strings.ToLower(label.Draw(t, "host"))
	case action == model.NormalizeRemove, action == model.NormalizeSIPToTel:
	case inURI:
		s.Value = uriText.Draw(t, "value")
	default:
		s.Value = lineText.Draw(t, "value")
	}
	return s
}

// tests draws what a condition expects.
func tests(t *rapid.T, network *rapid.Generator[string], times []string) []model.TriggerTest {
	header, param := headerField.Draw(t, "header"), label.Draw(t, "parameter")
	fact := func(kind model.FieldKind, value string) model.TriggerTest {
		return model.TriggerTest{Field: model.Field{Kind: kind}, Value: value}
	}
	all := []model.TriggerTest{
		fact(model.FieldInNetwork, network.Draw(t, "in")), fact(model.FieldOutNetwork, network.Draw(t, "out")),
		fact(model.FieldLocalIP, "192.0.2.0/24"), fact(model.FieldRemoteIP, "2001:db8::1"),
		fact(model.FieldLocalPort, "5060"), fact(model.FieldRemotePort, "50.."), fact(model.FieldProtocol, "udp"),
		fact(model.FieldMessage, "response"), fact(model.FieldMethod, "INVITE|UPDATE"), fact(model.FieldResponseCode, "18."),
		fact(model.FieldMidDialog, "true"),
		{Field: model.Field{Kind: model.FieldHeader, Header: header}, Value: regex.Draw(t, "value")},
		{Field: model.Field{Kind: model.FieldHeader, Header: header, Component: component.Draw(t, "component")}, Value: regex.Draw(t, "value")},
		{Field: model.Field{Kind: model.FieldRequestURI, Component: component.Draw(t, "component")}, Value: regex.Draw(t, "value")},
		{Field: model.Field{Kind: model.FieldURIParam, Param: param}, Value: regex.Draw(t, "value")},
		{Field: model.Field{Kind: model.FieldURIParam, Header: header, Param: param}, Value: regex.Draw(t, "value")},
		{Field: model.Field{Kind: model.FieldHeaderParam, Header: header, Param: param}, Value: regex.Draw(t, "value")},
	}
	if len(times) > 0 {
		all = append(all, fact(model.FieldTime, times[0]))
	}
	var some []model.TriggerTest
	for _, test := range rapid.Permutation(all).Draw(t, "order") {
		if rapid.Bool().Draw(t, "is expected") {
			test.Not = rapid.Bool().Draw(t, "not")
			some = append(some, test)
		}
	}
	return some
}

func drawTriggers(t *rapid.T, r *model.Routing) {
	for stage := range model.TriggerKinds {
		var policies []string
		for _, p := range r.Normalizers {
			policies = append(policies, p.Name)
		}
		if stage == model.TriggerRouting {
			policies = nil
			for _, p := range r.Lookups {
				policies = append(policies, p.Name)
			}
		}
		for _, n := range rising(t, rapid.IntRange(1, 65535), "triggers") {
			trigger := model.Trigger{Sequence: n}
			if trigger.ByPass = len(policies) == 0 || rapid.Bool().Draw(t, "by-pass"); !trigger.ByPass {
				trigger.Policy = rapid.SampledFrom(policies).Draw(t, "policy")
			}
			if len(r.Conditions) > 0 && rapid.Bool().Draw(t, "has a condition") {
				trigger.Condition = r.Conditions[0].Name
			}
			r.Triggers[stage] = append(r.Triggers[stage], trigger)
		}
	}
}
