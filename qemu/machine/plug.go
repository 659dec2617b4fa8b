package machine

import (
	"context"
	"fmt"
	"time"
)

// Stick is one that can be plugged in.
type Stick struct {
	Image string // path of it, raw
	Slow  int    // octets a second that it takes at most; 0: as many as come
	Log   string // path of an empty file for a log of what is written to it; empty: none
}

// Plug puts a stick into the USB controller. The name is free to choose and
// tells it from others. A stick keeps nothing back: what was written to it is
// there.
func (m *Machine) Plug(ctx context.Context, name string, stick Stick) error {
	err := m.Execute(ctx, "object-add", map[string]any{
		"qom-type": "throttle-group", "id": name + "-speed", "limits": map[string]any{"bps-write": stick.Slow},
	})
	if err != nil {
		return err
	}
	fast := map[string]any{"no-flush": stick.Log != ""} // see drive
	image := map[string]any{"driver": "raw", "cache": fast, "file": map[string]any{"driver": "file", "filename": stick.Image}}
	if stick.Log != "" {
		log := map[string]any{"driver": "file", "cache": fast, "filename": stick.Log}
		image = map[string]any{"driver": "blklogwrites", "file": image, "log": log}
	}
	err = m.Execute(ctx, "blockdev-add", map[string]any{
		"node-name": name, "driver": "throttle", "throttle-group": name + "-speed", "file": image,
	})
	if err != nil {
		return err
	}
	return m.Execute(ctx, "device_add", map[string]any{
		"driver": "usb-storage", "id": name, "drive": name, "bus": usbBus + ".0", "removable": true, "write-cache": "off",
	})
}

// Pull takes the stick of that name out, whatever the guest does with it. What
// was written to it is in its image then.
func (m *Machine) Pull(ctx context.Context, name string) error {
	if err := m.Execute(ctx, "device_del", map[string]any{"id": name}); err != nil {
		return err
	}
	gone := func(e Event) bool { return e.Name == "DEVICE_DELETED" && e.Data.Device == name }
	if _, err := m.monitor.first(ctx, "that "+name+" is gone", gone); err != nil {
		return err
	}
	// Writes that were on their way through a slow stick keep its image in use.
	for m.Execute(ctx, "blockdev-del", map[string]any{"node-name": name}) != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("pull %s: its image is still in use: %w", name, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
	return m.Execute(ctx, "object-del", map[string]any{"id": name + "-speed"})
}

// SetLink lays the cable of the i-th network card (from 1), or takes it out.
func (m *Machine) SetLink(ctx context.Context, i int, up bool) error {
	return m.Execute(ctx, "set_link", map[string]any{"name": fmt.Sprintf("nic%d", i), "up": up})
}
