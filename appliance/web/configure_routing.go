package web

import "causeway/appliance/config"

// routingPages lead a call from what it is to where it goes, in the order of
// its stations: trigger, lookup policy, route table, route group, server group;
// what changes messages comes last.
func routingPages() []*page {
	return []*page{
		{
			path: "/configure/triggers", title: "Triggers",
			intro: "The first trigger of a stage whose condition is true decides: which lookup policy finds the route (routing), which normalization policy changes the message before that and after it. A trigger without a condition always holds.",
			parts: []part{
				several("triggers", "Triggers", config.Global,
					line{"Trigger", "trigger STAGE sequence SEQUENCE [by-pass] [policy POLICY] [condition CONDITION]"}),
				several("conditions", "Conditions", config.Global,
					line{"Condition", "trigger condition CONDITION"}),
				related("/configure/lookup-policies", "/configure/normalization", "/configure/time-policies"),
			},
		},
		{
			path: "/configure/triggers/condition", title: "Condition", mode: "config-trigger",
			intro: "The condition is true when one of its sequences is.",
			parts: []part{
				several("sequences", "Sequences", "config-trigger",
					line{"Sequence", "sequence SEQUENCE"}),
			},
		},
		{
			path: "/configure/triggers/condition/sequence", title: "Sequence of a condition", mode: "config-trigger-seq",
			intro: "The sequence is true when all of its tests are. An expression must match all of the text.",
			parts: []part{several("tests", "Tests", "config-trigger-seq", tests()...)},
		},
		{
			path: "/configure/lookup-policies", title: "Lookup policies",
			intro: "A policy looks something of the request up in a route table, step by step; the first step that finds a route decides.",
			parts: []part{
				several("policies", "Lookup policies", config.Global,
					line{"Lookup policy", "policy lookup POLICY"}),
				related("/configure/route-tables"),
			},
		},
		{
			path: "/configure/lookup-policies/policy", title: "Lookup policy", mode: "config-lookup",
			parts: []part{several("steps", "Steps", "config-lookup", lookups...)},
		},
		{
			path: "/configure/lookup-policies/policy/step", title: "Step of a lookup policy", mode: "config-lookup-seq",
			parts: []part{
				single("rule", "How it is looked up", "config-lookup-seq",
					line{"Rule", "rule RULE [LENGTH]"}),
				several("modifiers", "How the key is changed before", "config-lookup-seq",
					line{"Leave characters out", "modify-key MODIFIER"},
					line{"Replace", "modify-key regex-match MATCH regex-replace VALUE"}),
			},
		},
		{
			path: "/configure/route-tables", title: "Route tables",
			intro: "A table has routes by key: a number, a prefix, a domain, a network. How a key is compared says the step of the lookup policy that asks the table.",
			parts: []part{
				several("tables", "Route tables", config.Global,
					line{"Route table", "route table TABLE"}),
				related("/configure/route-groups", "/configure/server-groups"),
			},
		},
		{
			path: "/configure/route-tables/table", title: "Route table", mode: "config-rt",
			parts: []part{
				several("routes", "Routes", "config-rt",
					line{"To a server group or a host", "key KEY target-destination TARGET NETWORK [TRANSPORT]"},
					line{"To a route group", "key KEY group GROUP"},
					line{"To a response", "key KEY response CODE"},
					line{"To another lookup policy", "key KEY policy POLICY"},
					line{"To where the Request-URI says", "key KEY default-sip NETWORK"}),
				single("file", "More routes", "config-rt",
					line{"Route file", "file PATH"}),
			},
		},
		{
			path: "/configure/route-groups", title: "Route groups",
			intro: "Several ways to the same place, tried by falling q-value; among equal ones the weight decides.",
			parts: []part{
				several("groups", "Route groups", config.Global,
					line{"Route group", "route group ROUTE-GROUP"}),
				related("/configure/server-groups", "/configure/time-policies"),
			},
		},
		{
			path: "/configure/route-groups/group", title: "Route group", mode: "config-rg",
			parts: []part{
				several("ways", "Ways", "config-rg",
					line{"To a server group or a host", "element target-destination TARGET NETWORK [TRANSPORT] [q-value Q] [weight WEIGHT] [failover-codes CODES...] [time-policy TIMES]"},
					line{"To a route group", "element group GROUP [q-value Q] [weight WEIGHT] [failover-codes CODES...] [time-policy TIMES]"},
					line{"To a response", "element response CODE [q-value Q] [weight WEIGHT] [failover-codes CODES...] [time-policy TIMES]"},
					line{"To a lookup policy", "element policy POLICY [q-value Q] [weight WEIGHT] [failover-codes CODES...] [time-policy TIMES]"},
					line{"To where the Request-URI says", "element default-sip NETWORK [q-value Q] [weight WEIGHT] [failover-codes CODES...] [time-policy TIMES]"}),
				single("order", "Order", "config-rg",
					line{"Equal ways at the same time", "parallel"}),
			},
		},
		{
			path: "/configure/server-groups", title: "Server groups",
			intro: "A group is a set of servers of one SIP network of which each can take a call. A group's page has its servers; how they are pinged is set for each network.",
			parts: []part{
				several("groups", "Server groups", config.Global,
					line{"Server group", "server-group sip group GROUP NETWORK"}),
				single("all", "All server groups", config.Global,
					line{"Load balancing", "server-group sip global-load-balance BALANCE"},
					line{"Rest after a 503", "server-group sip retry-after MILLISECONDS"},
					line{"Ping the servers", "server-group sip global-ping"}),
				several("retries", "Failures until a server is down", config.Global,
					line{"Failures", "server-group sip element-retries TRANSPORT COUNT"}),
				several("pings", "How servers are pinged", config.Global,
					line{"Pings of a network", "server-group sip ping-options NETWORK ADDRESS PORT"}),
				related("/configure/networks"),
			},
		},
		{
			path: "/configure/server-groups/group", title: "Server group", mode: "config-sg",
			parts: []part{
				several("elements", "Servers", "config-sg",
					line{"Server", "element ip-address HOST PORT TRANSPORT [q-value Q] [weight WEIGHT]"}),
				several("shutdown", "Servers out of service", "config-sg",
					line{"Server", "element ip-address HOST PORT TRANSPORT shutdown"}),
				single("choice", "Choice of the server", "config-sg",
					line{"Load balancing", "lbtype BALANCE"},
					line{"Responses that lead to the next", "failover-resp-codes CODES..."},
					line{"Without pings", "no ping"}),
			},
		},
		{
			path: "/configure/server-groups/pings", title: "Pings of a network", mode: "config-ping",
			parts: []part{
				single("ping", "Pings", "config-ping",
					line{"When", "ping-type adaptive UP DOWN | ping-type proactive UP | ping-type reactive DOWN"},
					line{"Time for an answer", "timeout MILLISECONDS"}),
			},
		},
		{
			path: "/configure/time-policies", title: "Time policies",
			intro: "Times at which a way of a route group is there, or a condition true.",
			parts: []part{
				several("policies", "Time policies", config.Global,
					line{"Time policy", "policy time POLICY"}),
			},
		},
		{
			path: "/configure/time-policies/policy", title: "Time policy", mode: "config-time",
			intro: "The policy holds when one of its sequences does.",
			parts: []part{
				several("sequences", "Sequences", "config-time",
					line{"Sequence", "sequence SEQUENCE"}),
			},
		},
		{
			path: "/configure/time-policies/policy/sequence", title: "Sequence of a time policy", mode: "config-time-seq",
			intro: "The sequence holds when all that is set here does.",
			parts: []part{
				single("times", "Times", "config-time-seq",
					line{"Not before", "start-time MOMENT"},
					line{"Not after", "end-time MOMENT"},
					line{"Months", "month RANGES"},
					line{"Days of the month", "day-of-month RANGES"},
					line{"Days of the week", "day-of-week RANGES"},
					line{"Time of the day", "time FROM TO"}),
			},
		},
		{
			path: "/configure/normalization", title: "Normalization policies",
			intro: "A policy changes messages, step by step. The triggers for pre-normalization and post-normalization say which messages.",
			parts: []part{
				several("policies", "Normalization policies", config.Global,
					line{"Normalization policy", "policy normalization POLICY"}),
			},
		},
		{
			path: "/configure/normalization/policy", title: "Normalization policy", mode: "config-norm",
			parts: []part{several("steps", "Steps", "config-norm", normalizations...)},
		},
	}
}

