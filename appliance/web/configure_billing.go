package web

// billingPages are CUBE's billing, and who takes its records.
func billingPages() []*page {
	return []*page{
		{
			path: "/configure/radius", title: "RADIUS accounting", mode: "config-sbc-sbe", place: inSBE,
			intro: "Clients that send event messages, each to its servers by priority.",
			parts: []part{
				several("clients", "RADIUS clients", "config-sbc-sbe",
					line{"RADIUS client", "radius accounting CLIENT"}),
				single("address", "Own address", "config-sbc-sbe",
					line{"Requests come from", "control address aaa ipv4 ADDRESS [vrf VRF]"}),
			},
		},
		{
			path: "/configure/radius/client", title: "RADIUS client", mode: "config-sbc-sbe-acc",
			parts: []part{
				several("servers", "Servers", "config-sbc-sbe-acc",
					line{"Server", "server SERVER"}),
				single("client", "Requests", "config-sbc-sbe-acc",
					line{"In service", "activate"},
					line{"At the same time", "concurrent-requests REQUESTS"},
					line{"Time between tries", "retry-interval MS"},
					line{"Further tries", "retry-limit TRIES"}),
			},
		},
		{
			path: "/configure/radius/client/server", title: "RADIUS server", mode: "config-sbc-sbe-acc-ser",
			parts: []part{
				single("server", "Server", "config-sbc-sbe-acc-ser",
					line{"IPv4 address", "address ipv4 ADDRESS"},
					line{"IPv6 address", "address ipv6 ADDRESS"},
					line{"Port", "port PORT"},
					line{"Transport", "transport WORD"},
					line{"Secret", "key KEY"},
					line{"Priority", "priority PRIORITY"}),
			},
		},
		{
			path: "/configure/billing", title: "Billing", mode: "config-sbc-sbe-billing", place: inBilling,
			intro: "Methods say how calls are billed; each needs an instance. Records wait in the cache until they are delivered.",
			parts: []part{
				single("billing", "Billing", "config-sbc-sbe-billing",
					line{"In service", "activate"},
					line{"By event messages (PacketCable)", "method packetcable-em"},
					line{"By XML files", "method xml"},
					line{"Element ID", "element-id NUMBER"},
					line{"Own address in records", "local-address ipv4 ADDRESS"},
					line{"Ends of a call", "cdr endpoint-info WORD"},
					line{"Media in records", "cdr media-info"},
					line{"Report of long calls", "ldr-check HOUR [MINUTE]"}),
				several("event-messages", "Instances: event messages", "config-sbc-sbe-billing",
					line{"Instance", "packetcable-em INDEX transport radius CLIENT"}),
				several("xml", "Instance: XML files", "config-sbc-sbe-billing",
					line{"Instance", "xml INDEX"}),
				single("cache", "Cache", "config-sbc-sbe-billing",
					line{"Directory", "cache path PATH"},
					line{"Largest size", "cache max-size KB"},
					line{"Alarms", "cache alarm [critical CRITICAL] [major MAJOR] [minor MINOR]"},
					line{"Records go there", "cache policy WORD"}),
			},
		},
		{
			path: "/configure/billing/event-messages", title: "Event messages", mode: "config-sbc-sbe-billing-packetcable-em",
			parts: []part{
				single("instance", "Instance", "config-sbc-sbe-billing-packetcable-em",
					line{"In service", "attach"},
					line{"Batch size", "batch-size OCTETS"},
					line{"Batch time", "batch-time MS"},
					line{"Own address in records", "local-address ipv4 ADDRESS"},
					line{"Report of long calls", "ldr-check HOUR [MINUTE]"},
					line{"When it is deactivated", "deact-mode WORD"}),
			},
		},
		{
			path: "/configure/billing/xml", title: "XML files", mode: "config-sbc-sbe-billing-xml",
			parts: []part{
				single("instance", "Instance", "config-sbc-sbe-billing-xml",
					line{"In service", "attach"},
					line{"Directory", "cdr path PATH"},
					line{"Finish a file after", "flipped-interval SECONDS"},
					line{"Finish a file at", "flipped-size KB"},
					line{"Alarms", "cdr alarm [minor MINOR] [major MAJOR] [critical CRITICAL]"},
					line{"Report of long calls", "ldr-check HOUR [MINUTE]"},
					line{"When it is deactivated", "deact-mode WORD"}),
				single("transfer", "Transfer", "config-sbc-sbe-billing-xml",
					line{"Send files to", "cdr transfer URL [password PASSWORD] [host-key FINGERPRINT]"}),
			},
		},
	}
}
