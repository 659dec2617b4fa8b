package proxy

import (
	"context"
	"time"

	"causeway/appliance/billing/journal"
	"causeway/appliance/model"
	"causeway/appliance/sip"
)

// ledger lets the SIP core use the journal.
type ledger struct{ *journal.Writer }

// NewBatch implements sip.Ledger.
func (ledger) NewBatch() sip.EventBatch { return new(journal.Batch) }

// Most implements sip.Ledger.
func (ledger) Most(kind model.CallEventKind) int64 {
	switch kind {
	case model.CallOffered, model.CallProvisional, model.CallAnswered:
		return journal.MaxRecord
	case model.CallMediaChanged:
		return journal.MaxMediaRecord
	case model.CallDisconnect, model.CallEnded:
		return journal.MaxBareRecord
	}
	return journal.MaxPlainRecord
}

// window is how long an event is on its way to the disk at most, where the disk
// is quick enough: what a power cut may cost.
const window = 20 * time.Millisecond

// gatherTime is how long events gather before they are written together, when a
// writing takes so long. An event may have to wait for the writing before its
// own, too; a millisecond is for the scheduler. A writing costs the processor
// time of two or three calls, so there are as few as the window allows.
func gatherTime(writing time.Duration) time.Duration {
	return max(window-2*writing-time.Millisecond, window/2)
}

// quietRounds is how many times in a row there may be no event before the
// goroutine waits to be told: while calls come, nobody needs to tell it.
const quietRounds = 50

// recordEvents writes call events to the journal until ctx ends.
func (p *process) recordEvents(ctx context.Context) error {
	failing, quiet, writing := false, 0, time.Duration(0)
	for ctx.Err() == nil {
		if quiet == quietRounds {
			p.core.WaitEvents(ctx)
		}
		time.Sleep(gatherTime(writing))
		if !p.core.HasEvents() {
			quiet = min(quiet+1, quietRounds)
			continue
		}
		quiet = 0
		start := time.Now()
		err := p.commitEvents()
		writing = max(time.Since(start), writing-writing/8) // the slow ones count, for a while
		if err != nil && !failing {
			p.options.Log.Error("journal: events wait in memory", "error", err)
		}
		failing = err != nil
	}
	return nil
}

// commitEvents writes what has gathered. An error says that it is not on the disk.
func (p *process) commitEvents() error {
	p.commits.Lock()
	defer p.commits.Unlock()
	var batches []*journal.Batch
	for _, batch := range p.core.CollectEvents(nil) {
		batches = append(batches, batch.(*journal.Batch))
	}
	err := p.journal.Commit(batches...)
	for _, batch := range batches {
		batch.Reset() // the writer has taken them over, whatever it says
	}
	return err
}