// tests are those of a condition, each followed by its opposite.
func tests() []line {
	var all []line
	for _, test := range []line{
		{"Network it came in on", "in-network VALUE"},
		{"Network it leaves by", "out-network VALUE"},
		{"Own address", "local-ip VALUE"},
		{"Own port", "local-port VALUE"},
		{"Address of the neighbour", "remote-ip VALUE"},
		{"Port of the neighbour", "remote-port VALUE"},
		{"Transport", "protocol VALUE"},
		{"Request or response", "message VALUE"},
		{"Method", "method VALUE"},
		{"Status code", "response-code VALUE"},
		{"Within a dialog", "mid-dialog"},
		{"Time policy", "time VALUE"},
		{"Component of the Request-URI", "request-uri uri-component COMPONENT VALUE"},
		{"Parameter of the Request-URI", "request-uri uri-param PARAM VALUE"},
		{"Header field", "header HEADER value VALUE"},
		{"Component of the URI in a header field", "header HEADER uri-component COMPONENT VALUE"},
		{"Parameter of the URI in a header field", "header HEADER uri-param PARAM VALUE"},
		{"Parameter of a header field", "header HEADER header-param PARAM VALUE"},
	} {
		all = append(all, test, line{test.label + ": not", "not " + test.syntax})
	}
	return all
}

