package gate

import "time"

// How much is done or written down at once, and in the long run, of what need not
// be signed and of what is refused: half of the refusals that the access log takes.
const (
	toldBurst = 100 // lines of the access log
	toldEvery = 10 * time.Second
	readBurst = 200 // calls: some ask all processes of the box, which have calls to set up
	readEvery = 200 * time.Millisecond

	refusedBurst = 250
	refusedEvery = 12 * time.Second
)

// pace lets so many events pass at once, and one each interval in the long run
// (the generic cell rate algorithm). It is the uptime at which as many have passed
// as may, were each of them on time.
type pace time.Duration

// take counts an event, or says that it is one too many.
func (p *pace) take(now, every time.Duration, burst int) bool {
	full := max(time.Duration(*p), now) + every
	if full-now > time.Duration(burst)*every {
		return false
	}
	*p = pace(full)
	return true
}
