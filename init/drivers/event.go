package drivers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Event is what the kernel says when a device comes, goes or changes
// (Documentation/driver-api/driver-model, lib/kobject_uevent.c).
type Event struct {
	Action    string // "add", "remove", "change", "bind", …
	Path      string // below /sys, "/devices/pci0000:00/…"
	Subsystem string // "block", "usb", …
	Type      string // what of the subsystem: "usb_device", "partition", if it says
	Device    string // name below /dev, if it has one
	Modalias  string // asks for a driver, if not empty
}

// errNotEvent marks a datagram that is none of the kernel's events.
var errNotEvent = errors.New("not a device event")

// parseEvent reads one datagram: ACTION@PATH, then NAME=value, each ended by NUL.
func parseEvent(datagram []byte) (Event, error) {
	fields := bytes.Split(datagram, []byte{0})
	action, path, ok := bytes.Cut(fields[0], []byte("@"))
	if !ok || len(action) == 0 || !bytes.HasPrefix(path, []byte("/")) {
		return Event{}, errNotEvent
	}
	event := Event{Action: string(action), Path: string(path)}
	for _, field := range fields[1:] {
		name, value, _ := bytes.Cut(field, []byte("="))
		switch string(name) {
		case "SUBSYSTEM":
			event.Subsystem = string(value)
		case "DEVTYPE":
			event.Type = string(value)
		case "DEVNAME":
			event.Device = string(value)
		case "MODALIAS":
			event.Modalias = string(value)
		}
	}
	return event, nil
}

// Events receives the kernel's device events from the moment Listen returns.
type Events struct{ file *os.File }

// Listen opens the kernel's stream of device events.
func Listen() (*Events, error) {
	const kernelGroup = 1 // group 2 is udevd's, not ours
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("open the socket for device events: %w", err)
	}
	// Room for a burst: a hub full of devices makes hundreds of events. A
	// smaller buffer than asked for only means more rescans.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen for device events: %w", err)
	}
	return &Events{os.NewFile(uintptr(fd), "uevents")}, nil
}

// Close ends the stream.
func (e *Events) Close() error { return e.file.Close() }

// Follow loads the drivers that new devices ask for and gives each event to
// notify, until ctx ends. When events were lost it looks at all devices again
// and calls notify with an empty Event.
func (l *Loader) Follow(ctx context.Context, events *Events, notify func(Event)) error {
	stop := context.AfterFunc(ctx, func() { events.Close() })
	defer stop()
	datagram := make([]byte, 64<<10)
	for {
		n, err := events.file.Read(datagram)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			if err := l.All(); err != nil {
				return err
			}
			notify(Event{})
			continue
		case err != nil:
			return fmt.Errorf("read device events: %w", err)
		}
		event, err := parseEvent(datagram[:n])
		if err != nil {
			continue
		}
		if event.Action == "add" {
			l.Device(event.Modalias)
		}
		notify(event)
	}
}
