package billing

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// conditionsOf gives the names and objects of what is wrong.
func conditionsOf(p *process, s *model.BillingStatus) (names []string) {
	for _, c := range p.conditions(s) {
		names = append(names, c.Name+" "+c.Object)
	}
	return names
}

func TestConditions(t *testing.T) {
	waiting := func(kilobytes int64) model.BillingStatus {
		return model.BillingStatus{Cache: model.CacheStatus{Consumers: []model.CacheConsumerStatus{{Name: "packetcable-em-0", Records: 1, Bytes: kilobytes << 10}}}}
	}
	for _, test := range []struct {
		name   string
		status model.BillingStatus
		want   []string
	}{
		{"nothing", model.BillingStatus{}, nil},
		{"the transport is down", model.BillingStatus{RADIUS: []model.RADIUSClientStatus{{Name: "mars"}, {Name: "venus", Up: true}}},
			[]string{alarm.BillingTransportDown + " mars"}},
		{"below minor", waiting(99), nil},
		{"minor", waiting(100), []string{alarm.BillingCacheMinor + " "}},
		{"major", waiting(200), []string{alarm.BillingCacheMajor + " ", alarm.BillingCacheMinor + " "}},
		{"critical", waiting(300), []string{alarm.BillingCacheCritical + " ", alarm.BillingCacheMajor + " ", alarm.BillingCacheMinor + " "}},
		{"refused", model.BillingStatus{Cache: model.CacheStatus{Refused: 1}}, []string{alarm.BillingRecordsRefused + " "}},
		{"fault", model.BillingStatus{Cache: model.CacheStatus{Fault: "input/output error"}}, []string{alarm.BillingCacheFault + " "}},
		{"orphaned", model.BillingStatus{Cache: model.CacheStatus{Consumers: []model.CacheConsumerStatus{
			{Name: "xml-1", Records: 1, Orphaned: true}, {Name: "xml-2", Orphaned: true}, {Name: "xml-3", Records: 1}}}},
			[]string{alarm.BillingCacheOrphaned + " xml-1"}},
		{"the state is lost", model.BillingStatus{Counters: map[string]int64{countStateless: 3}}, []string{alarm.BillingEventsLost + " state"}},
		{"CDR files", model.BillingStatus{CDR: &model.CDRStatus{Level: "minor"}}, []string{alarm.CDRSpaceMinor + " "}},
		{"CDR files, major", model.BillingStatus{CDR: &model.CDRStatus{Level: "major", Problem: "x"}}, []string{alarm.CDRSpaceMajor + " ", alarm.CDRFault + " "}},
		{"CDR files, critical", model.BillingStatus{CDR: &model.CDRStatus{Level: "critical", TransferProblem: "x"}},
			[]string{alarm.CDRSpaceCritical + " ", alarm.CDRTransfer + " "}},
	} {
		p := &process{feed: feed{terms: &terms{}}, plan: &plan{Billing: model.Billing{Configured: true, Cache: model.BillingCache{Minor: 100, Major: 200, Critical: 300}}}}
		if diff := cmp.Diff(test.want, conditionsOf(p, &test.status)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// Records that were left are told of without billing, too.
func TestConditionsWithoutBilling(t *testing.T) {
	p := &process{feed: feed{terms: &terms{}}, plan: &plan{}}
	if got := conditionsOf(p, &model.BillingStatus{}); len(got) > 0 {
		t.Errorf("conditions of nothing = %q; want none", got)
	}
	status := model.BillingStatus{Cache: model.CacheStatus{Consumers: []model.CacheConsumerStatus{{Name: "harddisk:/old", Records: 1, Orphaned: true}}}}
	if diff := cmp.Diff([]string{alarm.BillingCacheOrphaned + " harddisk:/old"}, conditionsOf(p, &status)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

// An alarm about the size of the cache ends 5 % below where it began.
func TestCacheAlarmHysteresis(t *testing.T) {
	p := &process{feed: feed{terms: &terms{}}, plan: &plan{Billing: model.Billing{Configured: true, Cache: model.BillingCache{Minor: 1000, Major: 2000, Critical: 3000}}}}
	for _, step := range []struct {
		kilobytes int64
		raised    bool
	}{{999, false}, {1000, true}, {960, true}, {950, true}, {949, false}, {999, false}} {
		status := model.BillingStatus{Cache: model.CacheStatus{Consumers: []model.CacheConsumerStatus{{Bytes: step.kilobytes << 10}}}}
		status.Alarms = p.conditions(&status)
		p.report = status
		if got := len(status.Alarms) > 0; got != step.raised {
			t.Errorf("at %d KB: raised %v; want %v", step.kilobytes, got, step.raised)
		}
	}
}

func TestNextTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ now, at, want string }{
		{"2026-11-22 10:00:00", "22:30", "2026-11-22 22:30:00"},
		{"2026-11-22 22:30:00", "22:30", "2026-11-23 22:30:00"},
		{"2026-12-31 23:59:59", "00:00", "2027-01-01 00:00:00"},
		{"2026-10-25 01:00:00", "02:30", "2026-10-25 02:30:00"}, // the hour that comes twice
		{"2026-03-29 01:00:00", "02:30", "2026-03-29 03:30:00"}, // the hour that is left out
	} {
		now, err := time.ParseInLocation(time.DateTime, test.now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse("15:04", test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextTime(now, model.TimeOfDay{Hour: at.Hour(), Minute: at.Minute()}).Format(time.DateTime); got != test.want {
			t.Errorf("nextTime(%s, %s) = %s; want %s", test.now, test.at, got, test.want)
		}
	}
}
