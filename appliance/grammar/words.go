package grammar

import "causeway/appliance/config"

// Words is the help of the keywords that several commands share, and of those
// that are optional or stand after an argument (config.Words).
func Words() config.Words {
	return config.Words{
		"no": "Undo a line, or go back to the default",

		// The configuration.
		"com":                             "Where the remote management is found",
		"dhcp":                            "Addresses given and taken over the network",
		"dhcp pool mask":                  "Another mask than that of the port",
		"dhcp pool router":                "Another router than the appliance",
		"clock":                           "The time",
		"ip":                              "The Internet Protocol",
		"ipv6":                            "The Internet Protocol, version 6",
		"logging":                         "The log",
		"logging host level":              "What is sent",
		"logging host port":               "Another port than that of the transport",
		"ntp":                             "Time servers",
		"ntp server prefer":               "It decides when servers disagree at first, and its time counts alone",
		"packetcable-em transport":        "How event messages are sent",
		"packetcable-em transport radius": "As RADIUS accounting",
		"sip":                             "The Session Initiation Protocol",
		"sip listen udp":                  "Over UDP",
		"sip next-hop udp":                "Over UDP",

		// EXEC.
		"clear":                 "Forget or end something",
		"clear dhcp":            "Addresses given over the network",
		"clear dhcp binding":    "Which hosts have addresses",
		"copy":                  "Copy a file or the configuration",
		"copy running-config":   "The configuration in force",
		"delete recursive":      "With all that is in it",
		"delete force":          "Ask nothing",
		"mount usb0: write":     "Even if it was not unmounted the last time",
		"debug minutes":         "End it by itself",
		"nslookup type":         "Records of one type",
		"nslookup server":       "Ask another name server",
		"ping repeat":           "How many packets are sent",
		"ping size":             "How large they are",
		"ping source":           "Where they come from",
		"ping timeout":          "How long an answer is waited for",
		"power-off now":         "Ask nothing",
		"reload":                "Restart the appliance, now or at a time",
		"reload at reason":      "Why, for the log",
		"reload in reason":      "Why, for the log",
		"reload now":            "Ask nothing",
		"reload reason":         "Why, for the log",
		"service restart force": "End it without asking it",
		"show":                  "What the appliance is and does",
		"show alarms":           "What is wrong, and what was",
		"show alarms active":    "What is wrong now",
		"show clock detail":     "And where the time comes from",
		"show dhcp":             "Addresses given and taken over the network",
		"show ip":               "The Internet Protocol",
		"show ipv6":             "The Internet Protocol, version 6",
		"show logging last":     "The newest lines only",
		"show logging level":    "Lines this severe or worse",
		"show logging process":  "Lines of one process",
		"show ntp":              "Where the time comes from",
		"show processes":        "Running processes",
		"show reports":          "Calls and failures over time",
		"show reports days":     "Of the last days",
		"show reports hours":    "Of the last hours",
		"show reports calls":    "Calls and failures over time",
		"traceroute source":     "Where the packets come from",
	}
}
