package web

import "causeway/appliance/config"

// networkPages are what an engineer of IP Office knows as LAN1, LAN2, IP Route,
// DNS and Time.
func networkPages() []*page {
	return []*page{
		{
			path: "/configure/lan", title: "LAN1 and LAN2",
			intro: "The ports of the box, and VLANs on them. What a port gives to hosts by DHCP, its speed and IPv6 are on its own page.",
			parts: []part{
				placed{lan("lan1", "LAN1"), []string{"lan LAN1"}},
				placed{lan("lan2", "LAN2"), []string{"lan LAN2"}},
				several("lans", "All ports and VLANs", config.Global,
					line{"Port or VLAN", "lan LAN"}),
			},
		},
		{
			path: "/configure/lan/port", title: "LAN port", mode: "config-lan",
			parts: []part{
				lan("port", "Addresses"),
				single("ipv6", "IPv6", "config-lan",
					line{"IPv6 address", "ipv6 address PREFIX"}),
				several("pools", "DHCP pools", "config-lan",
					line{"DHCP pool", "dhcp pool START COUNT [mask MASK] [router ROUTER]"}),
				single("leases", "DHCP leases", "config-lan",
					line{"Lease time", "dhcp lease-time MINUTES"}),
				single("link", "Link", "config-lan",
					line{"Answer pings", "ping SWITCH"},
					line{"Speed", "speed SPEED"},
					line{"Duplex", "duplex DUPLEX"},
					line{"MTU", "mtu OCTETS"},
					line{"DSCP of SIP packets", "dscp DSCP"}),
			},
		},
		{
			path: "/configure/routes", title: "IP routes",
			intro: "The default route is 0.0.0.0 with the mask 0.0.0.0, of IPv6 ::/0. A router must be on the network of its port.",
			parts: []part{
				several("ipv4", "IPv4 routes", config.Global,
					line{"IPv4 route", "ip route NETWORK MASK GATEWAY LAN [METRIC]"}),
				several("ipv6", "IPv6 routes", config.Global,
					line{"IPv6 route", "ipv6 route PREFIX GATEWAY LAN [METRIC]"}),
			},
		},
		{
			path: "/configure/dns", title: "DNS",
			intro: "Servers that names are asked of, and hosts that are known without asking. How SIP servers are found is on the page Finding SIP servers.",
			parts: []part{
				several("servers", "DNS servers", config.Global,
					line{"DNS server", "ip name-server ADDRESS..."}),
				several("hosts", "Known hosts", config.Global,
					line{"Host", "ip host NAME ADDRESS..."}),
			},
		},
		{
			path: "/configure/time", title: "Name and time",
			intro: "What the box is called, where its time comes from, and the zone that times are shown in.",
			parts: []part{
				single("name", "Name and zone", config.Global,
					line{"Host name", "hostname NAME"},
					line{"Time zone", "clock timezone ZONE [HOURS [MINUTES]]"},
					line{"Follow time servers", "ntp STATE"}),
				several("servers", "Time servers (NTP)", config.Global,
					line{"Time server", "ntp server HOST [prefer]"}),
			},
		},
		{
			path: "/configure/services", title: "Firewall and services",
			intro: "What the box answers on its ports: the firewall closes them to all but what is switched on here and the listen points of SIP.",
			parts: []part{
				single("firewall", "Firewall", config.Global,
					line{"Firewall", "firewall SWITCH"}),
				single("ssh", "SSH and SFTP", config.Global,
					line{"Served", "ip ssh SWITCH"},
					line{"On which ports", "ip ssh lan LAN..."},
					line{"TCP port", "ip ssh port PORT"}),
				single("web", "Administration pages (HTTPS)", config.Global,
					line{"Served", "ip http secure-server"},
					line{"On which ports", "ip http lan LAN..."},
					line{"TCP port", "ip http secure-port PORT"}),
				single("metrics", "Metrics for Prometheus", config.Global,
					line{"Served", "metrics SWITCH"},
					line{"TCP port", "metrics port PORT"}),
			},
		},
	}
}

// lan is what is set of a port first.
func lan(id, title string) commander {
	return single(id, title, "config-lan",
		line{"IPv4 address", "ip address ADDRESS MASK"},
		line{"DHCP mode", "dhcp mode MODE"},
		line{"Hide others behind it (NAT)", "nat"},
		line{"Switched off", "shutdown"})
}
