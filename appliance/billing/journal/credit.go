package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

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

// space is what a file system has, in octets.
type space struct{ total, free int64 }

// minFree is the room that the journal leaves: 5 % of the file system, at
// least 16 MiB, or a quarter of a small one such as a box without a disk has
// in memory. Lists of open calls and headers, which nobody reserves, are
// written out of it.
func (s space) minFree() int64 { return max(s.total/20, min(16<<20, s.total/4)) }

// spaceOf asks the kernel.
func spaceOf(dir string) (space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return space{}, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return space{total: int64(st.Blocks) * st.Bsize, free: int64(st.Bavail) * st.Bsize}, nil
}

// sizes adds up what the segments take. One that is deleted meanwhile is no error.
func sizes(dir string, segments []uint32) (octets int64) {
	for _, number := range segments {
		if info, err := os.Stat(filepath.Join(dir, segmentName(number))); err == nil {
			octets += info.Size()
		}
	}
	return octets
}
