package journal

import "sync/atomic"

// credits keep the promise that no event is dropped on the way to the disk: a
// call is admitted only if there is room for all that it will write. Reserving
// and releasing take one atomic operation or two and no lock.
type credits struct {
	reserved atomic.Int64 // promised to calls and not written yet
	limit    atomic.Int64 // room that is left on the disk for what is reserved
}

// Reserve takes room for octets, as a rule for all events that a call can
// bring (MaxRecord and MaxPlainRecord each). False means there is none: the
// call must not be admitted.
//
// What Commit writes is taken off the reservations by itself. When the call is
// over, Release gives back what was reserved less what its Appends used.
func (c *credits) Reserve(octets int64) bool {
	if c.reserved.Add(octets) > c.limit.Load() {
		c.reserved.Add(-octets)
		return false
	}
	return true
}

// Overdraw reserves without asking: for what must be written anyhow, as the
// end of a call that was admitted in an earlier life of the process.
func (c *credits) Overdraw(octets int64) { c.reserved.Add(octets) }

// Release gives back room that Reserve or Overdraw took and no event used.
func (c *credits) Release(octets int64) { c.reserved.Add(-octets) }
