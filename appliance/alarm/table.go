package alarm

import (
	"cmp"
	"slices"
	"time"

	"causeway/appliance/model"
)

// holdDown is how long most conditions must be over before their alarm clears.
const holdDown = 30 * time.Second

// table is all alarms in the order of their names.
var table = byName(boxRows, billingRows, callhomeRows, comRows, licenseRows, subscriptionRows)

func byName(subjects ...[]Row) []Row {
	return slices.SortedFunc(slices.Values(slices.Concat(subjects...)), func(a, b Row) int { return cmp.Compare(a.Name, b.Name) })
}

// boxRows are about the box, its network and its calls.
var boxRows = []Row{
	{
		Name: AccessLogFault, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "the access log cannot be written, or not as fast as entries come",
		Clear:  "it can be written again",
		Text:   "The log of who logged in and changed something has gaps.",
		Remedy: "See show storage; what is missing there is in show logging since boot.",
	},
	{
		Name: AlarmStore, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "the file of the alarms was damaged and set aside, or cannot be written",
		Clear:  "it can be written again; control starts with a file that is whole",
		Text:   "Alarms and their history may not survive a restart.",
		Remedy: "See the alarms about bootflash:. The file set aside is bootflash:control/alarms.db.bad.",
	},
	{
		Name: AuthorityExpired, Severity: model.Major, Object: "purpose", ClearAfter: holdDown,
		Raise:  "an authority that is trusted for the purpose has expired",
		Clear:  "no such authority is trusted",
		Text:   "Peers whose certificates lead to it are not believed.",
		Remedy: "See show certificates; bring its successor with crypto pki authenticate, and type crypto pki remove for the old one.",
	},
	{
		Name: AuthorityExpires, Severity: model.Minor, Object: "purpose", ClearAfter: holdDown,
		Raise:  "an authority that is trusted for the purpose expires in 30 days or less",
		Clear:  "no such authority is trusted, or it has expired",
		Text:   "Peers whose certificates lead to it will not be believed from then on.",
		Remedy: "See show certificates; bring its successor with crypto pki authenticate, and type crypto pki remove for the old one.",
	},
	{
		Name: BackupFailed, Severity: model.Minor, RaiseAfter: 5 * time.Minute, ClearAfter: holdDown,
		Raise:  "the scheduled backup did not come about; it is tried again",
		Clear:  "it did, or there is another schedule or none",
		Text:   "What was changed since the last backup is lost with the box.",
		Remedy: "See show backup: look at the stick or the other system, its host key and the password of backup schedule.",
	},
	{
		Name: BoxIncomplete, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "init could not do something that belongs to a whole box",
		Clear:  "it is done",
		Text:   "Something of the hardware or of the system is missing.",
		Remedy: "See show system and the log of the boot.",
	},
	{
		Name: CertificateExpired, Severity: model.Critical, Object: "purpose", ClearAfter: holdDown,
		Raise:  "the certificate, or one of its chain, has expired",
		Clear:  "one that is valid is in force",
		Text:   "Peers refuse connections over TLS.",
		Remedy: "See show certificates; type crypto pki enroll, and import what the authority issues.",
	},
	{
		Name: CertificateExpires, Severity: model.Minor, Object: "purpose", ClearAfter: holdDown,
		Raise:  "the certificate, or one of its chain, expires in 30 days or less",
		Clear:  "one that lasts longer is in force; the mark of 7 days takes over",
		Text:   "Peers will refuse connections over TLS from then on.",
		Remedy: "See show certificates; type crypto pki enroll, and import what the authority issues.",
	},
	{
		Name: CertificateExpiresSoon, Severity: model.Major, Object: "purpose", ClearAfter: holdDown,
		Raise:  "the certificate, or one of its chain, expires in 7 days or less",
		Clear:  "one that lasts longer is in force, or it has expired",
		Text:   "Peers will refuse connections over TLS from then on.",
		Remedy: "See show certificates; type crypto pki enroll, and import what the authority issues.",
	},
	{
		Name: CertificateUnusable, Severity: model.Major, Object: "purpose", ClearAfter: holdDown,
		Raise:  "a file of keys or certificates cannot be used, or was damaged and set aside",
		Clear:  "it can; a certificate was imported, made or zeroized",
		Text:   "The box does not show peers the certificate that it should, or trusts nobody.",
		Remedy: "See show certificates and show storage; import certificate and key again.",
	},
	{
		Name: ClockDisagreement, Severity: model.Minor, RaiseAfter: 2 * time.Minute, ClearAfter: holdDown,
		Raise:  "the time servers disagree, and no majority says which is right",
		Clear:  "a majority agrees",
		Text:   "The clock follows none of them.",
		Remedy: "See show ntp associations; configure three servers or more, or prefer one.",
	},
	{
		Name: ClockStepRefused, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "the time servers want to step a clock that was right by more than 1,000 s",
		Clear:  "they agree with the clock again",
		Text:   "The servers, or this clock, are far off; the clock was left alone.",
		Remedy: "Compare show clock detail with a watch; to take their time, type clock step.",
	},
	{
		Name: ClockUnsynchronised, Severity: model.Minor, RaiseAfter: 2 * time.Minute, ClearAfter: holdDown,
		Raise:  "the kernel's clock follows no time server",
		Clear:  "it follows one",
		Text:   "Times in records and logs, and checks of certificates, may be wrong.",
		Remedy: "Check ntp server, the route to it and UDP port 123.",
	},
	{
		Name: ConfigurationAside, Severity: model.Warning, ClearAfter: holdDown,
		Raise:  "lines of the configuration in force are not known to this firmware",
		Clear:  "a configuration without such lines is in force",
		Text:   "Part of the configuration is not in effect.",
		Remedy: "See the lines with !? in show running-config; update the firmware or remove them.",
	},
	{
		Name: ConfigurationProblem, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "a saved configuration is not used, or a commit was withdrawn",
		Clear:  "a configuration that was committed is in force",
		Text:   "The box does not run with what was last configured.",
		Remedy: "See show configuration history; correct the configuration and commit.",
	},
	{
		Name: ConfigurationUnconfirmed, Severity: model.Warning,
		Raise:  "commit confirmed waits for its confirmation",
		Clear:  "it is confirmed or undone",
		Text:   "The last commit is undone by itself at the time given.",
		Remedy: "Type commit to keep it.",
	},
	{
		Name: CPSExceeded, Severity: model.Major, ClearAfter: time.Minute,
		Raise:  "the rate of calls offered reaches the limit of the licence or of call-rate-limit",
		Clear:  "it is below",
		Text:   "Calls beyond the limit are refused.",
		Remedy: "See show cps and show failed-calls; ask for more licences or raise call-rate-limit.",
	},
	{
		Name: CPU, Severity: model.Major, RaiseAfter: time.Minute, ClearAfter: time.Minute, Setting: settingCPU,
		Raise:  "the processors are busy",
		Clear:  "below the mark",
		Text:   "Calls may be delayed.",
		Remedy: "See show processes; lower the call rate that is offered.",
		Levels: []Level{{model.Major, 90, 80}},
	},
	{
		Name: CrashFile, Severity: model.Major, Object: "file", ClearAfter: holdDown,
		Raise:  "a service or the kernel crashed and left evidence",
		Clear:  "the file is deleted, or a newer one of the same service is there",
		Text:   "Something crashed; it was started again.",
		Remedy: "Send the file from harddisk:crash/ to support, then delete it or clear the alarm.",
	},
	{
		Name: DHCPNoLease, Severity: model.Major, Object: "LAN", RaiseAfter: 30 * time.Second, ClearAfter: holdDown,
		Raise:  "a port that is a DHCP client has no lease",
		Clear:  "it has one",
		Text:   "The port has no address.",
		Remedy: "Check the DHCP server of this LAN and show dhcp lease.",
	},
	{
		Name: DHCPPoolFull, Severity: model.Minor, Object: "LAN", RaiseAfter: 10 * time.Second, ClearAfter: holdDown,
		Raise:  "all addresses that the DHCP server of a port may give away are taken",
		Clear:  "one is free",
		Text:   "New hosts on this LAN get no address.",
		Remedy: "See show dhcp binding; make the pool larger or the lease time shorter.",
	},
	{
		Name: DNSDown, Severity: model.Minor, RaiseAfter: 2 * time.Minute, ClearAfter: holdDown,
		Raise:  "no name server answers",
		Clear:  "one does",
		Text:   "Hosts are not found by name; answers that are known are still used for a day.",
		Remedy: "Check ip name-server, the route to it and port 53.",
	},
	{
		Name: ElementDown, Severity: model.Minor, Object: "element", RaiseAfter: 10 * time.Second, ClearAfter: holdDown,
		Raise:  "an element of a server group is down: calls or pings to it failed, or it asked for rest",
		Clear:  "it answers",
		Text:   "Calls go to the other elements of its groups.",
		Remedy: "See show status server-group sip; check the server and the way to it.",
	},
	{
		Name: FirewallProblem, Severity: model.Critical, RaiseAfter: 10 * time.Second, ClearAfter: holdDown,
		Raise:  "the rules of the firewall are not in the kernel as they should be",
		Clear:  "they are",
		Text:   "The box may be open to its networks, or closed to its peers.",
		Remedy: "See show firewall and the log.",
	},
	{
		Name: LANProblem, Severity: model.Major, Object: "LAN", RaiseAfter: 10 * time.Second, ClearAfter: holdDown,
		Raise:  "addresses or routes of a LAN are not as configured",
		Clear:  "they are",
		Text:   "Hosts may not be reached over this LAN.",
		Remedy: "See show interfaces.",
	},
	{
		Name: LinkDown, Severity: model.Major, Object: "LAN", RaiseAfter: 10 * time.Second, ClearAfter: holdDown,
		Raise:  "a LAN port that has a configuration has no link, or there is no such port",
		Clear:  "the link is up",
		Text:   "Nobody is reached over this LAN.",
		Remedy: "Check the cable, the switch and show interfaces.",
	},
	{
		Name: LoginLockout, Severity: model.Warning, Object: "user",
		Raise:  "somebody failed 3 times within 10 minutes to log in under the name of the user",
		Clear:  "the name is not locked out any more, after a minute",
		Text:   "Somebody has forgotten a password, or tries to find one out.",
		Remedy: "See show access log for where the attempts come from, and show users.",
	},
	{
		Name: Memory, Severity: model.Major, RaiseAfter: 30 * time.Second, ClearAfter: time.Minute, Setting: settingMemory,
		Raise:  "memory of the box is used",
		Clear:  "below the mark",
		Text:   "Services may be ended by the kernel.",
		Remedy: "See show memory and show processes.",
		Levels: []Level{{model.Major, 90, 85}, {model.Critical, 95, 92}},
	},
	{
		Name: NameUnresolved, Severity: model.Warning, Object: "name", RaiseAfter: 10 * time.Minute, ClearAfter: holdDown,
		Raise:  "the name servers do not know the COM domain or the file store",
		Clear:  "they do",
		Text:   "Remote management and file transfers will fail.",
		Remedy: "Check com domain, com file-store and the customer's DNS.",
	},
	{
		Name: Overload, Severity: model.Major, ClearAfter: time.Minute,
		Raise:  "the receive queue of a SIP socket is 80 % full: new calls are refused",
		Clear:  "no call is refused for it any more",
		Text:   "More comes in than the box can do: part of the new calls are refused so that the others complete.",
		Remedy: "See show sip overload and show call-rate; lower the call rate that is offered.",
	},
	{
		Name: ProxyDown, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "the proxy does not run",
		Clear:  "it runs",
		Text:   "No calls are possible.",
		Remedy: "See show system and harddisk:crash/; init starts it again by itself.",
	},
	{
		Name: RouteFile, Severity: model.Major, Object: "table", ClearAfter: holdDown,
		Raise:  "the file of a route table could not be read when the proxy started",
		Clear:  "a commit reads it",
		Text:   "The routes of the file are not there: calls by them are refused or go another way.",
		Remedy: "Bring the file back or correct the line that is named, then commit.",
	},
	{
		Name: ServerGroupDown, Severity: model.Critical, Object: "server group", RaiseAfter: 10 * time.Second, ClearAfter: holdDown,
		Raise:  "no element of a server group is up",
		Clear:  "one is",
		Text:   "Calls to this group fail unless a route group has another way.",
		Remedy: "See show status server-group sip; check the servers and the way to them.",
	},
	{
		Name: ServiceDown, Severity: model.Major, Object: "service", ClearAfter: holdDown,
		Raise:  "a service other than the proxy does not run",
		Clear:  "it runs",
		Text:   "Calls go on; what the service does waits.",
		Remedy: "See show system and harddisk:crash/; init starts it again by itself.",
	},
	{
		Name: ServiceLooping, Severity: model.Critical, Object: "service", ClearAfter: holdDown,
		Raise:  "a service was started again 3 times within 10 minutes",
		Clear:  "fewer restarts in the last 10 minutes",
		Text:   "The service does not stay up.",
		Remedy: "See harddisk:crash/; go back to an earlier configuration with rollback.",
	},
	{
		Name: ServiceMemory, Severity: model.Minor, Object: "service", RaiseAfter: 30 * time.Second, ClearAfter: time.Minute,
		Raise:  "a service uses up the memory that it may take",
		Clear:  "below the mark",
		Text:   "The kernel ends the service when it takes more.",
		Remedy: "See show processes; lower the call rate that is offered.",
		Levels: []Level{{model.Minor, 85, 80}, {model.Major, 95, 90}},
	},
	{
		Name: ServiceRestarted, Severity: model.Warning, Object: "service", ClearAfter: holdDown,
		Raise:  "a service was started again",
		Clear:  "10 minutes later",
		Text:   "The service ended and is back.",
		Remedy: "See show system for how it ended, and harddisk:crash/.",
	},
	{
		Name: ServiceSilent, Severity: model.Major, Object: "service", RaiseAfter: 15 * time.Second, ClearAfter: holdDown,
		Raise:  "a service runs and does not answer",
		Clear:  "it answers",
		Text:   "The state of the service is not known and it takes no changes.",
		Remedy: "See show processes and the log.",
	},
	{
		Name: SIPFlood, Severity: model.Minor, ClearAfter: time.Minute,
		Raise:  "an address sends more requests outside dialogs than sip flood-limit allows",
		Clear:  "nothing more is dropped",
		Text:   "Requests of that address are dropped without an answer.",
		Remedy: "See show sip flood; shut an attacker out with sip deny, raise sip flood-limit for a neighbour.",
	},
	{
		Name: SlotOnTrial, Severity: model.Warning,
		Raise:  "the box runs from a slot that is not blessed",
		Clear:  "the slot is blessed",
		Text:   "At the next boot the box goes back to the other slot.",
		Remedy: "Wait until the trial is over; see show version.",
	},
	{
		Name: VolumeInMemory, Severity: model.Major, Object: "volume", ClearAfter: holdDown,
		Raise:  "memory stands in for a volume",
		Clear:  "the volume is on its disk",
		Text:   "What is put there is lost at the next boot.",
		Remedy: "Check the disk; format a foreign one when its content may be lost.",
	},
	{
		Name: VolumeMissing, Severity: model.Major, Object: "volume", ClearAfter: holdDown,
		Raise:  "bootflash: or harddisk: is not mounted or does not answer",
		Clear:  "it is mounted",
		Text:   "What is kept there is not to be had.",
		Remedy: "See show storage; mount the volume or check the disk.",
	},
	{
		Name: VolumePulled, Severity: model.Major, Object: "volume",
		Raise:  "a stick was pulled that was mounted",
		Clear:  "a stick is plugged in, or the alarm is cleared",
		Text:   "What was written last may not be on the stick.",
		Remedy: "Plug it in again and look at its files; unmount it before pulling it.",
	},
	{
		Name: VolumeReadOnly, Severity: model.Major, Object: "volume", ClearAfter: holdDown,
		Raise:  "a volume cannot be written: its file system is damaged or its disk protected",
		Clear:  "it can be written",
		Text:   "What should be kept there is lost or waits.",
		Remedy: "Copy what is needed, then format the volume; see docs/operating.md.",
	},
	{
		Name: VolumeSpace, Severity: model.Minor, Object: "volume", RaiseAfter: 10 * time.Second, ClearAfter: holdDown, Setting: settingStorage,
		Raise:  "space of a volume is used",
		Clear:  "below the mark",
		Text:   "When the volume is full nothing more can be kept there; calls that must be billed are refused.",
		Remedy: "Delete files; see show storage and dir.",
		Levels: []Level{{model.Minor, 80, 75}, {model.Major, 90, 87}, {model.Critical, 95, 93}},
	},
	{
		Name: VolumeUnusable, Severity: model.Warning, Object: "volume", ClearAfter: holdDown,
		Raise:  "a stick cannot be used: it holds no FAT or ext4, or it fails",
		Clear:  "it is pulled or formatted",
		Text:   "usb0: is not to be had.",
		Remedy: "Use another stick, or format it.",
	},
}
