package powercut

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// Setup says what is recorded and how often it is cut.
type Setup struct {
	Image machine.Image
	Steps int // commits, confirmations and rollbacks
	Cuts  int
	Seed  uint64 // decides where is cut and what happens to writes that were not flushed
}

// diskSize is the size of the box's disk, in octets.
const diskSize = 256 << 20

// Run boots a box on a blank disk, records its operator's work and checks the
// cuts.
func Run(ctx context.Context, setup Setup) (Report, error) {
	dir, err := os.MkdirTemp("", "causeway-powercut-")
	if err != nil {
		return Report{}, fmt.Errorf("record a box: %w", err)
	}
	defer os.RemoveAll(dir)
	disk, log := filepath.Join(dir, "disk"), filepath.Join(dir, "log")
	if err := errors.Join(machine.CreateDisk(disk, diskSize), machine.CreateDisk(log, 0)); err != nil {
		return Report{}, err
	}
	box, err := smoke.Boot(ctx, smoke.Setup{Image: setup.Image, Disk: disk, DiskLog: log})
	if err != nil {
		return Report{}, err
	}
	defer box.Close()
	operator := Operator{Console: box.Machine.Console, LogPath: log}
	err = operator.Prepare(ctx)
	if err == nil {
		err = operator.Work(ctx, setup.Steps)
	}
	if err != nil {
		return Report{}, box.Explain(err)
	}
	return operator.Check(ctx, disk, setup.Cuts, setup.Seed)
}

// Check cuts what the operator did so far at that many points.
func (o *Operator) Check(ctx context.Context, disk string, cuts int, seed uint64) (Report, error) {
	volume, err := findVolume(disk)
	if err != nil {
		return Report{}, err
	}
	recording, err := o.Recording()
	if err != nil {
		return Report{}, err
	}
	defer recording.Log.Close()
	random := rand.New(rand.NewPCG(seed, 0))
	return recording.Check(ctx, volume, recording.Cuts(cuts, random), random)
}

// findVolume gives the place of the store's volume on a disk.
func findVolume(disk string) (machine.Volume, error) {
	volumes, err := machine.Volumes(disk)
	if err != nil {
		return machine.Volume{}, err
	}
	for _, volume := range volumes {
		if volume.Name == storeVolume {
			return volume, nil
		}
	}
	return machine.Volume{}, fmt.Errorf("disk %s has %+v; want a volume %s", disk, volumes, storeVolume)
}
