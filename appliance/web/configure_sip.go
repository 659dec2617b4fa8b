package web

import "causeway/appliance/config"

// sipPages are the wire and its neighbours, in CUSP's words.
func sipPages() []*page {
	return []*page{
		{
			path: "/configure/networks", title: "SIP networks",
			intro: "A network is a set of listen points that are treated alike. The simplest routing is a next hop: where requests of a network go that no routing trigger takes.",
			parts: []part{
				several("networks", "Networks", config.Global,
					line{"Network", "sip network NETWORK [KIND]"}),
				several("listen", "Listen points", config.Global,
					line{"Listen point", "sip listen NETWORK TRANSPORT ADDRESS PORT"}),
				several("next-hops", "Next hops", config.Global,
					line{"Next hop", "sip next-hop NETWORK udp ADDRESS PORT OUT-NETWORK"}),
				several("record-route", "Record-Route", config.Global,
					line{"Address in Record-Route", "sip record-route NETWORK TRANSPORT HOST [PORT]"}),
			},
		},
		{
			path: "/configure/networks/network", title: "SIP network", mode: "config-sip-network",
			parts: []part{
				single("neighbours", "Neighbours", "config-sip-network",
					line{"Take no connections of others", "no allow-connections"},
					line{"Ask for certificates (TLS)", "tls verify"},
					line{"Hide Via of other networks", "header-hide"},
					line{"Overload control (RFC 7339)", "overload-control"},
					line{"Longest UDP datagram", "udp max-datagram-size OCTETS"},
					line{"Time to open a connection", "tcp connection-setup-timeout MILLISECONDS"},
					line{"100 to requests but INVITE after", "non-invite-provisional MILLISECONDS"}),
				several("timers", "SIP timers", "config-sip-network",
					line{"Timer", "retransmit-timer TIMER MILLISECONDS"}),
				several("counts", "Repeated messages", "config-sip-network",
					line{"Repetitions", "retransmit-count TRANSACTION COUNT"}),
			},
		},
		{
			path: "/configure/sip", title: "SIP",
			intro: "What holds for all networks.",
			parts: []part{
				single("messages", "Messages", config.Global,
					line{"Max-Forwards", "sip max-forwards HOPS"},
					line{"Short header fields", "sip header-compaction"},
					line{"Try contacts of a 3xx here", "route recursion"},
					line{"Remove asserted identities", "sip privacy service"}),
				several("trusted", "Networks that get asserted identities all the same", config.Global,
					line{"Trusted network", "sip privacy trusted-destination NETWORK"}),
				several("aliases", "Names of the box", config.Global,
					line{"Name", "sip alias HOST"}),
				single("connections", "Connections (TCP, TLS, WebSocket)", config.Global,
					line{"Idle time", "sip tcp connection-timeout SECONDS"},
					line{"Most connections", "sip tcp max-connections CONNECTIONS"}),
			},
		},
		{
			path: "/configure/finding", title: "Finding SIP servers", mode: "config-dns", place: inDNS,
			intro: "RFC 3263: NAPTR records say the transport, SRV records servers and ports, address records the rest.",
			parts: []part{
				single("records", "Records that are asked for", "config-dns",
					line{"Without SRV records", "no enable"},
					line{"Without NAPTR records", "no naptr"}),
			},
		},
		{
			path: "/configure/sbc", title: "Session border controller",
			intro: "What billing, RADIUS, adjacencies and call admission control stand in, as in CUBE. A box has one; the pages of what is in there make it.",
			parts: []part{
				several("sbc", "Session border controller", config.Global,
					line{"Session border controller", "sbc SBC"}),
			},
		},
		{
			path: "/configure/sbc/sbc", title: "Session border controller", mode: "config-sbc",
			parts: []part{
				single("sbe", "What is in there", "config-sbc",
					line{"Signalling border element", "sbe"}),
			},
		},
		{
			path: "/configure/sbc/sbe", title: "Signalling border element", mode: "config-sbc-sbe",
			parts: []part{
				links{"in-there", "What is in there", []string{"/configure/adjacencies", "/configure/cac", "/configure/radius", "/configure/billing"}},
				single("billing", "Billing", "config-sbc-sbe",
					line{"There is billing", "billing"}),
			},
		},
		{
			path: "/configure/adjacencies", title: "Adjacencies", mode: "config-sbc-sbe", place: inSBE,
			intro: "Neighbours, as billing and call admission control know them: the one of the longest address prefix counts. One that has no adjacency is named like its network.",
			parts: []part{
				several("adjacencies", "Adjacencies", "config-sbc-sbe",
					line{"Adjacency", "adjacency sip ADJACENCY"}),
			},
		},
		{
			path: "/configure/adjacencies/adjacency", title: "Adjacency", mode: "config-sbc-sbe-adj-sip",
			parts: []part{
				single("neighbour", "Neighbour", "config-sbc-sbe-adj-sip",
					line{"SIP network", "network NETWORK"},
					line{"Transport", "transport TRANSPORT"},
					line{"Account", "account ACCOUNT"},
					line{"Adjacency group", "group GROUP"}),
				several("addresses", "Its addresses", "config-sbc-sbe-adj-sip",
					line{"IPv4 address or network", "remote-address ipv4 ADDRESS MASK"},
					line{"IPv6 address or network", "remote-address ipv6 PREFIX"}),
			},
		},
	}
}
