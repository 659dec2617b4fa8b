package callhome

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

// TestEveryAlarmIsToldOrNot walks the alarms: each makes one alert or has a
// reason for none, and the alerts know no others.
func TestEveryAlarmIsToldOrNot(t *testing.T) {
	places := map[string]int{}
	for _, a := range Alerts() {
		for _, s := range a.Sources {
			places[s.Alarm]++
		}
	}
	for _, u := range untold {
		if u.Why == "" || !slices.IsSorted(u.Alarms) {
			t.Errorf("%q: want a reason, and alarms in their order: %q", u.Why, u.Alarms)
		}
		for _, name := range u.Alarms {
			places[name]++
		}
	}
	for _, row := range alarm.Table() {
		if places[row.Name] != 1 {
			t.Errorf("%s has %d places in alerts and untold; want one", row.Name, places[row.Name])
		}
		delete(places, row.Name)
	}
	for name := range places {
		t.Errorf("there is no alarm %s", name)
	}
}

// named are the alerts of CH-22 and CH-45, by group (CH-22).
var named = map[string]string{
	"CallProcessingNodeCPUPEGging": model.GroupPerformance, "CodeYellow": model.GroupPerformance, "CPUPEGging": model.GroupPerformance,
	"LowActivePartitionAvailableDiskSpace": model.GroupPerformance, "LowAvailableVirtualMemory": model.GroupPerformance,
	"LowSwapPartitionAvailableDiskSpace": model.GroupPerformance,
	"DBReplicationFailure":               model.GroupDatabase,
	"MediaListExhausted":                 model.GroupFailedCalls, "RouteListExhausted": model.GroupFailedCalls,
	"Coredumpfilefound": model.GroupCrash, "CriticalServiceDown": model.GroupCrash,
	"LicenseOOC": model.GroupLicense, "LicenseExpired": model.GroupLicense,
	"BillingCacheFull": model.GroupBilling, "ComLinkDown": model.GroupManagement, "ClockUnsynced": model.GroupClock,
}

func TestAlerts(t *testing.T) {
	byGroup := func(x, y Alert) int { return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Name, y.Name)) }
	if !slices.IsSortedFunc(Alerts(), byGroup) {
		t.Error("the alerts do not stand in the order of groups and names")
	}
	found := map[string]string{}
	for _, a := range Alerts() {
		found[a.Name] = a.Group
		if !slices.Contains(model.CallHomeGroups(), a.Group) || a.Type != message.Reactive && a.Type != message.Proactive {
			t.Errorf("%s: there is no group %q, or no type %q", a.Name, a.Group, a.Type)
		}
		if (len(a.Sources) == 0) != (a.Reserved != "") || (len(a.Sources) == 0) != (len(a.Commands) == 0) {
			t.Errorf("%s: %+v; want alarms and commands, or why it is reserved", a.Name, a)
		}
		for _, s := range a.Sources {
			row, _ := alarm.Find(s.Alarm)
			if several := len(a.Sources) > 1; s.Object != "" && row.Object != "" || several && s.Object == "" && row.Object == "" {
				t.Errorf("%s of %s has the object %q, the alarm %q; want one of them", a.Name, s.Alarm, s.Object, row.Object)
			}
		}
	}
	for name, group := range named {
		if found[name] != group {
			t.Errorf("%s is of the group %q; want %q", name, found[name], group)
		}
	}
}

func TestAlertOf(t *testing.T) {
	for _, test := range []struct{ alarm, object, want, about string }{
		{alarm.CPU, "", "CPUPEGging", ""},
		{alarm.Memory, "", "LowAvailableVirtualMemory", "box"},
		{alarm.ServiceMemory, "proxy", "LowAvailableVirtualMemory", "proxy"},
		{alarm.ProxyDown, "", "CriticalServiceDown", "proxy"},
		{alarm.ServiceLooping, "proxy", "CriticalServiceDown", "proxy"},
		{alarm.VolumeSpace, "harddisk", "LowActivePartitionAvailableDiskSpace", "harddisk"},
		{alarm.VolumeSpace, "usb0", "", ""},
		{alarm.CrashFile, "20260103T000000.000Z-proxy.txt", "Coredumpfilefound", "proxy"},
		{alarm.CrashFile, "20260103T000000.000Z-kernel-dmesg-1.txt", "Coredumpfilefound", "kernel"},
		{alarm.CrashFile, "strange", "Coredumpfilefound", ""},
		{alarm.SIPFlood, "", "", ""},
		{"made-up", "", "", ""},
	} {
		a, _, about := alertOf(test.alarm, test.object)
		name := ""
		if a != nil {
			name = a.Name
		}
		if name != test.want || about != test.about {
			t.Errorf("alertOf(%s, %s) = %q about %q; want %q about %q", test.alarm, test.object, name, about, test.want, test.about)
		}
	}
}

// TestDocs holds the tables of docs/callhome.md against those of the code.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/callhome.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{alertTable(), untoldTable()} {
		if !strings.Contains(string(text), table) {
			t.Errorf("docs/callhome.md does not have:\n%s", table)
		}
	}
}

func alertTable() string {
	var b strings.Builder
	b.WriteString("| alert | group | type | alarms | commands of its diagnostics |\n|---|---|---|---|---|\n")
	for _, a := range Alerts() {
		var alarms []string
		for _, s := range a.Sources {
			name := "`" + s.Alarm + "`"
			if s.Objects != nil {
				name += " of " + strings.Join(s.Objects, " and ")
			}
			alarms = append(alarms, name)
		}
		from, commands := strings.Join(alarms, ", "), "`"+strings.Join(a.Commands, "`, `")+"`"
		if a.Reserved != "" {
			from, commands = "none, it is reserved: "+a.Reserved, ""
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", a.Name, a.Group, a.Type, from, commands)
	}
	return b.String()
}

func untoldTable() string {
	var b strings.Builder
	b.WriteString("| alarms without an alert | because |\n|---|---|\n")
	for _, u := range untold {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(u.Alarms, "`, `"), u.Why)
	}
	return b.String()
}
