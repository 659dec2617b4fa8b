package model

import "time"

// Severity of an alarm, worst first (ITU-T X.733 §8.1.2.3, without
// indeterminate).
type Severity string

// The severities.
const (
	Critical Severity = "critical" // calls or records are lost now
	Major    Severity = "major"    // service is impaired, or soon will be
	Minor    Severity = "minor"    // a reserve is gone
	Warning  Severity = "warning"  // worth knowing
)

// Condition is something that holds now and should not: what a process or a
// monitor reports, again and again, as long as it holds. Name is a row of the
// table of alarms; Object tells several of that name apart.
type Condition struct {
	Name   string `json:"name"`   // "volume-space"
	Object string `json:"object"` // "harddisk", "LAN1"; empty where there is only one
	Text   string `json:"text"`   // what is the matter, with figures
}

// Alarm is a condition that was raised, and perhaps cleared since.
type Alarm struct {
	Number   uint64    `json:"number"` // durable; of the raise
	Name     string    `json:"name"`
	Object   string    `json:"object"`
	Severity Severity  `json:"severity"`
	Text     string    `json:"text"`
	First    time.Time `json:"first"`   // raised
	Last     time.Time `json:"last"`    // last reported or changed
	Count    int       `json:"count"`   // raises since it was last cleared for good
	Cleared  time.Time `json:"cleared"` // zero while it is active
}

// AlarmEvent is one raise, change or clear. The numbers of events have no gaps,
// so a consumer that keeps the last one it handled (its cursor) misses nothing
// that the history still holds.
type AlarmEvent struct {
	Number   uint64    `json:"number"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`  // "raise", "change" (of severity), "clear"
	Alarm    uint64    `json:"alarm"` // the number of the event that raised it
	Name     string    `json:"name"`
	Object   string    `json:"object"`
	Severity Severity  `json:"severity"`
	Text     string    `json:"text"` // of a clear: why, "cleared by console on ttyS0"
}
