package web

import (
	"context"
	"time"
)

// Sources tell the Dashboard and the charts what the model has no words for; control
// asks the subjects. Each answers within the time of ctx.
type Sources struct {
	CallRate     func(context.Context) (CallRate, error)
	License      func(context.Context) (License, error)
	COM          func(context.Context) (COM, error)
	CallsBetween func(ctx context.Context, from, to time.Time, step time.Duration) ([]Calls, error)
}

// CallRate is how many calls come, and how many may (CP-9).
type CallRate struct {
	Now       float64   // calls per second, of the last second
	Average   float64   // of the snapshots
	Limit     float64   // 0: none
	Rule      string    // what the limit comes from
	Snapshots []float64 // calls per second of each, oldest first; ten once the box is up for five minutes
	Rejecting bool
}

// License is how the box stands with its licence.
type License struct {
	State string        // "OUT_OF_COMPLIANCE"
	Calls bool          // may be set up
	Limit int           // calls per second
	Left  time.Duration // of the evaluation or the authorization; 0: it is over, or there is none
}

// COM is the link to COM.
type COM struct {
	State     string // as show com has it
	Connected bool
	GraceLeft time.Duration // of what is subscribed, without the link
	Waiting   int           // entries that COM is yet to be told
}

// Calls is what came in one step of time.
type Calls struct {
	Time     time.Time // its beginning
	Offered  int
	Refused  int // by a rule of the box
	Failed   int // of those admitted
	MeanCPS  float64
	PeakCPS  float64
	PeakOpen int
}
