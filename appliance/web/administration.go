package web

import (
	"fmt"
	"net/url"

	"causeway/appliance/bundle"
	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// administrationPages are those of the menu Administration but the candidate's.
func administrationPages() []*page {
	return []*page{
		backupPage(), licensePage(), licenseSummaryPage(), callHomePage(), callHomeMessagesPage(), callHomeProfilePage(),
		certificatesPage(), firmwarePage(), comPage(), filesPage(),
	}
}

// prefilled leads to a page whose form has a path in a field.
func prefilled(path, field string, p storage.Path, part part) string {
	return path + "?" + url.Values{field: {p.String()}}.Encode() + "#part-" + part.name()
}

const (
	backupPath   = "/administration/backup"
	firmwarePath = "/administration/firmware"
)

// backups is where backups are that go to no other place.
var backups = storage.Path{Volume: storage.Harddisk, Name: "backup"}

func backupPage() *page {
	restore := doing{
		command: "backup restore FROM", title: "Start Restore", button: "Start restore",
		intro: "The configuration of the backup goes to the candidate: see what it changes in Candidate Preview and commit it there.",
	}
	return &page{
		path: backupPath, title: "Backup / Restore",
		intro: "A backup has the configuration and the certificates, encrypted. What is configured here is in force once it is committed.",
		parts: []part{
			showing{command: "show backup", title: "Backups"},
			single("configuration", "Configuration", config.Global,
				line{"Passphrase that opens backups", "backup passphrase PASSPHRASE"}),
			several("recipients", "Keys that open backups", config.Global, line{"Public key", "backup recipient KEY"}),
			doing{command: "backup now [TO]", title: "Start Backup", button: "Start backup"},
			single("schedule", "Scheduled Backups", config.Global, line{
				"Backups by themselves",
				"backup schedule daily TIME TO [keep FILES] [password PASSWORD] [host-key FINGERPRINT] | " +
					"backup schedule weekly DAY TIME TO [keep FILES] [password PASSWORD] [host-key FINGERPRINT]",
			}),
			shelf{anchor: "files", title: "Backups on the box", dir: backups, act: "Restore", leads: func(p storage.Path) string {
				return prefilled(backupPath, "FROM", p, restore)
			}},
			uploading{
				anchor: "upload", title: "Bring a backup", accept: ".age", to: backups, octets: backupMost,
				text: "From this computer to the box, to be restored below.",
				then: func(p storage.Path) answer {
					return answer{to: prefilled(backupPath, "FROM", p, restore), notice: fmt.Sprintf("%v is on the box, and not restored yet.", p)}
				},
			},
			restore,
		},
	}
}

// The largest files that are taken, in octets.
const (
	backupMost = 64 << 20
	fileMost   = 1 << 40 // volumes have less room
)

func licensePage() *page {
	return &page{
		path: "/administration/license", title: "Smart License", intro: "How the box gets its licence.",
		parts: []part{
			showing{command: "show license status", title: "Status", every: seldom},
			doing{command: "license smart register idtoken TOKEN [force]", title: "Register", button: "Register"},
			doing{command: "license smart renew WHAT", title: "Renew", button: "Renew"},
			doing{command: "license smart deregister", title: "Deregister", button: "Deregister", danger: true},
			single("configuration", "Configuration", config.Global,
				line{"No licence", "no license smart enable"},
				line{"Calls per second to ask for", "license smart activate cusp COUNT"},
				line{"What governs calls", "license source SOURCE"},
				line{"Profile", "license profile PROFILE"},
				line{"Licence server", "license smart url URL"},
				line{"Transport", "license smart transport WORD"},
				line{"HTTP proxy", "license smart proxy address HOST"},
				line{"Port of the HTTP proxy", "license smart proxy port PORT"},
				line{"Not told to the server", "license smart privacy WORD"},
				line{"Failures before the box is out of compliance", "license smart reentitle-limit COUNT"}),
			doing{
				command: "license smart save WHAT FILE", others: []string{"license smart save register idtoken TOKEN FILE"},
				title: "Save a request as a file", button: "Save", intro: "For a licence server that the box does not reach. The page Files gives the file, and takes the answer.",
			},
			doing{command: "license smart import FILE", title: "Read the answer", button: "Read"},
		},
	}
}

func licenseSummaryPage() *page {
	return &page{
		path: "/administration/license-summary", title: "License Summary",
		parts: []part{
			showing{command: "show license summary cusp", title: "License Summary", every: seldom},
			showing{command: "show license usage", title: "Usage", every: seldom},
		},
	}
}

// sendAll is "Call Home now".
var sendAll = doing{command: "call-home send all", title: "Call Home now", button: "Call Home now"}

func callHomePage() *page {
	return &page{
		path: callHomePath, title: "Call Home", mode: inCallHome,
		intro: "What the vendor is told of the box, and how. Save puts it in force at once.",
		place: func(*model.Config) []string { return []string{callHomePlace} },
		parts: []part{
			agreement{}, callHome{}, sendAll,
			several("mail-servers", "Mail servers", inCallHome,
				line{"Mail server", "mail-server HOST [port PORT] [security SECURITY] [username USER password PASSWORD] priority PRIORITY"}),
			several("profiles", "Other destinations", inCallHome, line{"Profile", "profile PROFILE"}),
		},
	}
}

// callHomeMessagesPage is what Call Home has sent, and will.
func callHomeMessagesPage() *page {
	return &page{
		path: callHomePath + "/messages", title: "Call Home Messages",
		parts: []part{
			showing{command: "show call-home schedule", title: "Schedule and what waits", every: seldom},
			doing{command: "call-home test [profile NAME] [text LINE]", title: "Test message", button: "Send"},
			doing{command: "call-home send alert-group GROUP [profile NAME]", title: "One message now", button: "Send"},
			showing{command: "show call-home profile [NAME]", title: "Where messages go"},
			showing{command: "show call-home statistics", title: "Statistics"},
			showing{command: "show call-home alert-group", title: "Alert groups"},
			doing{command: "clear call-home dedup", title: "Forget alerts", button: "Forget"},
			doing{command: "clear call-home queue", title: "Drop what waits", button: "Drop", danger: true},
		},
	}
}

func callHomeProfilePage() *page {
	const mode config.Mode = "config-call-home-profile"
	return &page{
		path: callHomePath + "/profile", title: "Profile of Call Home", mode: mode, hidden: true,
		parts: []part{
			whereabouts{},
			single("profile", "Destination", mode,
				line{"Nothing is sent to it", "no active"},
				line{"Address over HTTPS", "destination url URL"},
				line{"Format", "format FORMAT"}),
			several("emails", "E-mail addresses", mode, line{"E-mail address", "destination email ADDRESS"}),
			several("groups", "Alert groups", mode, line{"Alert group", "subscribe-to-alert-group GROUP [severity SEVERITY]"}),
		},
	}
}

func certificatesPage() *page {
	return &page{
		path: "/administration/certificates", title: "Certificates",
		intro: "By purpose: who the box is, and whom it believes. A key never leaves the box.",
		parts: []part{
			showing{command: "show certificates [PURPOSE]", title: "Certificates"},
			bringing{
				anchor: "authorities", title: "Trust an authority", syntax: "crypto pki authenticate PURPOSE [PATH]", line: "crypto pki authenticate",
				text: "For Call Home this is the certificate that the vendor gives: its renewal is brought here, too.",
				done: "The authorities are trusted.",
			},
			doing{command: "crypto pki remove PURPOSE FINGERPRINT", title: "Trust an authority no more", button: "Remove", danger: true},
			doing{
				command: "crypto pki enroll PURPOSE [self-signed] [subject-alt-name NAME...] [subject-name SUBJECT]", title: "Request a certificate", button: "Request",
				intro: "The request is for the authority, which issues the certificate. Self-signed: the box signs one at once, which is in force then.",
			},
			bringing{
				anchor: "issued", title: "Import a certificate", syntax: "crypto pki import PURPOSE certificate [PATH]", line: "crypto pki import", after: "certificate",
				text: "That was issued for a request, with its chain.", done: "The certificate is in force.",
			},
			bringing{
				anchor: "with-key", title: "Import a certificate with its key", syntax: "crypto pki import PURPOSE pem [PATH]", line: "crypto pki import", after: "pem",
				done: "The certificate is in force.",
			},
			doing{command: "crypto pki import PURPOSE previous", title: "The certificate from before", button: "Go back to it", danger: true},
			doing{
				command: "crypto key generate ec [keysize BITS] label PURPOSE", others: []string{"crypto key generate rsa [modulus BITS] label PURPOSE"},
				title: "Make a key", button: "Make", intro: "For the next certificate.",
			},
			doing{command: "crypto key zeroize PURPOSE", title: "Forget key and certificate", button: "Zeroize", danger: true},
			showing{command: "show ssh host-key", title: "Host key of SSH"},
		},
	}
}

func firmwarePage() *page {
	stage := doing{
		command: "upgrade stage SOURCE", title: "Stage a bundle", button: "Stage",
		intro: "Brings it to the box and checks signature, board and version. Nothing else changes.",
	}
	return &page{
		path: firmwarePath, title: "Firmware",
		intro: "The box has two slots. Firmware is staged, then activated: it is on trial, and if it does not do, the box goes back by itself.",
		parts: []part{
			showing{command: "show firmware", title: "Slots", every: often},
			uploading{
				anchor: "upload", title: "Bring a bundle", accept: bundle.Suffix, to: storage.Path{Volume: storage.Harddisk, Name: "."}, octets: bundle.Max,
				text: "From this computer to the box, to be staged below.",
				then: func(p storage.Path) answer {
					return answer{to: prefilled(firmwarePath, "SOURCE", p, stage), notice: fmt.Sprintf("%v is on the box, and not staged yet.", p)}
				},
			},
			stage,
			doing{
				command: "upgrade activate [now] [trial TRIAL]", title: "Activate", button: "Activate", danger: true,
				others: []string{"upgrade activate at TIME [trial TRIAL]", "upgrade activate idle [within MINUTES] [trial TRIAL]", "upgrade activate drain [within MINUTES] [trial TRIAL]"},
			},
			doing{command: "upgrade confirm", title: "Confirm", button: "Confirm"},
			doing{command: "upgrade cancel", title: "Cancel", button: "Cancel the activation"},
			doing{
				command: "upgrade rollback [now] [trial TRIAL]", title: "Roll back", button: "Roll back", danger: true,
				others: []string{"upgrade rollback at TIME [trial TRIAL]", "upgrade rollback idle [within MINUTES] [trial TRIAL]", "upgrade rollback drain [within MINUTES] [trial TRIAL]"},
			},
		},
	}
}

func comPage() *page {
	return &page{
		path: "/administration/com", title: "COM", intro: "The link to the Customer Operations Manager.",
		parts: []part{
			showing{command: "show com", title: "Link", every: often},
			doing{command: "com support-access DURATION", title: "Support access", button: "Let them in", danger: true},
			doing{command: "no com support-access", as: "no-support-access", title: "End support access", button: "End it"},
			showing{command: "show com sessions", title: "Sessions", every: often},
			doing{command: "clear com session SESSION", others: []string{"clear com session all"}, title: "End a session", button: "End it", danger: true},
			showing{command: "show com services", title: "What COM is let do"},
			showing{command: "show com subscriptions", title: "Subscriptions"},
			showing{command: "show com outbox", title: "What waits to be told"},
			doing{command: "com line-test", title: "Line test", button: "Measure"},
			doing{command: "clear com link", title: "Dial anew", button: "Dial"},
			single("configuration", "Configuration", config.Global,
				line{"Customer ID", "com customer-id ID"},
				line{"Subscription server", "com server HOST"},
				line{"No link", "com shutdown"},
				line{"Role", "com role ROLE"},
				line{"HTTP proxy", "com proxy address HOST"},
				line{"Port of the HTTP proxy", "com proxy port PORT"},
				line{"Seconds between heartbeats", "com heartbeat SECONDS"},
				line{"Newest version of TLS", "com tls max VERSION"},
				line{"At the end of the grace", "com grace-end WHAT"},
				line{"Group of COMAdmin", "com group GROUP"},
				line{"Domain of COM", "com domain NAME"},
				line{"File store", "com file-store NAME"}),
			several("switches", "What COM may do", config.Global, line{"Service", "com service SERVICE"}),
			several("operators", "Operators whose signatures count", config.Global, line{"Operator", "com trust operator NAME TYPE KEY"}),
		},
	}
}

func filesPage() *page {
	return &page{
		path: filesPath, title: "Files", intro: "Files on the volumes of the box, as over SFTP.",
		parts: []part{
			browsing{},
			uploading{anchor: "upload", title: "Upload", octets: fileMost, then: func(p storage.Path) answer {
				return answer{to: directoryURL(p.Dir()), notice: fmt.Sprintf("%v is on the box.", p)}
			}},
			doing{command: "copy FROM TO", title: "Copy", button: "Copy", intro: "On the box, from another system or to one."},
			doing{command: "mount usb0: [write]", title: "Mount a stick", button: "Mount"},
			doing{command: "unmount usb0:", title: "Let a stick be pulled", button: "Unmount"},
		},
	}
}
