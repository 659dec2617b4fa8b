package outbox

import (
	"context"
	"encoding/json"

	"causeway/appliance/alarm"
	"causeway/appliance/com/wire"
)

// Alarms are those of the box (alarm.Alarms).
type Alarms interface {
	Events(after uint64, most int) alarm.Page
	Cursor(consumer string) uint64
	Advance(consumer string, number uint64) error
	Subscribe() (wake <-chan struct{}, stop func())
}

const (
	consumer = "com" // of the alarms
	pageMost = 100   // events that are kept in one step
)

// Run brings the events of the alarms into the outbox until ctx ends. A cut
// between the two files has some come twice.
func (b *Outbox) Run(ctx context.Context) error {
	alarms := b.options.Alarms
	wake, stop := alarms.Subscribe()
	defer stop()
	at := alarms.Cursor(consumer)
	for {
		for {
			page := alarms.Events(at, pageMost)
			if len(page.Events) == 0 {
				break
			}
			at = page.Events[len(page.Events)-1].Number
			if err := b.put(page.Missed, entriesOf(page)...); err != nil {
				b.options.Log.Warn("alarms for COM are not safe from a cut", "error", err)
			} else if err := alarms.Advance(consumer, at); err != nil {
				b.options.Log.Warn("alarms may come to COM twice", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		}
	}
}

func entriesOf(page alarm.Page) (entries []wire.Entry) {
	for _, event := range page.Events {
		body, _ := json.Marshal(event) // numbers, times and texts
		entries = append(entries, wire.Entry{
			Time: event.Time.UTC(), Class: wire.ClassAlarm, Kind: "alarm",
			Key: event.Name + " " + event.Object, Body: body,
		})
	}
	return entries
}
