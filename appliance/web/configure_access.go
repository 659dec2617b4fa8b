package web

import "causeway/appliance/config"

// accessPages say who may log in, and where the log goes.
func accessPages() []*page {
	return []*page{
		{
			path: "/configure/users", title: "Users and groups",
			intro: "A user may log in once there are a password or a key, and a group: pfs-privusers may do all, pfs-readonly may look.",
			parts: []part{
				several("users", "Users", config.Global,
					line{"User", "username USER create"}),
				several("passwords", "Passwords", config.Global,
					line{"Password of", "username USER password PASSWORD"}),
				several("memberships", "Groups of users", config.Global,
					line{"User and group", "username USER group GROUP"}),
				several("keys", "SSH keys", config.Global,
					line{"SSH key of", "username USER key TYPE KEY [COMMENT]"}),
				several("rules", "What groups may do", config.Global,
					line{"Commands", "group GROUP ACTION KIND [WORDS]"},
					line{"Files", "group GROUP files ACCESS"}),
				several("radius", "RADIUS servers that know users", config.Global,
					line{"RADIUS server", "aaa login radius HOST [port PORT] key KEY"}),
			},
		},
		{
			path: "/configure/logging", title: "Logging and alarm thresholds",
			parts: []part{
				several("hosts", "Syslog servers", config.Global,
					line{"Syslog server", "logging host HOST [TRANSPORT] [port PORT] [level LEVEL]"}),
				several("thresholds", "Alarm thresholds", config.Global,
					line{"Threshold", "alarm threshold RESOURCE PERCENT"}),
			},
		},
	}
}
