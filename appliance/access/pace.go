package access

import "time"

// pace lets so many events pass at once, and one each interval in the long run
// (the generic cell rate algorithm). The zero value lets none pass.
type pace struct {
	interval time.Duration
	burst    int
	full     time.Duration // when as many have passed as may, were each of them on time
}

// wait is how long the next event has to wait.
func (p *pace) wait(now time.Duration) time.Duration {
	return max(0, max(p.full, now)-time.Duration(p.burst-1)*p.interval-now)
}

// take counts an event.
func (p *pace) take(now time.Duration) { p.full = max(p.full, now) + p.interval }
