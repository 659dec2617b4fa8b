// Package billing is the billing process: it reads the call events that the
// proxy put into the journal and sees each one out to the record keeper. With
// no billing method configured an event is done with as soon as it is counted.
//
// In come events from the journal and a revision from control over link, kept
// in the run directory. Out go acknowledgements and billing.status. A restart
// at any moment loses nothing: what was not acknowledged is read again.
package billing

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"causeway/appliance/billing/journal"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Options are what the process is started with.
type Options struct {
	Journal string // directory of the journal
	Run     string // directory of the sockets and of what survives a crash
	Serial  string // file of the box's serial number, which marks its journal
	// Parse reads a revision with the grammar of the appliance.
	Parse func(text string) (*model.Config, error)
	Log   *slog.Logger
	Debug link.Methods // switches the debug lines of Log
}

// Flags declares the options on a flag set, with the box's own values as
// defaults.
func (o *Options) Flags(set *flag.FlagSet) {
	set.StringVar(&o.Journal, "journal", "/harddisk/billcache", "`directory` of the call event journal")
	set.StringVar(&o.Run, "run", link.RunDir, "`directory` of sockets and of what survives a crash")
	set.StringVar(&o.Serial, "serial", model.SerialFile, "`file` of the box's serial number")
}

// process is the running whole.
type process struct {
	options Options
	reader  *journal.Reader // of readEvents alone

	mu       sync.Mutex // guards what follows
	calls    journal.Calls
	counters map[string]int64
	status   model.JournalStatus

	revision link.Revision
}

// Main runs the process until ctx ends.
func Main(ctx context.Context, o Options) (err error) {
	box, err := journal.ReadBox(o.Serial)
	if err != nil {
		return err
	}
	reader, err := journal.OpenReader(o.Journal, box)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	p := &process{options: o, reader: reader, calls: reader.Calls, counters: map[string]int64{}}
	p.revision = link.Revision{Process: "billing", Parse: o.Parse, Log: o.Log, File: filepath.Join(o.Run, "billing", "revision")}
	if err := p.revision.Recall(); err != nil {
		o.Log.Error("the kept revision does not serve", "error", err)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		defer cancel()
		served <- link.Serve(ctx, link.Socket(o.Run, "billing"), p.methods())
	}()
	p.readEvents(ctx)
	return <-served
}

// ackInterval is how often an acknowledgement is written. After a crash what
// came since the last one is read again.
const ackInterval = time.Second

// readEvents takes events from the journal until ctx ends, and acknowledges
// them. Its faults are logged when they change and tried again.
func (p *process) readEvents(ctx context.Context) {
	var taken uint64
	var acked time.Time
	fault := ""
	note := func(err error) {
		if err == nil {
			fault = ""
		} else if err.Error() != fault {
			fault = err.Error()
			p.options.Log.Error("journal", "error", err)
		}
	}
	for {
		record, ok, err := p.reader.Poll()
		if !ok && err == nil {
			record, ok, err = p.await(ctx)
		}
		if ok {
			p.take(record)
			taken = record.Seq
		}
		note(err)
		if err != nil {
			sleep(ctx, ackInterval)
		}
		if over := ctx.Err() != nil; over || time.Since(acked) >= ackInterval {
			note(p.acknowledge(taken))
			acked = time.Now()
			if over {
				return
			}
		}
	}
}

// await waits for a record until an acknowledgement is due.
func (p *process) await(ctx context.Context) (record journal.Record, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, ackInterval)
	defer cancel()
	record, err = p.reader.Next(ctx)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return record, false, nil
	}
	return record, err == nil, err
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// maxOpenCalls bounds the table of open calls; more are counted, not kept.
const maxOpenCalls = 100_000

// Counters besides those of the kinds of event.
const (
	countUnreadable = "unreadable" // records that are no call event
	countUntracked  = "untracked"  // events of calls that the table had no room for
	countLost       = "lost"       // records that damage to the journal took
)

// take counts one event and brings the table of open calls up to date.
func (p *process) take(record journal.Record) {
	var event model.CallEvent
	err := event.Decode(record.Payload)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.counters[countUnreadable]++
		return
	}
	p.counters[event.Kind.String()]++
	if _, known := p.calls[event.Key]; !known && len(p.calls) >= maxOpenCalls {
		p.counters[countUntracked]++
		return
	}
	p.calls.Apply(&event)
}

// acknowledge says that the records up to seq are done with, and notes how the
// journal stands.
func (p *process) acknowledge(seq uint64) error {
	err := p.reader.Ack(seq)
	status, statusErr := p.reader.Status()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status.FirstSeq != status.FirstSeq {
		p.options.Log.Debug("events acknowledged", "up_to", seq, "segments", status.Segments, "octets", status.Bytes)
	}
	p.status = status
	if p.reader.Lost > 0 {
		p.counters[countLost] = int64(p.reader.Lost)
	}
	return errors.Join(err, statusErr)
}
