package control

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// well is a sample of a box on which nothing is wrong.
func well() *sample {
	return &sample{
		at: time.Unix(1e9, 0),
		health: answer[model.SystemHealth]{value: model.SystemHealth{
			Slot: "A",
			Volumes: []model.VolumeStatus{
				{Name: "bootflash", Device: "/dev/vda3", State: "mounted", TotalKB: 1000, FreeKB: 900},
				{Name: "harddisk", Device: "/dev/vda4", State: "mounted", TotalKB: 8 << 20, FreeKB: 6 << 20},
				{Name: "usb0", State: "missing"},
			},
			Services:     []model.ServiceStatus{{Name: "proxy", PID: 7}, {Name: "billing", PID: 8}},
			MemTotalKB:   512 << 10,
			MemAvailable: 256 << 10,
		}},
		proxy:   answer[model.ProxyStatus]{value: model.ProxyStatus{Counters: map[string]int64{}}},
		billing: answer[model.BillingStatus]{value: model.BillingStatus{Counters: map[string]int64{}, Journal: model.JournalStatus{Directory: "/harddisk/billcache"}}},
		status: model.ControlStatus{
			Clock:      "synchronised to 192.0.2.1, offset 3 ms",
			Interfaces: []model.InterfaceStatus{{LAN: "LAN1", Link: "up", Address: "192.168.42.1/24"}, {LAN: "LAN2", Link: "down", Problem: "no carrier"}},
		},
		config: &model.Config{LANs: []model.LAN{{Address: netip.MustParsePrefix("192.168.42.1/24")}}},
		cpu:    cpuTime{1000, 10000},
		memory: map[string]serviceMemory{"proxy": {64 << 20, 256 << 20}},

		proxyTicks: 500,
	}
}

// row is one condition as name, object and text.
func row(c model.Condition) string { return strings.Join([]string{c.Name, c.Object, c.Text}, " | ") }

// elsewhere are the alarms that subjects find themselves, here and in proxy
// and billing; their own tests raise them.
var elsewhere = []string{
	alarm.CallHomeStore, alarm.CallHomeUndelivered,
	alarm.AlarmStore, alarm.ClockDisagreement, alarm.ClockStepRefused, alarm.CPSExceeded, alarm.DHCPNoLease, alarm.DHCPPoolFull,
	alarm.AccessLogFault, alarm.BackupFailed, alarm.DNSDown, alarm.ElementDown, alarm.FirewallProblem, alarm.LoginLockout, alarm.NameUnresolved, alarm.Overload, alarm.RouteFile,
	alarm.FirmwareConfirm, alarm.FirmwareFailed, alarm.SlotDamaged, alarm.SlotWrong, alarm.ServerGroupDown, alarm.SIPFlood,
	alarm.BillingCacheCritical, alarm.BillingCacheFault, alarm.BillingCacheMajor, alarm.BillingCacheMinor, alarm.BillingCacheOrphaned,
	alarm.BillingRecordsRefused, alarm.BillingTransportDown,
	alarm.CDRFault, alarm.CDRSpaceCritical, alarm.CDRSpaceMajor, alarm.CDRSpaceMinor, alarm.CDRTransfer,
	alarm.AuthorityExpired, alarm.AuthorityExpires, alarm.CertificateExpired, alarm.CertificateExpires, alarm.CertificateExpiresSoon, alarm.CertificateUnusable,
	alarm.LicenseAuthorizationExpired, alarm.LicenseClock, alarm.LicenseCopied, alarm.LicenseEvaluation, alarm.LicenseEvaluationEnding,
	alarm.LicenseEvaluationExpired, alarm.LicenseIDExpired, alarm.LicenseIDExpiring, alarm.LicenseOutOfCompliance,
	alarm.LicenseRenewalFailing, alarm.LicenseState, alarm.LicenseUnconfigured,
	alarm.COMLineDelay, alarm.COMLineSlow, alarm.COMLinkDown, alarm.COMOutbox, alarm.COMPending, alarm.COMRefused, alarm.COMUntrusted,
	alarm.COMCallsRefused, alarm.COMGrace, alarm.COMGraceOver, alarm.COMSubscriptionEnded, alarm.COMSubscriptionEnding, alarm.COMSubscriptionState,
}

