package main

import (
	"time"

	"causeway/appliance/model"
	"causeway/init/kmsg"
)

// The entries in one answer about the log.
const (
	defaultEntries = 500
	mostEntries    = 1000
)

// openLog opens the kernel log for readLog.
func (m *machine) openLog() error {
	device, err := kmsg.Open(m.path("dev/kmsg"))
	if err != nil {
		return err
	}
	m.ring = kmsg.NewReader(device)
	return nil
}

// readLog answers init.log. The kernel counts time from its start: what an
// entry's time is in the world follows the clock when that is set.
func (m *machine) readLog(query model.LogQuery) (model.LogPage, error) {
	defer m.caught()
	limit := query.Max
	if limit <= 0 {
		limit = defaultEntries
	}
	page := model.LogPage{Entries: []model.LogEntry{}, Next: query.From}
	if m.ring == nil {
		return page, nil
	}
	records, next, err := m.ring.From(query.From, min(limit, mostEntries))
	started := time.Now().Add(-m.kernel.RawUptime())
	for _, record := range records {
		page.Entries = append(page.Entries, model.LogEntry{
			Seq: record.Seq, Time: started.Add(record.Time), Priority: record.Priority, Text: record.Text,
		})
	}
	page.Next = next
	return page, err
}
