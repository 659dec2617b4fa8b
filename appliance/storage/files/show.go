package files

import (
	"cmp"
	"context"
	"fmt"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

func showStorage(ctx context.Context, s exec.Session, _ config.Args) error {
	return showVolume(ctx, s, "")
}

// showVolume prints what init says about one volume, or about all.
func showVolume(ctx context.Context, s exec.Session, name string) error {
	var health model.SystemHealth
	if err := s.Call(ctx, "init", "init.health", nil, &health); err != nil {
		return err
	}
	for _, v := range health.Volumes {
		if name != "" && v.Name != name {
			continue
		}
		fmt.Fprintf(s, "%s:\n", v.Name)
		exec.Field(s, "  State", v.State)
		exec.Field(s, "  Device", cmp.Or(v.Device, "none"))
		if v.FileSystem != "" {
			exec.Field(s, "  File system", v.FileSystem)
			exec.Field(s, "  Access", access(v))
			exec.Field(s, "  Size (KB)", v.TotalKB)
			exec.Field(s, "  Free (KB)", fmt.Sprintf("%d (%d %%)", v.FreeKB, percent(v.FreeKB, v.TotalKB)))
		}
		exec.Field(s, "  Problem", cmp.Or(v.Problem, "none"))
	}
	return nil
}

func access(v model.VolumeStatus) string {
	if v.ReadOnly {
		return "read-only"
	}
	return "read-write"
}

func percent(part, whole uint64) uint64 {
	if whole == 0 {
		return 0
	}
	return part * 100 / whole
}
