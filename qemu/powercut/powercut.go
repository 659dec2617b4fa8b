// Package powercut proves what is on the disk of a box after its power failed.
//
// Killing QEMU keeps all that the host has cached, so a flush that was
// forgotten never shows. Here one run of a box is recorded with QEMU's
// blklogwrites driver, which notes each write and each flush of the disk, and the
// power is cut in the record: at a cut all that was written before the last
// flush is on the disk; of the writes after it some are, some are not, and some
// are torn. The volume is mounted on this host, whose kernel replays the journal
// of the file system as the box's would, and the store of the revisions is opened
// with the code of the box.
//
//   - log.go reads the record; disk.go and replay.go make the disk at a cut.
//   - record.go runs the box and notes what the operator was told and when.
//   - check.go looks at a cut, run.go at many.
package powercut
