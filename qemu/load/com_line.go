package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"causeway/appliance/com"
	"causeway/appliance/com/subscription"
	"causeway/appliance/com/wire"
	"causeway/appliance/grammar"
	"causeway/appliance/model"
	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
)

// COMLine is a box whose line to COM is as slow as it may be, while COM fetches a
// log over it, again and again.
type COMLine struct {
	Program  string // the appliance, built with the tag testclock
	Peers    *lab.Peers
	Octets   int           // of the log
	Length   time.Duration // that the link is watched
	Beat     time.Duration // between two heartbeats, whole seconds
	Progress io.Writer
}

// COMLined is what became of it.
type COMLined struct {
	Links   int64 // 1: the link stayed up
	Beats   int   // heartbeats that came
	Beat    time.Duration
	Gap     time.Duration // the longest between two of them
	Fetched int64         // octets of logs
	Logs    int           // whole ones
	Took    time.Duration // for those octets
}

// String gives the result, one key=value a line.
func (c COMLined) String() string {
	return fmt.Sprintf("seconds=%.0f\nlinks=%d\nheartbeats=%d\nheartbeat_s=%.0f\nlongest_gap_s=%.1f\nfetched_octets=%d\nlogs=%d\nfetch_kbit_per_s=%.1f\n",
		c.Took.Seconds(), c.Links, c.Beats, c.Beat.Seconds(), c.Gap.Seconds(), c.Fetched, c.Logs, float64(c.Fetched)*8/1000/c.Took.Seconds())
}

// Check fails unless the link stayed up, no three heartbeats in a row were late,
// and something was fetched.
func (c COMLined) Check() error {
	if c.Links != 1 || c.Gap > 3*c.Beat || c.Beats < int(c.Took/c.Beat)-3 || c.Fetched == 0 {
		return fmt.Errorf("the link did not hold: %+v", c)
	}
	return nil
}

// heard notes when heartbeats come.
type heard struct {
	mu    sync.Mutex
	beats int
	last  time.Time // zero: there was none
	gap   time.Duration
}

func (h *heard) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.beats++; !h.last.IsZero() {
		h.gap = max(h.gap, now.Sub(h.last))
	}
	h.last = now
}

// Run watches.
func (c COMLine) Run(ctx context.Context) (result COMLined, err error) {
	dir, err := os.MkdirTemp("", "causeway-line-")
	if err != nil {
		return result, err
	}
	defer os.RemoveAll(dir)
	var h heard
	box, err := lab.NewManaged(ctx, lab.ManagedSetup{
		Program: c.Program, Peers: c.Peers, Dir: dir, Line: &lab.COMLine, BuiltIn: grammar.BuiltIn(), Config: "com service files",
		COM: comd.Options{Heartbeat: c.Beat, Heard: func(string, wire.Heartbeat) { h.beat() }},
	})
	if err != nil {
		return result, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w; control said: %s", err, box.Control.Tail())
		}
		err = errors.Join(err, box.Close())
	}()
	if err := c.link(ctx, box); err != nil {
		return result, err
	}
	fmt.Fprintf(c.Progress, "a log of %d octets is fetched for %v\n", c.Octets, c.Length)
	before, err := box.Status(ctx)
	if err != nil {
		return result, err
	}
	h.mu.Lock()
	h.beats, h.gap = 0, 0
	h.mu.Unlock()
	result.Beat = c.Beat
	began := time.Now()
	if err := c.fetch(ctx, box, dir, &result); err != nil {
		return result, err
	}
	result.Took = time.Since(began)
	h.beat() // the silence until now counts
	h.mu.Lock()
	result.Beats, result.Gap = h.beats-1, h.gap
	h.mu.Unlock()
	after, err := box.Status(ctx)
	result.Links = 1 + after.Counters["sessions"] - before.Counters["sessions"]
	return result, err
}

// link has the box connected and subscribed, and gives it a log.
func (c COMLine) link(ctx context.Context, box *lab.Managed) error {
	if err := box.COM.Preregister(box.Serial, comd.FirstCustomer); err != nil {
		return err
	}
	if err := box.COM.Subscribe(ctx, box.Serial, wire.Subscription{Feature: wire.FeatureManagement, Count: 1}); err != nil {
		return err
	}
	if err := box.Trust(ctx); err != nil {
		return err
	}
	if _, err := box.AwaitLink(ctx, func(s com.Status) bool { return s.State == com.Connected && s.Identity == "com" }); err != nil {
		return err
	}
	if err := box.Control.Await(ctx, func() error { return subscribed(ctx, box) }); err != nil {
		return err
	}
	log := filepath.Join(box.Control.Dir(), "harddisk/log/fetched.log")
	line := []byte("Mar  2 09:30:00 box proxy: a line of a log, as long as lines of logs are\n")
	if err := os.WriteFile(log, bytes.Repeat(line, c.Octets/len(line)+1)[:c.Octets], 0o640); err != nil {
		return err
	}
	return os.Chown(log, model.UIDControl, model.GIDCauseway)
}

// subscribed fails until the box knows that it may be managed.
func subscribed(ctx context.Context, box *lab.Managed) error {
	var status subscription.Status
	if err := box.Control.Call(ctx, "com.subscriptions", nil, &status); err != nil {
		return err
	}
	for _, f := range status.Functions {
		if f.Feature == wire.FeatureManagement && f.Allowed {
			return nil
		}
	}
	return fmt.Errorf("the subscriptions are %+v", status)
}

// fetch fetches the log until the time is over, whole or not.
func (c COMLine) fetch(ctx context.Context, box *lab.Managed, dir string, result *COMLined) error {
	limited, cancel := context.WithTimeout(ctx, c.Length)
	defer cancel()
	for limited.Err() == nil {
		file, err := os.OpenFile(filepath.Join(dir, "fetched"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		_, _, err = box.Operator.Fetch(limited, box.Serial, "log:fetched.log", file)
		size, seekErr := file.Seek(0, io.SeekEnd)
		result.Fetched += size
		if err == nil {
			result.Logs++
		}
		if err = errors.Join(err, seekErr, file.Close()); err != nil && limited.Err() == nil {
			return err
		}
	}
	return ctx.Err()
}