// TestConditions has one thing wrong at a time.
func TestConditions(t *testing.T) {
	volume := func(v model.VolumeStatus) func(*sample) {
		return func(s *sample) {
			i := slices.IndexFunc(s.health.value.Volumes, func(old model.VolumeStatus) bool { return old.Name == v.Name })
			s.health.value.Volumes[i] = v
		}
	}
	tests := []struct {
		name  string
		wrong func(*sample)
		want  []string
	}{
		{"nothing", func(*sample) {}, nil},
		{"init is silent", func(s *sample) { s.health.err = errors.New("timeout") }, []string{"service-silent | init | init does not answer: timeout"}},
		{"the proxy is silent", func(s *sample) { s.proxy.err = errors.New("timeout") }, []string{"service-silent | proxy | proxy does not answer: timeout"}},
		{"billing is silent", func(s *sample) { s.billing.err = errors.New("timeout") }, []string{"service-silent | billing | billing does not answer: timeout"}},
		{"the proxy is down", func(s *sample) {
			s.health.value.Services[0] = model.ServiceStatus{Name: "proxy", LastExit: "signal: killed"}
			s.proxy.err = errors.New("refused")
		}, []string{"proxy-down |  | proxy does not run; its last end: signal: killed"}},
		{"billing never ran", func(s *sample) {
			s.health.value.Services[1].PID = 0
			s.billing.err = errors.New("refused")
		}, []string{"service-down | billing | billing does not run; its last end: none"}},
		{"restarts", func(s *sample) {
			s.health.value.Services[1].LastExit = "exit status 1"
			s.restarts = map[string]restartLog{"billing": {count: 9, times: make([]time.Time, 2)}}
		}, []string{"service-restarted | billing | billing was started again, 2 times in 10 minutes; its last end: exit status 1"}},
		{"more restarts", func(s *sample) {
			s.restarts = map[string]restartLog{"billing": {count: 3, times: make([]time.Time, 3)}}
		},
			[]string{"service-looping | billing | billing was started again, 3 times in 10 minutes; its last end: none"}},
		{"no disk", volume(model.VolumeStatus{Name: "bootflash", Device: "memory", State: "missing", ReadOnly: true}), []string{"volume-in-memory | bootflash | bootflash: missing"}},
		{"a disk of others", volume(model.VolumeStatus{Name: "harddisk", State: "foreign", Problem: "/dev/vda4 holds ntfs"}), []string{"volume-missing | harddisk | /dev/vda4 holds ntfs"}},
		{"unmounted", volume(model.VolumeStatus{Name: "harddisk", State: "unmounted"}), []string{"volume-missing | harddisk | harddisk: unmounted"}},
		{"read-only", volume(model.VolumeStatus{Name: "harddisk", State: "mounted read-only", ReadOnly: true, Problem: "errors"}), []string{"volume-read-only | harddisk | errors"}},
		{"gone read-only", volume(model.VolumeStatus{Name: "harddisk", State: "mounted", ReadOnly: true}), []string{"volume-read-only | harddisk | harddisk: mounted"}},
		{"a stick", volume(model.VolumeStatus{Name: "usb0", State: "mounted"}), nil},
		{"an unmounted stick", volume(model.VolumeStatus{Name: "usb0", State: "unmounted"}), nil},
		{"a dirty stick", volume(model.VolumeStatus{Name: "usb0", State: "mounted read-only", ReadOnly: true}), []string{"volume-read-only | usb0 | usb0: mounted read-only"}},
		{"a pulled stick", volume(model.VolumeStatus{Name: "usb0", State: "pulled", Problem: "gone"}), []string{"volume-pulled | usb0 | gone"}},
		{"a foreign stick", volume(model.VolumeStatus{Name: "usb0", State: "foreign"}), []string{"volume-unusable | usb0 | usb0: foreign"}},
		{"a silent stick", volume(model.VolumeStatus{Name: "usb0", State: "silent"}), []string{"volume-unusable | usb0 | usb0: silent"}},
		{"a trial", func(s *sample) { s.health.value.Slot, s.health.value.Trial = "B", true }, []string{"slot-on-trial |  | slot B is on trial"}},
		{"things are missing", func(s *sample) {
			s.health.value.Missing = []string{"no watchdog", "harddisk: mounted read-only", "no pstore"}
		}, []string{"box-incomplete |  | no watchdog; no pstore"}},
		{"crash files", func(s *sample) {
			s.crashes.value = []string{"20260101T000000.000Z-kernel-dmesg-1.txt", "20260102T000000.000Z-proxy.txt", "20260103T000000.000Z-proxy.txt", "20260103T000000.001Z-kernel-dmesg-2.txt"}
		}, []string{
			"crash-file | 20260103T000000.001Z-kernel-dmesg-2.txt | kernel crashed; the evidence is harddisk:crash/20260103T000000.001Z-kernel-dmesg-2.txt",
			"crash-file | 20260103T000000.000Z-proxy.txt | proxy crashed; the evidence is harddisk:crash/20260103T000000.000Z-proxy.txt"}},
		{"a link is down", func(s *sample) { s.status.Interfaces[0].Link, s.status.Interfaces[0].Problem = "down", "no carrier" }, []string{"link-down | LAN1 | the link of LAN1 is down"}},
		{"the kernel does not tell", func(s *sample) {
			s.status.Interfaces[0] = model.InterfaceStatus{LAN: "LAN1", Link: "unknown", Problem: "state not readable: no netlink"}
		}, []string{"lan-problem | LAN1 | LAN1: state not readable: no netlink"}},
		{"a port is missing", func(s *sample) { s.status.Interfaces[0] = model.InterfaceStatus{LAN: "LAN1", Link: "missing"} }, []string{"link-down | LAN1 | the link of LAN1 is missing"}},
		{"a LAN is not looked at yet", func(s *sample) {
			s.status.Interfaces[0] = model.InterfaceStatus{LAN: "LAN1", Problem: "not looked at yet"}
		}, nil},
		{"a LAN has a problem", func(s *sample) { s.status.Interfaces[0].Problem = "add route: refused" }, []string{"lan-problem | LAN1 | LAN1: add route: refused"}},
		{"the clock is free", func(s *sample) { s.unsynchronised, s.status.Clock = true, "no time server configured" }, []string{"clock-unsynchronised |  | the clock: no time server configured"}},
		{"the configuration has problems", func(s *sample) { s.status.Problems = []string{"revision 7 was withdrawn", "revision 6 is damaged"} },
			[]string{"configuration-problem |  | revision 7 was withdrawn; revision 6 is damaged"}},
		{"lines are aside", func(s *sample) { s.status.Aside = 3 }, []string{"configuration-aside |  | 3 lines of the configuration are not known to this firmware"}},
		{"a commit waits", func(s *sample) { s.status.Pending = &model.PendingCommit{Revision: 8, Until: time.Unix(1e9, 0)} },
			[]string{"configuration-unconfirmed |  | revision 8 is undone at 2001-09-09T01:46:40Z unless it is confirmed"}},
		{"the journal is damaged", func(s *sample) { s.billing.value.Counters["lost"] = 5 }, []string{"billing-journal-damaged |  | damage to the journal took 5 records"}},
		{"the journal is full", func(s *sample) { s.proxy.value.Counters["refused-credits"] = 4 },
			[]string{"billing-journal-full |  | 4 calls were refused for want of room in the journal /harddisk/billcache"}},
		{"events are lost", func(s *sample) { s.proxy.value.Counters["unrecorded-events"] = 2 },
			[]string{"billing-events-lost |  | 2 call events were lost for want of room in the journal"}},
	}
	told := map[string]bool{}
	for _, test := range tests {
		now := well()
		test.wrong(now)
		var got []string
		for _, c := range conditions(now, well()) {
			got = append(got, row(c))
			told[c.Name] = true
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	for _, reading := range readings(well(), &sample{proxyTicks: 1}) {
		told[reading.Name] = true
	}
	for _, row := range alarm.Table() {
		if !told[row.Name] && !slices.Contains(elsewhere, row.Name) {
			t.Errorf("no test has %s raised", row.Name)
		}
	}
}

// TestOneLookIsNotEnough: what must hold for a while is seen at two looks at
// least. A port that negotiates while the box boots is no alarm.
func TestOneLookIsNotEnough(t *testing.T) {
	for _, row := range alarm.Table() {
		if row.RaiseAfter > 0 && row.RaiseAfter <= watchPeriod+watchLimit {
			t.Errorf("%s is raised after %v; want it after the next look, %v later at the most", row.Name, row.RaiseAfter, watchPeriod+watchLimit)
		}
	}
}

// Counters since a start that nobody saw are no news, nor are those that stay.
func TestCountersOfTheProxy(t *testing.T) {
	with := func(n int64) *sample {
		s := well()
		s.proxy.value.Counters["refused-credits"] = n
		return s
	}
	silent := with(0)
	silent.proxy = answer[model.ProxyStatus]{err: errors.New("refused")}
	for _, test := range []struct {
		name        string
		before, now *sample
		want        string
	}{
		{"first sample", nil, with(7), ""},
		{"the proxy did not answer before", silent, with(7), ""},
		{"no more than before", with(7), with(7), ""},
		{"more", with(7), with(9), "2 calls were refused"},
		{"the proxy began anew", with(7), with(1), "1 calls were refused"},
		{"the proxy began anew and refuses none", with(7), with(0), ""},
	} {
		var texts []string
		for _, c := range conditions(test.now, test.before) {
			texts = append(texts, c.Text)
		}
		if got := strings.Join(texts, ""); !strings.HasPrefix(got, test.want) || got != "" && test.want == "" {
			t.Errorf("%s: %q; want %q", test.name, got, test.want)
		}
	}
}

func TestReadings(t *testing.T) {
	type reading struct {
		Percent float64
		Row     string
	}
	list := func(now, before *sample) (got []reading) {
		for _, r := range readings(now, before) {
			got = append(got, reading{r.Percent, row(r.Condition)})
		}
		return got
	}
	before, now := well(), well()
	now.cpu, now.proxyTicks = cpuTime{1090, 10100}, 560
	want := []reading{
		{90, "cpu |  | the processors were 90 % busy"},
		{60, "proxy-cpu |  | the proxy had 60 % of the processors"},
		{50, "memory |  | 50 % of memory is used, 256 of 512 MiB are available"},
		{25, "service-memory | proxy | proxy uses 25 % of the 256 MiB that it may"},
		{10, "volume-space | bootflash | bootflash: is 10 % full, 0 of 0 MiB are free"},
		{25, "volume-space | harddisk | harddisk: is 25 % full, 6144 of 8192 MiB are free"},
	}
	if diff := cmp.Diff(want, list(now, before)); diff != "" {
		t.Errorf("readings (-want +got):\n%s", diff)
	}
	for _, ticks := range []uint64{0, 499} { // not known, and begun anew
		now.proxyTicks = ticks
		if diff := cmp.Diff(slices.Delete(slices.Clone(want), 1, 2), list(now, before)); diff != "" {
			t.Errorf("readings with %d ticks of the proxy (-want +got):\n%s", ticks, diff)
		}
	}
	want = want[2:]
	if diff := cmp.Diff(want, list(now, nil)); diff != "" {
		t.Errorf("readings of the first sample (-want +got):\n%s", diff)
	}
	for _, cpu := range []cpuTime{{}, {1000, 10000}, {900, 10100}} {
		now.cpu, now.proxyTicks = cpu, 560
		if diff := cmp.Diff(want, list(now, before)); diff != "" {
			t.Errorf("readings with processor time %+v (-want +got):\n%s", cpu, diff)
		}
	}
	if got := list(&sample{}, &sample{}); got != nil {
		t.Errorf("readings of nothing = %+v; want none", got)
	}
}

func TestRestarts(t *testing.T) {
	type look struct {
		at       time.Duration
		restarts int
		uptime   time.Duration
		silent   bool
		want     int // restarts within the window
	}
	for name, looks := range map[string][]look{
		"none":                      {{0, 0, time.Hour, false, 0}, {5 * time.Second, 0, time.Hour, false, 0}},
		"one":                       {{0, 0, time.Hour, false, 0}, {time.Minute, 1, 0, false, 1}, {10 * time.Minute, 1, 0, false, 1}, {11 * time.Minute, 1, 0, false, 0}},
		"two in one look":           {{0, 4, time.Hour, false, 0}, {time.Minute, 6, 0, false, 2}},
		"more than are worth it":    {{0, 4, time.Hour, false, 0}, {time.Minute, 1e9, 0, false, 3}},
		"one before control":        {{0, 5, 4 * time.Minute, false, 1}, {5 * time.Minute, 5, 0, false, 1}, {6 * time.Minute, 5, 0, false, 0}},
		"long before control":       {{0, 5, 11 * time.Minute, false, 0}},
		"init is silent in between": {{0, 0, time.Hour, false, 0}, {time.Minute, 1, 0, false, 1}, {2 * time.Minute, 0, 0, true, 1}, {3 * time.Minute, 2, 0, false, 2}},
		"spread":                    {{0, 0, time.Hour, false, 0}, {5 * time.Minute, 1, 0, false, 1}, {10 * time.Minute, 2, 0, false, 2}, {15 * time.Minute, 3, 0, false, 2}},
	} {
		var before *sample
		for i, look := range looks {
			now := &sample{at: time.Unix(1e9, 0).Add(look.at)}
			now.health.value.Services = []model.ServiceStatus{{Name: "proxy", Restarts: look.restarts, Uptime: look.uptime}}
			if look.silent {
				now.health = answer[model.SystemHealth]{err: errors.New("timeout")}
			}
			now.follow(before)
			if got := len(now.restarts["proxy"].times); got != look.want {
				t.Errorf("%s: look %d has %d restarts; want %d", name, i, got, look.want)
			}
			before = now
		}
	}
}

// TestRestartAfterClear: an operator who has cleared an alarm about a restart is
// told of the next one, and one about a service that restarts all the time stays.
func TestRestartAfterClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alarms := alarm.Open(alarm.Options{File: filepath.Join(t.TempDir(), "alarms.db"), Log: slog.New(slog.DiscardHandler)})
		defer alarms.Close()
		restarts := 0
		var before *sample
		// looks lets the monitor look n times, with so many restarts before
		// each, and gives the active alarms.
		looks := func(n, more int) (active []string) {
			for range n {
				time.Sleep(watchPeriod)
				restarts += more
				now := well()
				now.at = time.Now()
				now.health.value.Services[0].Restarts = restarts
				now.follow(before)
				alarms.Report("watch", conditions(now, before))
				before = now
			}
			for _, a := range alarms.Active() {
				active = append(active, fmt.Sprint(a.Name, " ", a.Count))
			}
			return active
		}
		clearAll := func() {
			t.Helper()
			for _, a := range alarms.Active() {
				if _, err := alarms.Clear(alarm.Which{Number: a.Number}, alice); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, step := range []struct {
			what    string
			n, more int
			clear   bool
			want    []string
		}{
			{"before", 3, 0, false, nil},
			{"a restart", 1, 1, false, []string{"service-restarted 1"}},
			{"later", 10, 0, false, []string{"service-restarted 1"}},
			{"cleared", 10, 0, true, nil},
			{"the second restart", 1, 1, false, nil},
			{"the look after it", 1, 0, false, []string{"service-restarted 1"}},
			{"when the first is forgotten", 98, 0, false, []string{"service-restarted 1"}},
			{"one more that nobody cleared", 1, 1, false, []string{"service-restarted 1"}},
			{"counts", 1, 0, false, []string{"service-restarted 2"}},
			{"all the time", 1, 1, false, []string{"service-looping 1", "service-restarted 2"}},
			{"and on", 100, 1, false, []string{"service-looping 51"}},
			{"cleared though it goes on", 2, 1, true, []string{"service-looping 1"}},
			{"the end of it", 130, 0, false, nil},
		} {
			if step.clear {
				clearAll()
			}
			if got := looks(step.n, step.more); !slices.Equal(got, step.want) {
				t.Errorf("%s: active alarms %q; want %q", step.what, got, step.want)
			}
		}
	})
}

// TestProxyCPU: the proxy has 90 % of the processors for a minute, and keeps the
// alarm until it has had less than 80 % for a minute (CH-45).
func TestProxyCPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alarms := alarm.Open(alarm.Options{File: filepath.Join(t.TempDir(), "alarms.db"), Log: slog.New(slog.DiscardHandler)})
		defer alarms.Close()
		before := well()
		for _, step := range []struct {
			share, looks int // percent of two processors, and for how long
			want         bool
		}{
			{89, 20, false}, {90, 12, false}, {90, 1, true}, {81, 20, true}, {79, 12, true}, {79, 1, false}, {95, 12, false}, {50, 1, false}, {95, 12, false},
		} {
			for range step.looks {
				const elapsed = 2 * 100 * uint64(watchPeriod/time.Second) // ticks
				now := well()
				now.cpu = cpuTime{before.cpu.busy + elapsed, before.cpu.total + elapsed}
				now.proxyTicks = before.proxyTicks + elapsed*uint64(step.share)/100
				alarms.Measure("measured", readings(now, before))
				before = now
				time.Sleep(watchPeriod)
			}
			active := slices.ContainsFunc(alarms.Active(), func(a model.Alarm) bool { return a.Name == alarm.ProxyCPU })
			if active != step.want {
				t.Errorf("%d looks at a proxy with %d %% of the processors: the alarm is active: %t; want %t", step.looks, step.share, active, step.want)
			}
		}
	})
}
