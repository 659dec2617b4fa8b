package segment

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Space is what a file system has, in octets.
type Space struct{ Total, Free int64 }

// MinFree is the room that the journal of call events leaves: 5 % of the file
// system, but no more than 1 GiB, and at least 16 MiB, or a quarter of a small
// one such as a box without a disk has in memory. Headers and what segments
// begin with, which nobody reserves, are written out of it: that does not grow
// with the disk.
func (s Space) MinFree() int64 {
	return min(max(s.Total/20, min(16<<20, s.Total/4)), 1<<30)
}

// SpaceOf asks the kernel.
func SpaceOf(dir string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Space{}, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return Space{Total: int64(st.Blocks) * st.Bsize, Free: int64(st.Bavail) * st.Bsize}, nil
}
