package billing

import (
	"fmt"
	"slices"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

// hysteresis is how far below its threshold a size must be for the alarm to
// end, in percent.
const hysteresis = 5

// conditions are what is wrong now.
func (p *process) conditions(s *model.BillingStatus) (list []model.Condition) {
	if p.plan == nil {
		return nil
	}
	for _, c := range s.RADIUS {
		if !c.Up {
			list = append(list, model.Condition{Name: alarm.BillingTransportDown, Object: c.Name,
				Text: fmt.Sprintf("no server of RADIUS client %s answers: records wait in the cache", c.Name)})
		}
	}
	list = append(list, p.sizeConditions(s)...)
	if s.Cache.Refused > 0 {
		list = append(list, model.Condition{Name: alarm.BillingRecordsRefused,
			Text: fmt.Sprintf("%d records had no room in %v", s.Cache.Refused, p.terms.Cache)})
	}
	if s.Cache.Fault != "" {
		list = append(list, model.Condition{Name: alarm.BillingCacheFault, Text: fmt.Sprintf("%v: %s", p.terms.Cache, s.Cache.Fault)})
	}
	for _, c := range s.Cache.Consumers {
		if c.Orphaned && c.Records > 0 {
			list = append(list, model.Condition{Name: alarm.BillingCacheOrphaned, Object: c.Name,
				Text: fmt.Sprintf("%d records wait for %s, which is not configured: configure it again to have them delivered, or clear them", c.Records, c.Name)})
		}
	}
	if n := s.Counters[countStateless]; n > 0 {
		list = append(list, model.Condition{Name: alarm.BillingEventsLost, Object: "state",
			Text: fmt.Sprintf("what was known of %d calls in progress is lost; they will have no records", n)})
	}
	if s.CDR != nil {
		list = append(list, cdrConditions(s.CDR)...)
	}
	return list
}

// sizeConditions are those of "cache alarm".
func (p *process) sizeConditions(s *model.BillingStatus) (list []model.Condition) {
	var waiting int64
	for _, c := range s.Cache.Consumers {
		waiting = max(waiting, c.Bytes)
	}
	minor, major, critical := p.plan.Cache.Thresholds()
	for _, level := range []struct {
		at int
		model.Condition
	}{
		{critical, model.Condition{Name: alarm.BillingCacheCritical}},
		{major, model.Condition{Name: alarm.BillingCacheMajor}},
		{minor, model.Condition{Name: alarm.BillingCacheMinor}},
	} {
		at := level.at
		if slices.ContainsFunc(p.report.Alarms, func(c model.Condition) bool { return c.Name == level.Name }) {
			at -= at * hysteresis / 100
		}
		if waiting>>10 >= int64(at) {
			level.Text = fmt.Sprintf("%d KB of records wait in %v; the threshold is %d KB", waiting>>10, p.terms.Cache, level.at)
			list = append(list, level.Condition)
		}
	}
	return list
}

// cdrConditions are about the files of call records.
func cdrConditions(s *model.CDRStatus) (list []model.Condition) {
	for _, level := range []struct {
		name string
		model.Condition
	}{
		{"critical", model.Condition{Name: alarm.CDRSpaceCritical}},
		{"major", model.Condition{Name: alarm.CDRSpaceMajor}},
		{"minor", model.Condition{Name: alarm.CDRSpaceMinor}},
	} {
		if level.name == s.Level {
			level.Text = fmt.Sprintf("%d KB are free for CDR files in %s", s.FreeKB, s.Directory)
			list = append(list, level.Condition)
		}
	}
	if s.Problem != "" {
		list = append(list, model.Condition{Name: alarm.CDRFault, Text: s.Problem})
	}
	if s.TransferProblem != "" {
		list = append(list, model.Condition{Name: alarm.CDRTransfer, Text: s.TransferProblem})
	}
	return list
}
