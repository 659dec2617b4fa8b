// Package bench holds the appliance against others: its boot against an init
// that only prints, its CPU time a call against Kamailio's.
package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// Boot is what a boot costs: medians over the runs, each from the start of
// QEMU.
type Boot struct {
	Appliance smoke.Times
	Baseline  time.Duration // the printed line of an init that does nothing else
}

// Ratio is how many times longer the appliance takes to its first answer.
func (b Boot) Ratio() float64 { return float64(b.Appliance.Answer) / float64(b.Baseline) }

// String gives the result, one key=value a line.
func (b Boot) String() string {
	t := b.Appliance
	return fmt.Sprintf("boot_ms=%d\nbaseline_ms=%d\nboot_ratio=%.2f\nkernel_to_init_ms=%d\ninit_to_services_ms=%d\nservices_to_options_ms=%d\n",
		t.Answer.Milliseconds(), b.Baseline.Milliseconds(), b.Ratio(),
		t.Init.Milliseconds(), (t.Ready - t.Init).Milliseconds(), (t.Answer - t.Ready).Milliseconds())
}

// MeasureBoot boots the appliance and the baseline in turn, runs times each:
// the same kernel and command line, the same devices, the kernel started
// directly. The disk is a used one. root is the project's folder.
func MeasureBoot(ctx context.Context, root string, image machine.Image, runs int) (Boot, error) {
	dir, err := os.MkdirTemp("", "causeway-bench-")
	if err != nil {
		return Boot{}, fmt.Errorf("measure the boot: %w", err)
	}
	defer os.RemoveAll(dir)
	initramfs := filepath.Join(dir, "initramfs.cpio.zst")
	if err := baselineInitramfs(ctx, root, image.Board, initramfs); err != nil {
		return Boot{}, err
	}
	setup := smoke.Setup{Image: image, Disk: filepath.Join(dir, "disk.img")}
	if err := machine.CreateDisk(setup.Disk, benchDisk); err != nil {
		return Boot{}, err
	}
	if _, err := bootAppliance(ctx, setup); err != nil { // the first boot formats the disk: that happens once
		return Boot{}, err
	}
	var baselines, inits, readies, answers []time.Duration
	for range runs {
		baseline, err := bootBaseline(ctx, setup, initramfs)
		if err != nil {
			return Boot{}, fmt.Errorf("boot the baseline: %w", err)
		}
		appliance, err := bootAppliance(ctx, setup)
		if err != nil {
			return Boot{}, err
		}
		baselines = append(baselines, baseline)
		inits = append(inits, appliance.Init)
		readies = append(readies, appliance.Ready)
		answers = append(answers, appliance.Answer)
	}
	return Boot{
		Appliance: smoke.Times{Init: median(inits), Ready: median(readies), Answer: median(answers)},
		Baseline:  median(baselines),
	}, nil
}

// benchDisk is the size of the appliance's disk, in octets.
const benchDisk = 1 << 30

// bootAppliance boots setup, powers it off from inside, and gives the times of
// the boot.
func bootAppliance(ctx context.Context, setup smoke.Setup) (smoke.Times, error) {
	box, err := smoke.Boot(ctx, setup)
	if err != nil {
		return smoke.Times{}, fmt.Errorf("boot the appliance: %w", err)
	}
	defer box.Close()
	if err := box.PowerOff(ctx); err != nil {
		return smoke.Times{}, fmt.Errorf("power the appliance off: %w", err)
	}
	return box.Times, nil
}

// bootBaseline boots setup with another initramfs and gives the time to the
// line that its init prints.
func bootBaseline(ctx context.Context, setup smoke.Setup, initramfs string) (time.Duration, error) {
	setup.Initramfs = initramfs
	box, err := smoke.Start(ctx, setup)
	if err != nil {
		return 0, err
	}
	defer box.Close()
	up, err := box.Machine.Console.Expect(ctx, `baseline: up`)
	if err != nil {
		return 0, err
	}
	return up.At.Sub(box.Machine.Started), nil
}
