// Package appointment is a time of day at which something is to happen, by a clock
// and in a zone that may be set meanwhile.
package appointment

import "time"

// Layout is how a time of day is written: "03:00".
const Layout = "15:04"

const (
	// late is how long after its time of day something still happens. More means
	// that the clock was set over it, or that nobody was there; then the next such
	// time counts, for nobody asked for it at the hour that it is now.
	late = time.Minute
	// longestDay is that of the end of summer time.
	longestDay = 25 * time.Hour
)

// Next is the next moment after now at which the clock shows a time of day, in
// the zone of now. At the end of summer time it is the first of two.
func Next(clock string, now time.Time) time.Time {
	at, err := time.Parse(Layout, clock)
	if err != nil {
		panic("appointment: a time of day that was not checked: " + clock)
	}
	year, month, day := now.Date()
	next := time.Date(year, month, day, at.Hour(), at.Minute(), 0, 0, now.Location())
	if !next.After(now) {
		next = time.Date(year, month, day+1, at.Hour(), at.Minute(), 0, 0, now.Location())
	}
	return next
}

// Left is how long it is until a moment of the clock, not of the monotonic reading
// beside it.
func Left(at, now time.Time) time.Duration { return at.Sub(now.Round(0)) }

// Stands says whether a moment that Next gave some time ago is still the one. If
// not, the clock or its zone was set, or it is past and nobody was there.
func Stands(clock string, at, now time.Time) bool {
	left := Left(at, now)
	if left <= 0 {
		return left >= -late
	}
	return left <= longestDay && at.In(now.Location()).Format(Layout) == clock
}
