package model

import "time"

// LogEntry is one line of the box's log: the kernel's ring, in which init
// writes its own lines and those of every service.
type LogEntry struct {
	Seq      uint64    `json:"seq"` // since boot, without gaps but for lines that the ring dropped
	Time     time.Time `json:"time"`
	Priority int       `json:"priority"` // facility*8 + severity (RFC 5424 §6.2.1)
	Text     string    `json:"text"`     // "proxy: level=WARN msg=…", "init: ready", or the kernel's own
}

// LogPage is the answer of init.log.
type LogPage struct {
	Entries []LogEntry `json:"entries"` // oldest first
	Next    uint64     `json:"next"`    // the Seq to ask for next
}

// LogQuery asks for log entries from Seq From on, at most Max of them (0: 500).
type LogQuery struct {
	From uint64 `json:"from"`
	Max  int    `json:"max"`
}
