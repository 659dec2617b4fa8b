package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// conditions gives all that is not as it should be. before is the sample
// before this one, nil if there was none.
func conditions(now, before *sample) []model.Condition {
	var list []model.Condition
	for _, rule := range rules {
		list = append(list, rule(now)...)
	}
	if before != nil {
		list = append(list, unroomed(now, before)...)
	}
	return list
}

var rules = []func(*sample) []model.Condition{
	silence, down, restarted, volumes, wholeBox, crashes, lans, clockState, configuration, damaged,
}

// silence is about processes that run and do not answer.
func silence(s *sample) []model.Condition {
	var list []model.Condition
	for _, asked := range []struct {
		process string
		err     error
	}{{"init", s.health.err}, {"proxy", s.proxy.err}, {"billing", s.billing.err}} {
		ended := slices.ContainsFunc(s.health.value.Services, func(service model.ServiceStatus) bool {
			return service.Name == asked.process && service.PID == 0
		})
		if asked.err != nil && !ended {
			list = append(list, model.Condition{Name: alarm.ServiceSilent, Object: asked.process,
				Text: fmt.Sprintf("%s does not answer: %v", asked.process, asked.err)})
		}
	}
	return list
}

// down is about services that do not run.
func down(s *sample) []model.Condition {
	var list []model.Condition
	for _, service := range s.health.value.Services {
		text := fmt.Sprintf("%s does not run; its last end: %s", service.Name, cmp.Or(service.LastExit, "none"))
		switch {
		case service.PID != 0:
		case service.Name == "proxy":
			list = append(list, model.Condition{Name: alarm.ProxyDown, Text: text})
		default:
			list = append(list, model.Condition{Name: alarm.ServiceDown, Object: service.Name, Text: text})
		}
	}
	return list
}

// restartWindow is how long a restart is worth telling; loopRestarts within it
// are a service that does not stay up.
const (
	restartWindow = 10 * time.Minute
	loopRestarts  = 3
)

// restartLog is how often a service was started again since boot, and when
// within restartWindow. Of one more restart under the same alarm nothing is told
// for one look: so it counts as another occurrence, and is news to an operator
// who has cleared the alarm.
type restartLog struct {
	count   int
	times   []time.Time
	another bool
}

// restartAlarm is the alarm about so many restarts within restartWindow; for
// none it has no name.
func restartAlarm(restarts int) model.Condition {
	switch {
	case restarts >= loopRestarts:
		return model.Condition{Name: alarm.ServiceLooping}
	case restarts > 0:
		return model.Condition{Name: alarm.ServiceRestarted}
	}
	return model.Condition{}
}

// restartsSince brings the restarts of the sample before up to now.
func restartsSince(now, before *sample) map[string]restartLog {
	found := map[string]restartLog{}
	for _, service := range now.health.value.Services {
		log, met := before.restarts[service.Name]
		times, more := slices.Clone(log.times), 0
		switch {
		case met:
			more = max(0, min(service.Restarts-log.count, loopRestarts))
			times = append(times, slices.Repeat([]time.Time{now.at}, more)...)
		case service.Restarts > 0: // before control was there; of the last one the time is known
			times = append(times, now.at.Add(-service.Uptime))
		}
		times = slices.DeleteFunc(times, func(t time.Time) bool { return now.at.Sub(t) >= restartWindow })
		another := more > 0 && !log.another && restartAlarm(len(times)-more) == restartAlarm(len(times))
		found[service.Name] = restartLog{service.Restarts, times, another}
	}
	return found
}

// restarted is about services that were started again a short while ago.
func restarted(s *sample) []model.Condition {
	var list []model.Condition
	for _, service := range s.health.value.Services {
		log := s.restarts[service.Name]
		c := restartAlarm(len(log.times))
		if c.Name == "" || log.another {
			continue
		}
		c.Object = service.Name
		c.Text = fmt.Sprintf("%s was started again, %d times in %d minutes; its last end: %s",
			service.Name, len(log.times), restartWindow/time.Minute, cmp.Or(service.LastExit, "none"))
		list = append(list, c)
	}
	return list
}

