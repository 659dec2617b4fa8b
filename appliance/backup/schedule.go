package backup

import (
	"context"
	"fmt"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The pace of the schedule.
const (
	look     = 30 * time.Second // between two looks at the clock: it may be set
	retryMin = time.Minute      // after the first failure; then twice as long each time
	retryMax = time.Hour
)

// limit is how long making a backup may take: the other system may be slow.
const limit = 10 * time.Minute

// Apply tells that another configuration is in force.
func (s *Service) Apply() {
	select {
	case s.kick <- struct{}{}:
	default: // it looks anyway
	}
}

// Run makes scheduled backups until ctx ends. One whose time passed while the box
// was off, or whose place was not there, is made as soon as it can be, once.
func (s *Service) Run(ctx context.Context) error {
	for {
		s.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-s.kick:
		case <-time.After(look):
		}
	}
}

// look makes the backup that is due.
func (s *Service) look(ctx context.Context) {
	b, now := s.options.Configuration.InForce().Config.Backup, s.options.Now()
	st := s.snapshot()
	if is := describe(b.Schedule); is != st.Schedule || st.Served.After(now) {
		// A new schedule begins now. So does one that was served in a future
		// that the clock has come back from.
		s.again, s.wait = time.Time{}, 0
		s.keep(func(st *state) {
			st.Served = now.UTC()
			if is != st.Schedule {
				st.Schedule, st.Failure = is, Failure{}
			}
		})
		return
	}
	if b.Schedule.To == "" || !last(b.Schedule, now).After(st.Served) || now.Before(s.again) {
		return
	}
	err := s.scheduled(ctx, b.Schedule.To)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		s.wait = min(max(2*s.wait, retryMin), retryMax)
		s.again = s.options.Now().Add(s.wait)
		s.options.Log.Error("the scheduled backup failed", "error", err, "again_after", s.wait)
		s.keep(func(st *state) { st.Failure = Failure{now.UTC(), err.Error()} })
		return
	}
	s.again, s.wait = time.Time{}, 0
	s.keep(func(st *state) { st.Served = now.UTC() })
}

func (s *Service) scheduled(ctx context.Context, to string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := s.makeFor(ctx, bySchedule, NowRequest{To: to})
	return err
}

// last is the latest time of a schedule that is not after now, in the zone of now.
func last(b model.BackupSchedule, now time.Time) time.Time {
	return nearest(b, now, -1, func(at time.Time) bool { return !at.After(now) })
}

// next is the earliest time of a schedule that is after now.
func next(b model.BackupSchedule, now time.Time) time.Time {
	return nearest(b, now, 1, func(at time.Time) bool { return at.After(now) })
}

// nearest tries day after day, forth or back. A time that the change to summer
// time leaves out is an hour off; one that comes twice is one of them.
func nearest(b model.BackupSchedule, now time.Time, step int, fits func(time.Time) bool) time.Time {
	year, month, day := now.Date()
	for ; ; day += step {
		at := time.Date(year, month, day, b.At/60, b.At%60, 0, 0, now.Location())
		if fits(at) && (!b.Weekly || at.Weekday() == b.Day) {
			return at
		}
	}
}

// describe is a schedule in words; empty: none.
func describe(b model.BackupSchedule) string {
	if b.To == "" {
		return ""
	}
	text := "daily "
	if b.Weekly {
		text = fmt.Sprintf("weekly on %v, ", b.Day)
	}
	text += config.TimeOfDay{}.Format(b.At) + " to " + b.To
	if b.Keep > 0 {
		text += fmt.Sprintf(", the last %d stay", b.Keep)
	}
	return text
}

// Conditions are what is wrong, for alarms.
func (s *Service) Conditions() []model.Condition {
	failure := s.snapshot().Failure
	if failure.Time.IsZero() {
		return nil
	}
	return []model.Condition{{Name: alarm.BackupFailed, Text: "the scheduled backup failed: " + failure.Why}}
}
