package alarm

import (
	"slices"
	"time"

	"causeway/appliance/model"
)

// Row is one alarm of the table.
type Row struct {
	Name string `json:"name"`
	// Severity at which it is raised; of a measured one, that of its mildest level.
	Severity model.Severity `json:"severity"`
	Object   string         `json:"object"` // what tells several apart; empty where there is only one
	Raise    string         `json:"raise"`  // the condition; of a measured one, what is measured
	Clear    string         `json:"clear"`
	Text     string         `json:"text"`   // what it means
	Remedy   string         `json:"remedy"` // what to do about it

	// The condition must hold for RaiseAfter before the alarm is raised, and
	// be over for ClearAfter before it is cleared: what comes back within
	// that time counts up instead.
	RaiseAfter time.Duration `json:"raise_after"`
	ClearAfter time.Duration `json:"clear_after"`

	// Sentences says that the text is several, joined by SentenceBreak: a new
	// one raises an alarm anew that an operator has cleared.
	Sentences bool `json:"sentences,omitempty"`

	// Levels of a measured one, in percent, mildest first. Setting is the
	// word of the command "alarm threshold" that moves them; empty if none.
	Levels  []Level `json:"levels,omitempty"`
	Setting string  `json:"setting,omitempty"`
}

// SentenceBreak stands between the sentences of a text.
const SentenceBreak = "; "

// Level is one severity of a measured alarm, with hysteresis: it is entered at
// Raise percent and left below Clear percent.
type Level struct {
	Severity model.Severity `json:"severity"`
	Raise    float64        `json:"raise"`
	Clear    float64        `json:"clear"`
}

// The words of the command "alarm threshold".
const (
	settingCPU     = "cpu"
	settingMemory  = "memory"
	settingStorage = "storage"
)

// Table gives all alarms in the order of their names.
func Table() []Row { return table }

// Find gives the row of a name.
func Find(name string) (Row, bool) {
	i := slices.IndexFunc(table, func(r Row) bool { return r.Name == name })
	if i < 0 {
		return Row{}, false
	}
	return table[i], true
}
