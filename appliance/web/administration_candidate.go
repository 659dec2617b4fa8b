package web

import (
	"time"

	"causeway/appliance/config"
)

// Where pages are that others lead to.
const (
	historyPath  = "/administration/configuration"
	panelPath    = "/administration/control-panel"
	timeoutPath  = "/administration/timeout"
	sessionsPath = "/administration/sessions"
)

// candidatePages are those of Administration that are about the configuration as a
// whole, and about who works on it.
func candidatePages() []*page {
	return []*page{
		{
			path: candidatePath, title: "Candidate Preview",
			intro: "What operators change, here and at the console, is a candidate until it is committed.",
			parts: []part{pendingCommit{}, candidateChanges{}, candidateLines{}},
		},
		{
			path: historyPath, title: "Manage Configuration",
			intro: "Earlier revisions of the configuration, and other texts of it as a whole.",
			parts: []part{history{}, revision{}, loading{}, defaults{}, erasing{}},
		},
		{
			path: panelPath, title: "Control Panel",
			intro: "The processes of the box, and its restart.",
			parts: []part{
				showing{command: "show uptime", title: "Processes", every: processesTime},
				doing{command: "service restart SERVICE [force]", title: "Restart a process", button: "Restart", danger: true},
				showing{command: "show reload", as: "scheduled", title: "Scheduled restart"},
				doing{
					command: "reload [now] [reason REASON]", others: []string{"reload in DELAY [reason REASON]", "reload at TIME [reason REASON]"},
					title: "Restart the box", button: "Reload", danger: true,
				},
				doing{command: "reload cancel", title: "Forget the scheduled restart", button: "Forget it"},
				doing{command: "power-off [now]", title: "Switch the box off", button: "Power off", danger: true},
			},
		},
		{
			path: timeoutPath, title: "Manage Inactivity Timeout",
			intro: "A session ends in which nobody does anything: at the serial port, over SSH and on these pages. What changes by itself on a page does not count.",
			parts: []part{
				single("timeout", "Inactivity timeout", config.Global, line{"Minutes", "exec-timeout MINUTES"}),
			},
		},
		{
			path: sessionsPath, title: "Sessions",
			intro: "Who is logged in, at the serial port, over SSH, on these pages and over COM.",
			parts: []part{
				operators{},
				showing{command: "show access log [last ENTRIES]", title: "Access log"},
			},
		},
	}
}

// processesTime is how often processes and sessions are looked at again.
const processesTime = 10 * time.Second
