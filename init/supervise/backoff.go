package supervise

import "time"

// The pace of restarts.
const (
	firstDelay   = 50 * time.Millisecond // after the first failure; doubles from there
	longestDelay = 30 * time.Second
	healthyAfter = time.Minute // a run this long forgets earlier failures

	// More than crashLimit crashes of one service within crashWindow is a
	// crash loop.
	crashLimit  = 5
	crashWindow = time.Minute
)

// restartDelay gives the wait before the start that follows the nth short run
// in a row (n ≥ 1). random is in [0, 1); it moves the delay by up to a quarter
// either way, so that services which die together do not come back in step.
func restartDelay(n int, random float64) time.Duration {
	delay := longestDelay
	if doublings := n - 1; doublings < 10 {
		delay = min(firstDelay<<doublings, longestDelay)
	}
	return min(delay+time.Duration((random-0.5)*float64(delay)/2), longestDelay)
}