// volumeFaults are what may be wrong with a volume; the first that holds is told.
var volumeFaults = []struct {
	model.Condition
	holds func(v model.VolumeStatus, stick bool) bool
}{
	{model.Condition{Name: alarm.VolumeInMemory}, func(v model.VolumeStatus, _ bool) bool { return v.Device == "memory" }},
	{model.Condition{Name: alarm.VolumePulled}, func(v model.VolumeStatus, _ bool) bool { return v.State == "pulled" }},
	{model.Condition{Name: alarm.VolumeReadOnly}, func(v model.VolumeStatus, _ bool) bool { return v.ReadOnly }},
	{model.Condition{Name: alarm.VolumeMissing}, func(v model.VolumeStatus, stick bool) bool { return !stick && v.State != "mounted" }},
	{model.Condition{Name: alarm.VolumeUnusable}, func(v model.VolumeStatus, _ bool) bool {
		return !slices.Contains([]string{"mounted", "unmounted", "missing"}, v.State)
	}},
}

// volumes is about volumes that are not there or cannot be written.
func volumes(s *sample) []model.Condition {
	var list []model.Condition
	for _, v := range s.health.value.Volumes {
		for _, fault := range volumeFaults {
			if fault.holds(v, v.Name == storage.USB) {
				c := fault.Condition
				c.Object, c.Text = v.Name, cmp.Or(v.Problem, v.Name+": "+v.State)
				list = append(list, c)
				break
			}
		}
	}
	return list
}

// wholeBox is about what init tells of the whole box.
func wholeBox(s *sample) []model.Condition {
	var list []model.Condition
	if s.health.value.Trial {
		list = append(list, model.Condition{Name: alarm.SlotOnTrial, Text: "slot " + s.health.value.Slot + " is on trial"})
	}
	missing := slices.DeleteFunc(slices.Clone(s.health.value.Missing), func(sentence string) bool {
		return slices.ContainsFunc(s.health.value.Volumes, func(v model.VolumeStatus) bool {
			return strings.HasPrefix(sentence, v.Name+":") // it has an alarm of its own
		})
	})
	if len(missing) > 0 {
		list = append(list, model.Condition{Name: alarm.BoxIncomplete, Text: strings.Join(missing, alarm.SentenceBreak)})
	}
	return list
}

// crashes is about the newest crash file of each service: one that follows is a
// new alarm. A name is the time, a hyphen and what crashed.
func crashes(s *sample) []model.Condition {
	newest := map[string]string{} // by what crashed
	for _, name := range s.crashes.value {
		_, what, _ := strings.Cut(strings.TrimSuffix(name, ".txt"), "-")
		what, _, _ = strings.Cut(what, "-") // "kernel-dmesg-1" is of the kernel
		newest[what] = max(newest[what], name)
	}
	var list []model.Condition
	for _, what := range slices.Sorted(maps.Keys(newest)) {
		list = append(list, model.Condition{Name: alarm.CrashFile, Object: newest[what],
			Text: fmt.Sprintf("%s crashed; the evidence is harddisk:crash/%s", what, newest[what])})
	}
	return list
}

// lans is about the two ports. One without link cannot be right otherwise, so
// that alone is told.
func lans(s *sample) []model.Condition {
	var list []model.Condition
	for _, i := range s.status.Interfaces {
		switch {
		case i.Link == "" || i.Link != "up" && !configured(s.config, i.LAN):
		case i.Link != "up" && i.Link != "unknown":
			list = append(list, model.Condition{Name: alarm.LinkDown, Object: i.LAN, Text: fmt.Sprintf("the link of %s is %s", i.LAN, i.Link)})
		case i.Problem != "":
			list = append(list, model.Condition{Name: alarm.LANProblem, Object: i.LAN, Text: i.LAN + ": " + i.Problem})
		}
	}
	return list
}

// configured reports whether a port is to be used.
func configured(c *model.Config, name string) bool {
	return slices.ContainsFunc(c.LANs, func(l model.LAN) bool {
		addressed := l.Address.IsValid() || l.Address6.IsValid() || l.DHCP.Mode == model.DHCPClient
		return l.Port.String() == name && addressed && !l.Shutdown
	})
}

func clockState(s *sample) []model.Condition {
	if !s.unsynchronised {
		return nil
	}
	return []model.Condition{{Name: alarm.ClockUnsynchronised, Text: "the clock: " + s.status.Clock}}
}

