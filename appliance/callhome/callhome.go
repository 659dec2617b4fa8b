package callhome

import (
	"context"
	"log/slog"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
)

// Options are what a CallHome is made with.
type Options struct {
	File         string           // where everything is kept, "bootflash:callhome/queue.db"
	Serial       string           // file of the box's serial number
	Now          func() time.Time // the trusted time, which never runs backwards
	Zone         func() *time.Location
	Synchronised func() bool // the clock is right
	Uptime       func() time.Duration
	Alarms       Alarms
	// Facts gathers what messages may tell, in some seconds. What cannot be had is
	// left out.
	Facts func(context.Context) message.Facts
	// Diagnose runs EXEC commands with the rights of everybody who helps, and gives
	// what each printed.
	Diagnose func(ctx context.Context, lines []string) []message.Attachment
	// Volumes is the directory that bootflash: and harddisk: are mounted in.
	Volumes string
	Sender  Sender
	Log     *slog.Logger
}

// Alarms are those of the box (alarm.Alarms).
type Alarms interface {
	Events(after uint64, most int) alarm.Page
	Cursor(consumer string) uint64
	Advance(consumer string, number uint64) error
	Subscribe() (wake <-chan struct{}, stop func())
}

// Sender brings a message to one destination (transport.Transport). An error
// that is transport.ErrRefused will not go away; a *transport.Later says when to
// try again.
type Sender interface {
	Send(ctx context.Context, to transport.Destination, m *message.Message) error
}
