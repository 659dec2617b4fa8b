package model

import "time"

// Firmware is what init knows of the two slots (method init.firmware).
type Firmware struct {
	Running string       `json:"running"` // slot: "A", "B", or "kernel" when booted without a slot
	Blessed string       `json:"blessed"` // slot that the box starts from; empty: it has none, or nobody knows
	Floor   string       `json:"floor"`   // the lowest version that the box takes; empty: any
	Slots   []SlotStatus `json:"slots"`
	Writing *SlotWriting `json:"writing"` // nil: no image is being put in a slot, and none could not
	Trial   *Trial       `json:"trial"`   // nil: what runs is not on trial
	Last    *TrialEnd    `json:"last"`    // how the last trial ended; nil: there was none
}

// States of a slot.
const (
	SlotEmpty   = "empty"   // it has no image
	SlotBlessed = "blessed" // the box starts from it
	SlotTrial   = "trial"   // it runs, and must prove itself
	SlotReady   = "ready"   // its image is whole: the box could go back to it
	SlotFailed  = "failed"  // its image is whole, and did not prove itself
	SlotDamaged = "damaged" // its image is not what was written there
)

// SlotWriting is an image on its way into a slot.
type SlotWriting struct {
	Slot    string `json:"slot"`
	Version string `json:"version"`
	Have    int64  `json:"have"`    // octets
	Size    int64  `json:"size"`    // octets
	Problem string `json:"problem"` // why it ended; empty: it goes on, and the box restarts when it is done
}

// Trial is the first run of an image in a slot. It ends with init.bless, or
// the box restarts from the blessed slot.
type Trial struct {
	Slot     string        `json:"slot"`
	Version  string        `json:"version"`
	Operator Operator      `json:"operator"` // who wanted it
	Confirm  bool          `json:"confirm"`  // COM has to confirm it too
	Left     time.Duration `json:"left"`     // until it ends by itself
}

// TrialEnd is how a trial ended.
type TrialEnd struct {
	Slot     string    `json:"slot"`
	Version  string    `json:"version"`
	Operator Operator  `json:"operator"`
	Blessed  bool      `json:"blessed"` // false: the box went back
	Reason   string    `json:"reason"`  // why it went back, a sentence; empty if blessed
	Time     time.Time `json:"time"`    // by the box's clock
}

// Activation asks init to run an image on trial (method init.activate). It is
// answered when the image may be tried; then it is written while the box works, and
// the box restarts. Firmware.Writing tells how it goes.
type Activation struct {
	// Bundle is the path of a bundle on a volume, "harddisk:/firmware/x.causeway";
	// empty: the other slot is tried as it is.
	Bundle   string        `json:"bundle"`
	Operator Operator      `json:"operator"`
	Confirm  bool          `json:"confirm"`
	Limit    time.Duration `json:"limit"` // 0: DefaultTrialLimit
}

// Bounds of a trial.
const (
	DefaultTrialLimit = 10 * time.Minute
	LongestTrial      = time.Hour
)
