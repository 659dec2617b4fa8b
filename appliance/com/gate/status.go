package gate

import (
	"time"

	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// Status is the answer of control.com.services: what COM is let do. Times are
// those of the box's clock.
type Status struct {
	Services  []ServiceStatus `json:"services"`  // all of model.COMServices
	Group     string          `json:"group"`     // whose rights COMAdmin has
	Operators []string        `json:"operators"` // whose signatures count
	Support   SupportStatus   `json:"support"`
}

// ServiceStatus is one service.
type ServiceStatus struct {
	Name    string    `json:"name"`
	On      bool      `json:"on"`      // by com service
	Support bool      `json:"support"` // open by support access, for as long as that lasts
	Done    uint64    `json:"done"`    // calls and streams since the start of control
	Refused uint64    `json:"refused"`
	Last    time.Time `json:"last"` // call or stream; zero: none
}

// SupportStatus is support access.
type SupportStatus struct {
	Left time.Duration `json:"left"` // 0: it is closed
	By   string        `json:"by"`   // who opened it
}

// SessionsStatus is the answer of control.com.sessions.
type SessionsStatus struct {
	Sessions []wire.SessionInfo `json:"sessions"` // in the order of their numbers
}

// What operators ask of the gate.
type (
	// ClearRequest asks control.com.clear to end a session of COM's operators.
	ClearRequest struct {
		Operator model.Operator `json:"operator"`
		Number   uint64         `json:"number"` // 0: all
	}
	// SupportRequest asks control.com.support to open support access for a
	// while from now on, or to close it.
	SupportRequest struct {
		Operator model.Operator `json:"operator"`
		Duration time.Duration  `json:"duration"` // 15 min – 24 h; 0: close it
	}
	// Cleared is the answer to ClearRequest.
	Cleared struct {
		Sessions int `json:"sessions"`
	}
)

// The shortest and longest support access.
const (
	ShortestSupport = 15 * time.Minute
	LongestSupport  = 24 * time.Hour
)
