//go:build !testclock

package control

import (
	"time"

	"causeway/appliance/clock"
	"causeway/appliance/link"
)

// movedClock is nothing: only tests move the time that licences go by
// (movedclock.go, build tag testclock).
type movedClock struct{}

func (*movedClock) under(o clock.TrustedOptions) clock.TrustedOptions { return o }

func (*movedClock) synchronised(really func() bool) func() bool { return really }

func (*movedClock) running(really func() time.Duration) func() time.Duration { return really }

func (*movedClock) methods(func()) link.Methods { return nil }
