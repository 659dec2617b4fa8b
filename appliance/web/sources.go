package web

import (
	"context"
	"time"
)

// Sources tell the Dashboard and the charts what the model has no words for; control
// asks the subjects. Each answers within the time of ctx.
type Sources struct {
	CallRate func(context.Context) (CallRate, error)
	License  func(context.Context) (License, error)
	COM      func(context.Context) (COM, error)
	// CallsBetween gives the steps of a time of which something is known; a step is of
	// whole minutes.
	CallsBetween func(ctx context.Context, from, to time.Time, step time.Duration) ([]Calls, error)
	FailedCalls  func(context.Context, FailedCallsQuery) (FailedCalls, error)
}

// CallRate is how many calls come, and how many may (CP-9).
type CallRate struct {
	Now       float64    // calls per second, of the last second
	Average   float64    // of the snapshots
	Limit     float64    // 0: none
	Rule      string     // what the limit comes from
	Snapshots []Snapshot // oldest first; ten once the box is up for five minutes
	Rejecting bool
}

// Snapshot is how many calls came in about 30 s (CP-4).
type Snapshot struct {
	End  time.Time
	Span time.Duration
	Rate float64 // calls per second
}

// License is how the box stands with its licence.
type License struct {
	State string        // "OUT_OF_COMPLIANCE"
	Calls bool          // may be set up
	Limit int           // calls per second
	Eval  bool          // the evaluation runs
	Left  time.Duration // of it, or of the authorization; 0: it is over, or there is none
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
	Seconds  int       // of it that were watched
	Offered  int
	Refused  int // by a rule of the box
	Failed   int // of those admitted
	MeanCPS  float64
	PeakCPS  float64
	PeakOpen int
}

// FailedCallsQuery asks for the last failed calls of some.
type FailedCallsQuery struct {
	Last int    // how many
	Rule string // part of the rule; empty: all
	From string // part of the caller's URI; empty: all
}

// FailedCalls are what the failed-calls log has (CP-8), newest first.
type FailedCalls struct {
	On      bool   // calls that fail are logged
	Lost    int64  // not logged, since they came too fast
	Problem string // why the log is not written to the disk; empty: it is
	Calls   []FailedCall
}

// FailedCall is one of them.
type FailedCall struct {
	Time     time.Time
	Status   int // of the response
	Reason   string
	Rule     string // of the box; empty: the other side refused it
	From, To string // URIs, without what may be secret
	CallID   string
	Caller   string // "a, udp 192.0.2.1:5060": the adjacency and the peer
	Callee   string // likewise; empty: it went nowhere
}
