package callhome

import (
	"slices"
	"strings"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// Alert is a kind of alert, by a name of CH-22 or CH-45. What it means and what
// to do about it are the words of the alarm.
type Alert struct {
	Name     string
	Group    string   // one of model.CallHomeGroups
	Type     string   // message.Reactive or message.Proactive
	Sources  []Source // that make one; none: it is reserved
	Reserved string   // why nothing makes one
	Commands []string // of EXEC, that show more of what is the matter
}

// Source is an alarm that makes alerts. An alert is about what the alarm is
// about, its object.
type Source struct {
	Alarm   string   // its name in alarm.Table
	Objects []string // alarms about these only; nil: about any
	Object  string   // what alerts are about, where alarms do not say
	// Crash: the alarm is about a file of harddisk:crash/. The alert is about what
	// has crashed, since the next file is the same again, and brings the file.
	Crash bool
}

// Alerts are all kinds of alerts, by group and name.
func Alerts() []Alert { return alerts }

var alerts = []Alert{
	{
		Name: "BillingCacheFull", Group: model.GroupBilling, Type: message.Reactive,
		Sources: []Source{
			{Alarm: alarm.BillingCacheCritical, Object: "cache"},
			{Alarm: alarm.BillingCacheFault, Object: "volume of the cache"},
			{Alarm: alarm.BillingEventsLost},
			{Alarm: alarm.BillingJournalFull, Object: "journal"},
			{Alarm: alarm.BillingRecordsRefused, Object: "records"},
		},
		Commands: []string{"show billing status", "show storage"},
	},
	{
		Name: "BillingTransportDown", Group: model.GroupBilling, Type: message.Reactive,
		Sources:  []Source{{Alarm: alarm.BillingTransportDown}, {Alarm: alarm.CDRTransfer, Object: "CDR files"}},
		Commands: []string{"show billing status", "show interfaces", "show ip route", "show dns"},
	},
	{
		Name: "ClockUnsynced", Group: model.GroupClock, Type: message.Reactive,
		Sources:  []Source{{Alarm: alarm.ClockUnsynchronised}},
		Commands: []string{"show clock detail", "show ntp", "show dns"},
	},
	{
		Name: "Coredumpfilefound", Group: model.GroupCrash, Type: message.Reactive,
		Sources:  []Source{{Alarm: alarm.CrashFile, Crash: true}},
		Commands: []string{"show version", "show system", "show logging last 200"},
	},
	{
		Name: "CriticalServiceDown", Group: model.GroupCrash, Type: message.Reactive,
		Sources: []Source{
			{Alarm: alarm.ProxyDown, Object: "proxy"},
			{Alarm: alarm.ServiceDown},
			{Alarm: alarm.ServiceLooping},
		},
		Commands: []string{"show system", "show memory", "dir harddisk:crash", "show logging last 200"},
	},
	{
		Name: "DBReplicationFailure", Group: model.GroupDatabase, Type: message.Reactive,
		Reserved: "there is one box and no replica of its data",
	},
	{
		Name: "HardwareFailure", Group: model.GroupEnvironment, Type: message.Reactive,
		Sources: []Source{
			{Alarm: alarm.BillingJournalDamaged, Object: "disk of the journal"},
			{Alarm: alarm.BoxIncomplete, Object: "box"},
			{Alarm: alarm.LinkDown},
			{Alarm: alarm.SlotDamaged},
			{Alarm: alarm.VolumeInMemory},
			{Alarm: alarm.VolumeMissing},
			{Alarm: alarm.VolumePulled},
			{Alarm: alarm.VolumeReadOnly},
		},
		Commands: []string{"show system", "show inventory", "show environment", "show storage", "show interfaces"},
	},
	{
		Name: "MediaListExhausted", Group: model.GroupFailedCalls, Type: message.Reactive,
		Reserved: "no media goes through the box",
	},
	{
		Name: "RouteListExhausted", Group: model.GroupFailedCalls, Type: message.Reactive,
		Sources:  []Source{{Alarm: alarm.ServerGroupDown}},
		Commands: []string{"show status server-group sip", "show sip dns", "show interfaces", "show ip route"},
	},
	{
		Name: "LicenseExpired", Group: model.GroupLicense, Type: message.Reactive,
		Sources: []Source{
			{Alarm: alarm.LicenseAuthorizationExpired, Object: "authorization"},
			{Alarm: alarm.LicenseEvaluationExpired, Object: "evaluation"},
			{Alarm: alarm.LicenseIDExpired, Object: "ID certificate"},
		},
		Commands: []string{"show license tech-support", "show clock detail"},
	},
	{
		Name: "LicenseOOC", Group: model.GroupLicense, Type: message.Proactive,
		Sources:  []Source{{Alarm: alarm.LicenseOutOfCompliance}},
		Commands: []string{"show license tech-support"},
	},
	{
		Name: "CertificateExpires", Group: model.GroupManagement, Type: message.Proactive,
		Sources: []Source{
			{Alarm: alarm.AuthorityExpired},
			{Alarm: alarm.AuthorityExpires},
			{Alarm: alarm.CertificateExpired},
			{Alarm: alarm.CertificateExpires},
			{Alarm: alarm.CertificateExpiresSoon},
		},
		Commands: []string{"show certificates", "show clock detail"},
	},
	{
		Name: "ComLinkDown", Group: model.GroupManagement, Type: message.Reactive,
		Sources:  []Source{{Alarm: alarm.COMGrace}, {Alarm: alarm.COMGraceOver, Object: "end of the grace"}, {Alarm: alarm.COMLinkDown, Object: "link"}},
		Commands: []string{"show com", "show com subscriptions", "show dns", "show interfaces", "show ip route"},
	},
	{
		Name: "CPUPEGging", Group: model.GroupPerformance, Type: message.Proactive,
		Sources:  []Source{{Alarm: alarm.CPU}},
		Commands: []string{"show cpu", "show processes cpu", "show call-rate"},
	},
	{
		Name: "CallProcessingNodeCPUPEGging", Group: model.GroupPerformance, Type: message.Proactive,
		Sources:  []Source{{Alarm: alarm.ProxyCPU}},
		Commands: []string{"show cpu", "show processes cpu", "show call-rate", "show sip status"},
	},
	{
		Name: "CodeYellow", Group: model.GroupPerformance, Type: message.Reactive,
		Sources:  []Source{{Alarm: alarm.Overload}},
		Commands: []string{"show sip overload", "show call-rate", "show processes cpu", "show sip status"},
	},
	{
		Name: "LowActivePartitionAvailableDiskSpace", Group: model.GroupPerformance, Type: message.Proactive,
		Sources:  []Source{{Alarm: alarm.VolumeSpace, Objects: []string{"bootflash", "harddisk"}}},
		Commands: []string{"show storage", "dir bootflash:", "dir harddisk:", "show billing status"},
	},
	{
		Name: "LowAvailableVirtualMemory", Group: model.GroupPerformance, Type: message.Proactive,
		Sources:  []Source{{Alarm: alarm.Memory, Object: "box"}, {Alarm: alarm.ServiceMemory}},
		Commands: []string{"show memory", "show processes memory", "show calls summary"},
	},
	{
		Name: "LowSwapPartitionAvailableDiskSpace", Group: model.GroupPerformance, Type: message.Proactive,
		Reserved: "the box does not swap",
	},
}

// untold are the alarms that make no alerts, by why.
var untold = []struct {
	Why    string
	Alarms []string
}{
	{"an earlier mark of what an alert tells when it has come", []string{
		alarm.BillingCacheMajor, alarm.BillingCacheMinor, alarm.ElementDown, alarm.LicenseEvaluation, alarm.LicenseEvaluationEnding,
		alarm.LicenseIDExpiring, alarm.LicenseRenewalFailing, alarm.ServiceRestarted,
	}},
	{"it comes of the clock, a volume or a link, of which an alert tells", []string{
		alarm.AccessLogFault, alarm.AlarmStore, alarm.CDRFault, alarm.CDRSpaceCritical, alarm.CDRSpaceMajor, alarm.CDRSpaceMinor,
		alarm.ClockDisagreement, alarm.ClockStepRefused, alarm.COMOutbox, alarm.COMSubscriptionState, alarm.LicenseState,
	}},
	{"the operator has configured or done it", []string{
		alarm.BillingCacheOrphaned, alarm.ConfigurationAside, alarm.ConfigurationProblem, alarm.ConfigurationUnconfirmed,
		alarm.FirmwareConfirm, alarm.LicenseClock, alarm.LicenseUnconfigured, alarm.RouteFile, alarm.SlotOnTrial, alarm.VolumeUnusable,
	}},
	{"it is about others: callers, the networks and servers around the box, the contract", []string{
		alarm.BackupFailed, alarm.COMCallsRefused, alarm.COMLineDelay, alarm.COMLineSlow, alarm.COMPending, alarm.COMRefused,
		alarm.COMSubscriptionEnded, alarm.COMSubscriptionEnding, alarm.COMUntrusted, alarm.CPSExceeded, alarm.DHCPNoLease,
		alarm.DHCPPoolFull, alarm.DNSDown, alarm.LicenseCopied, alarm.LoginLockout, alarm.NameUnresolved, alarm.SIPFlood,
	}},
	{"no name of an alert is for it; it is seen at the console and in the log", []string{
		alarm.CertificateUnusable, alarm.FirewallProblem, alarm.FirmwareFailed, alarm.LANProblem, alarm.ServiceSilent, alarm.SlotWrong,
	}},
	{"it is about Call Home itself", []string{alarm.CallHomeStore, alarm.CallHomeUndelivered}},
}

// alertOf gives the alert that an alarm makes, by which of its sources, and what
// it is about; nil: it makes none.
func alertOf(name, object string) (a *Alert, by Source, about string) {
	for i := range alerts {
		for _, s := range alerts[i].Sources {
			if s.Alarm != name || s.Objects != nil && !slices.Contains(s.Objects, object) {
				continue
			}
			if s.Crash {
				return &alerts[i], s, crashed(object)
			}
			if object == "" {
				object = s.Object
			}
			return &alerts[i], s, object
		}
	}
	return nil, Source{}, ""
}

// crashed is what has left a crash file: "proxy" of 20260103T000000.000Z-proxy.txt,
// "kernel" of 20260103T000000.000Z-kernel-dmesg-1.txt.
func crashed(file string) string {
	_, what, _ := strings.Cut(strings.TrimSuffix(file, ".txt"), "-")
	what, _, _ = strings.Cut(what, "-")
	return what
}
