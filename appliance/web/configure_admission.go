package web

import "causeway/appliance/config"

// admissionPages say who may call now.
func admissionPages() []*page {
	return []*page{
		{
			path: "/configure/limits", title: "Call rate, emergency calls and floods",
			intro: "The licence says how many calls per second may come; here is how the rate is held against that, and what protects the box.",
			parts: []part{
				single("rate", "Calls per second", config.Global,
					line{"How the rate is measured", "cps mode WORD"},
					line{"Reject when", "cps reject-at WORD"},
					line{"Response", "cps reject-code WORD"},
					line{"Own limit", "call-rate-limit RATE"},
					line{"Failed-calls log", "failed-calls-log WORD"}),
				single("overload", "Calls that are too many", config.Global,
					line{"Callers get", "sip overload reject [retry-after SECONDS] | sip overload redirect HOST"}),
				single("emergency", "Emergency calls", config.Global,
					line{"Let in whatever limits say", "license emergency-exempt WORD"},
					line{"Numbers", "emergency number NUMBER..."}),
				single("floods", "Floods", config.Global,
					line{"Requests a second of one address", "sip flood-limit RATE"}),
				several("denied", "Who gets no answer", config.Global,
					line{"Address or network", "sip deny SOURCE"}),
			},
		},
		{
			path: "/configure/cac", title: "Call admission control", mode: "config-sbc-sbe", place: inSBE,
			intro: "A policy set has tables, a table has entries: each call goes through the tables of the active set and is counted by the entries that it matches.",
			parts: []part{
				single("active", "In force", "config-sbc-sbe",
					line{"Active policy set", "active-cac-policy-set SET"}),
				several("sets", "Policy sets", "config-sbc-sbe",
					line{"Policy set", "cac-policy-set SET"}),
			},
		},
		{
			path: "/configure/cac/set", title: "Policy set", mode: "config-sbc-sbe-cacpolicy",
			parts: []part{
				several("tables", "Tables", "config-sbc-sbe-cacpolicy",
					line{"Table", "cac-table TABLE"}),
				single("set", "Policy set", "config-sbc-sbe-cacpolicy",
					line{"Description", "description LINE"},
					line{"First table", "first-cac-table FIRST"},
					line{"First table counts for", "first-cac-scope WORD"},
					line{"Entries are compared with", "table-type policy-set | table-type limit OBJECT"}),
			},
		},
		{
			path: "/configure/cac/set/table", title: "Table of a policy set", mode: "config-sbc-sbe-cacpolicy-cactable",
			parts: []part{
				several("entries", "Entries", "config-sbc-sbe-cacpolicy-cactable",
					line{"Entry", "entry ENTRY"}),
				single("table", "Table", "config-sbc-sbe-cacpolicy-cactable",
					line{"Description", "description LINE"},
					line{"Entries are compared with", "table-type policy-set | table-type limit OBJECT"}),
			},
		},
		{
			path: "/configure/cac/set/table/entry", title: "Entry of a table", mode: "config-sbc-sbe-cacpolicy-cactable-entry",
			parts: []part{
				single("entry", "Entry", "config-sbc-sbe-cacpolicy-cactable-entry",
					line{"Is for", "match-value VALUE"},
					line{"Calls go on to", "action next-table NEXT | action cac-complete"},
					line{"Counts for each", "cac-scope WORD"},
					line{"Calls at the same time", "max-num-calls CALLS"},
					line{"Calls a minute", "max-call-rate-per-scope RATE [burst BURST]"},
					line{"Bill by methods of this entry only", "billing filter WORD"}),
				several("methods", "Methods of billing", "config-sbc-sbe-cacpolicy-cactable-entry",
					line{"Method", "billing methods METHOD"}),
			},
		},
	}
}
