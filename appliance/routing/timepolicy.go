package routing

import (
	"fmt"
	"sync/atomic"
	"time"

	"causeway/appliance/model"
)

// timePolicy is a time policy in the zone of the box.
type timePolicy struct {
	name      string
	zone      *time.Location
	sequences []timeSequence
	known     atomic.Int64 // the last answer: Unix minute × 2, + 1 if the policy holds in it
}

// timeSequence is a model.TimeSequence as times are compared with it. Sets are
// bits.
type timeSequence struct {
	start, end             time.Time // zero: no bound
	months, days, weekdays uint32
	from, to               int // minutes of the day; the same: all day
}

func compileTimePolicy(p *model.TimePolicy, zone *time.Location) (*timePolicy, error) {
	t := &timePolicy{name: p.Name, zone: zone}
	for _, s := range p.Sequences {
		sequence := timeSequence{months: bits(s.Months), days: bits(s.Days), weekdays: bits(s.Weekdays), from: s.From, to: s.To}
		var err error
		if sequence.start, err = parseDateTime(s.Start, zone); err == nil {
			sequence.end, err = parseDateTime(s.End, zone)
		}
		if err != nil {
			return nil, fmt.Errorf("time policy %s sequence %d: %w", p.Name, s.Sequence, err)
		}
		t.sequences = append(t.sequences, sequence)
	}
	return t, nil
}

// parseDateTime reads a DATE-TIME of RFC 5545 §3.3.5: local, or UTC with a Z;
// nothing is the zero time.
func parseDateTime(text string, zone *time.Location) (time.Time, error) {
	const local, utc = "20060102T150405", "20060102T150405Z"
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(utc, text); err == nil {
		return t, nil
	}
	t, err := time.ParseInLocation(local, text, zone)
	if err != nil {
		return t, fmt.Errorf("%s is no time such as 20260101T000000", text)
	}
	return t, nil
}

// bits is the set of the numbers, 0–31; of all where there are none.
func bits(numbers []int) (set uint32) {
	for _, n := range numbers {
		set |= 1 << n
	}
	if len(numbers) == 0 {
		return ^set
	}
	return set
}

// holds says whether the policy holds in a minute since 1970. It is worked out
// once for each.
func (p *timePolicy) holds(minute int64) bool {
	if known := p.known.Load(); known>>1 == minute {
		return known&1 == 1
	}
	answer := minute << 1
	t := time.Unix(minute*60, 0).In(p.zone)
	for i := range p.sequences {
		if p.sequences[i].holds(t) {
			answer |= 1
			break
		}
	}
	p.known.Store(answer)
	return answer&1 == 1
}

// holds says whether t is one of the times. What began before midnight belongs
// to the day on which it began.
func (s *timeSequence) holds(t time.Time) bool {
	if t.Before(s.start) || !s.end.IsZero() && !t.Before(s.end) {
		return false
	}
	day, minute := t, t.Hour()*60+t.Minute()
	switch {
	case s.from < s.to:
		if minute < s.from || minute >= s.to {
			return false
		}
	case s.from > s.to:
		if minute >= s.to && minute < s.from {
			return false
		}
		if minute < s.to {
			day = t.AddDate(0, 0, -1)
		}
	}
	return s.months>>day.Month()&1 == 1 && s.days>>day.Day()&1 == 1 && s.weekdays>>day.Weekday()&1 == 1
}
