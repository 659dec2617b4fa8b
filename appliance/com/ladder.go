package com

import (
	"time"

	"causeway/appliance/model"
)

// The pace of tries: an interval by chance between shortest and twice that, which
// doubles (TR-369 R-WS.19), so that a fleet that was cut off together does not
// come back together.
const (
	shortestWait = 5 * time.Second
	longestWait  = 15 * time.Minute
	// proven is how long a session must last for the ladder to begin anew: a box
	// that COM sends away after its welcome does not come back every few
	// seconds.
	proven = time.Minute
	// longestAsked bounds what COM, or somebody on the way, may ask for.
	longestAsked = time.Hour
)

// outcome is what came of a try.
type outcome struct {
	err      error         // why there was no session, or why it ended
	welcomed bool          // there was one
	lasted   time.Duration // it, from the welcome on
	asked    time.Duration // COM asks the box to stay away for so long; 0: it does not
	refused  bool          // COM does not want the certificate that was shown
}

// ladder says when to try again, and on which port.
type ladder struct {
	random   func() float64 // from 0 to 1
	failures int            // in a row
	other    int            // of model.COMPorts, the one to try
}

func (l *ladder) port() uint16 { return model.COMPorts[l.other] }

// reset has the next wait be a short one.
func (l *ladder) reset() { l.failures = 0 }

// after gives the wait after a try. The ports take turns until one serves
// (COM-8); that one is dialled again first.
func (l *ladder) after(o outcome) time.Duration {
	if !o.welcomed {
		l.other = (l.other + 1) % len(model.COMPorts)
	}
	if o.lasted >= proven {
		l.reset()
	}
	wait := min(shortestWait<<min(l.failures, 16), longestWait/2)
	wait += time.Duration(l.random() * float64(wait))
	l.failures++
	asked := min(o.asked, longestAsked)
	if asked > 0 && o.lasted >= proven {
		return asked
	}
	return max(wait, asked)
}