// configuration is about what is in force.
func configuration(s *sample) []model.Condition {
	var list []model.Condition
	if len(s.status.Problems) > 0 {
		list = append(list, model.Condition{Name: alarm.ConfigurationProblem, Text: strings.Join(s.status.Problems, "; ")})
	}
	if s.status.Aside > 0 {
		list = append(list, model.Condition{Name: alarm.ConfigurationAside,
			Text: fmt.Sprintf("%d lines of the configuration are not known to this firmware", s.status.Aside)})
	}
	if p := s.status.Pending; p != nil {
		list = append(list, model.Condition{Name: alarm.ConfigurationUnconfirmed,
			Text: fmt.Sprintf("revision %d is undone at %s unless it is confirmed", p.Revision, p.Until.UTC().Format(time.RFC3339))})
	}
	return list
}

// damaged is about records that billing found damaged.
func damaged(s *sample) []model.Condition {
	lost := s.billing.value.Counters["lost"]
	if lost == 0 {
		return nil
	}
	return []model.Condition{{Name: alarm.BillingJournalDamaged, Text: fmt.Sprintf("damage to the journal took %d records", lost)}}
}

// unroomed is about calls and events for which the journal had no room since
// the sample before.
func unroomed(now, before *sample) []model.Condition {
	var list []model.Condition
	if n := counted("refused-credits", now, before); n > 0 {
		list = append(list, model.Condition{Name: alarm.BillingJournalFull,
			Text: fmt.Sprintf("%d calls were refused for want of room in the journal %s", n, now.billing.value.Journal.Directory)})
	}
	if n := counted("unrecorded-events", now, before); n > 0 {
		list = append(list, model.Condition{Name: alarm.BillingEventsLost,
			Text: fmt.Sprintf("%d call events were lost for want of room in the journal", n)})
	}
	return list
}

// counted is by how much a counter of the proxy grew between two samples. One
// that is smaller than before began anew.
func counted(counter string, now, before *sample) int64 {
	if before.proxy.value.Counters == nil {
		return 0 // it never answered: nobody knows since when the proxy counts
	}
	n, had := now.proxy.value.Counters[counter], before.proxy.value.Counters[counter]
	if n < had {
		return n
	}
	return n - had
}

// readings gives what was measured.
func readings(now, before *sample) []alarm.Reading {
	var list []alarm.Reading
	if before != nil && now.cpu.total > before.cpu.total && now.cpu.busy >= before.cpu.busy {
		busy := percent(now.cpu.busy-before.cpu.busy, now.cpu.total-before.cpu.total)
		list = append(list, alarm.Reading{Percent: busy, Condition: model.Condition{Name: alarm.CPU,
			Text: fmt.Sprintf("the processors were %.0f %% busy", busy)}})
		if before.proxyTicks > 0 && now.proxyTicks >= before.proxyTicks {
			taken := min(100, percent(now.proxyTicks-before.proxyTicks, now.cpu.total-before.cpu.total))
			list = append(list, alarm.Reading{Percent: taken, Condition: model.Condition{Name: alarm.ProxyCPU,
				Text: fmt.Sprintf("the proxy had %.0f %% of the processors", taken)}})
		}
	}
	if h := now.health.value; h.MemTotalKB > 0 {
		used := percent(h.MemTotalKB-min(h.MemAvailable, h.MemTotalKB), h.MemTotalKB)
		list = append(list, alarm.Reading{Percent: used, Condition: model.Condition{Name: alarm.Memory,
			Text: fmt.Sprintf("%.0f %% of memory is used, %d of %d MiB are available", used, h.MemAvailable>>10, h.MemTotalKB>>10)}})
	}
	for _, service := range slices.Sorted(maps.Keys(now.memory)) {
		m := now.memory[service]
		used := percent(m.used, m.limit)
		list = append(list, alarm.Reading{Percent: used, Condition: model.Condition{Name: alarm.ServiceMemory, Object: service,
			Text: fmt.Sprintf("%s uses %.0f %% of the %d MiB that it may", service, used, m.limit>>20)}})
	}
	for _, v := range now.health.value.Volumes {
		if v.TotalKB == 0 {
			continue
		}
		used := percent(v.TotalKB-min(v.FreeKB, v.TotalKB), v.TotalKB)
		list = append(list, alarm.Reading{Percent: used, Condition: model.Condition{Name: alarm.VolumeSpace, Object: v.Name,
			Text: fmt.Sprintf("%s: is %.0f %% full, %d of %d MiB are free", v.Name, used, v.FreeKB>>10, v.TotalKB>>10)}})
	}
	return list
}

func percent(part, whole uint64) float64 { return 100 * float64(part) / float64(whole) }