// lookups are the steps of a lookup policy.
var lookups = []line{
	{"Request-URI", "sequence SEQUENCE TABLE request-uri"},
	{"Component of the Request-URI", "sequence SEQUENCE TABLE request-uri uri-component COMPONENT"},
	{"Parameter of the Request-URI", "sequence SEQUENCE TABLE request-uri uri-param PARAM"},
	{"Header field", "sequence SEQUENCE TABLE header HEADER"},
	{"Component of the URI in a header field", "sequence SEQUENCE TABLE header HEADER uri-component COMPONENT"},
	{"Parameter of the URI in a header field", "sequence SEQUENCE TABLE header HEADER uri-param PARAM"},
	{"Parameter of a header field", "sequence SEQUENCE TABLE header HEADER header-param PARAM"},
	{"Network it came in on", "sequence SEQUENCE TABLE field in-network"},
	{"Own address", "sequence SEQUENCE TABLE field local-ip"},
	{"Own port", "sequence SEQUENCE TABLE field local-port"},
	{"Address of the neighbour", "sequence SEQUENCE TABLE field remote-ip"},
	{"Port of the neighbour", "sequence SEQUENCE TABLE field remote-port"},
	{"Transport", "sequence SEQUENCE TABLE field protocol"},
	{"Method", "sequence SEQUENCE TABLE field method"},
}

// normalizations are the steps of a normalization policy.
var normalizations = []line{
	{"Add a header field", "sequence SEQUENCE header add HEADER VALUE"},
	{"Change a header field", "sequence SEQUENCE header update HEADER WHICH MATCH VALUE"},
	{"Remove a header field", "sequence SEQUENCE header remove HEADER WHICH MATCH"},
	{"Add a parameter to a header field", "sequence SEQUENCE header-param add HEADER WHICH PARAM VALUE"},
	{"Change a parameter of a header field", "sequence SEQUENCE header-param update HEADER WHICH PARAM MATCH VALUE"},
	{"Remove a parameter of a header field", "sequence SEQUENCE header-param remove HEADER WHICH PARAM"},
	{"Change a component of the Request-URI", "sequence SEQUENCE uri-component update request-uri COMPONENT MATCH VALUE"},
	{"Change a component of the URI in a header field", "sequence SEQUENCE uri-component update HEADER WHICH COMPONENT MATCH VALUE"},
	{"Add a parameter to the Request-URI", "sequence SEQUENCE uri-param add request-uri PARAM VALUE"},
	{"Add a parameter to the URI in a header field", "sequence SEQUENCE uri-param add HEADER WHICH PARAM VALUE"},
	{"Change a parameter of the Request-URI", "sequence SEQUENCE uri-param update request-uri PARAM MATCH VALUE"},
	{"Change a parameter of the URI in a header field", "sequence SEQUENCE uri-param update HEADER WHICH PARAM MATCH VALUE"},
	{"Remove a parameter of the Request-URI", "sequence SEQUENCE uri-param remove request-uri PARAM"},
	{"Remove a parameter of the URI in a header field", "sequence SEQUENCE uri-param remove HEADER WHICH PARAM"},
	{"Make a tel URI of the Request-URI", "sequence SEQUENCE sip-to-tel request-uri"},
	{"Make a tel URI of the one in a header field", "sequence SEQUENCE sip-to-tel HEADER WHICH"},
	{"Make a sip URI of a tel Request-URI", "sequence SEQUENCE tel-to-sip request-uri HOST"},
	{"Make a sip URI of the tel URI in a header field", "sequence SEQUENCE tel-to-sip HEADER WHICH HOST"},
}
