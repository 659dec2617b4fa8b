package change

import (
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// What a session and control say to each other about a change. Control serves
// these as control.configure, control.edit, control.load, control.defaults,
// control.validate, control.commit, control.confirm, control.abort,
// control.release, control.rollback, control.history, control.revision,
// control.candidate and control.standing.
type (
	// ConfigureRequest asks for the candidate; Take takes it over from
	// whoever holds it.
	ConfigureRequest struct {
		Operator model.Operator `json:"operator"`
		Take     bool           `json:"take"`
	}
	// Configured is the answer: Holder is set when another operator holds
	// the candidate, and then it was not given.
	Configured struct {
		Holder  *Holder  `json:"holder"`
		Changed bool     `json:"changed"` // the candidate differs from what runs
		Pending *Pending `json:"pending"` // a commit that waits for its confirmation
	}
	// Holder is who has the candidate.
	Holder struct {
		Operator model.Operator `json:"operator"`
		Since    time.Time      `json:"since"`
		Changed  bool           `json:"changed"`
	}
	// Pending is a commit that is undone unless it is confirmed in time.
	Pending = model.PendingCommit

	// Standing is the answer of control.standing: what there is to know before
	// anybody looks at lines.
	Standing struct {
		InForce int      `json:"in_force"` // the revision; 0: none that is kept
		Holder  *Holder  `json:"holder"`   // of the candidate; nil: nobody
		Changed bool     `json:"changed"`  // the candidate differs from what runs
		Pending *Pending `json:"pending"`  // as in Configured
	}

	// EditRequest is one line typed in a place: Path are the lines that
	// opened the modes around it, outermost first; empty in global mode.
	EditRequest struct {
		Operator model.Operator `json:"operator"`
		Path     []string       `json:"path"`
		Line     string         `json:"line"`
	}
	// Edited is the place after the line. With a Fault the candidate and
	// the place are as they were.
	Edited struct {
		Path  []string      `json:"path"`
		Fault *config.Error `json:"fault"`
	}

	// LoadRequest brings a whole text into the candidate: merged into it or
	// in its place. With any fault the candidate is as it was.
	LoadRequest struct {
		Operator model.Operator `json:"operator"`
		Text     string         `json:"text"`
		Replace  bool           `json:"replace"`
	}
	Loaded struct {
		Lines  int           `json:"lines"` // that are no comments
		Faults config.Errors `json:"faults"`
	}

	// CommitRequest puts the candidate in force. ConfirmMinutes (1–1440) has
	// it undone after that time unless another commit confirms it; 0 does not.
	CommitRequest struct {
		Operator       model.Operator `json:"operator"`
		Comment        string         `json:"comment"`
		ConfirmMinutes int            `json:"confirm_minutes"`
		Base           int            `json:"base"` // the revision that must be in force; 0: any
		Seen           string         `json:"seen"` // the Step that the operator has seen and means; empty: any
	}
	// Committed is the answer to a commit or a rollback. Revision is 0 when
	// nothing was to be changed or when there are Faults.
	Committed struct {
		Revision  int           `json:"revision"`
		Confirmed int           `json:"confirmed"` // the revision that this confirmed; 0: none
		Faults    config.Errors `json:"faults"`
		Notes     []string      `json:"notes"` // what the operator should know: "proxy does not answer; …"
	}

	// ConfirmRequest has a revision stay that waits for that, whatever the
	// candidate has.
	ConfirmRequest struct {
		Operator model.Operator `json:"operator"`
		Revision int            `json:"revision"`
	}

	// Validated is what the rules have against the candidate.
	Validated struct {
		Faults config.Errors `json:"faults"`
	}

	// AbortRequest drops the candidate's changes and gives it back.
	AbortRequest struct {
		Operator model.Operator `json:"operator"`
		Seen     string         `json:"seen"` // as in CommitRequest
	}

	// Who is the parameter of control.defaults, which puts the configuration of
	// a new box in the place of the candidate, and of control.release, which
	// gives the candidate back with its changes.
	Who struct {
		Operator model.Operator `json:"operator"`
	}

	// RollbackRequest commits an earlier revision's text as a new revision; the
	// rest is as in CommitRequest.
	RollbackRequest struct {
		Operator       model.Operator `json:"operator"`
		Revision       int            `json:"revision"`
		ConfirmMinutes int            `json:"confirm_minutes"`
		Seen           string         `json:"seen"`
	}

	// History is the answer of control.history: the revisions that are kept,
	// newest first, and which files are no revision any more.
	History struct {
		InForce   int        `json:"in_force"` // 0: none of them
		Revisions []Revision `json:"revisions"`
		Damaged   []string   `json:"damaged"` // a sentence each
	}

	// RevisionRequest asks for one revision; 0 is the one in force.
	RevisionRequest struct {
		Revision int `json:"revision"`
	}
	// RevisionText is the answer.
	RevisionText struct {
		Revision
		Text string `json:"text"`
	}

	// Candidate is the answer of control.candidate.
	Candidate struct {
		Text   string  `json:"text"`
		Holder *Holder `json:"holder"` // nil: nobody
	}
)

// Revision describes one commit.
type Revision struct {
	Number   int            `json:"number"` // 1 is the first of the box; never used twice
	ID       string         `json:"id"`     // model.RevisionID of the text
	Time     time.Time      `json:"time"`
	Operator model.Operator `json:"operator"`
	Comment  string         `json:"comment"`
	Version  string         `json:"version"` // of the firmware that wrote it
	State    State          `json:"state"`
	Until    time.Time      `json:"until"`  // of a pending one, by the clock as it is set now
	Reason   string         `json:"reason"` // of a withdrawn one
}

// Stands reports whether the box may start with the revision.
func (r Revision) Stands() bool { return r.State == StateCommitted || r.State == StateProven }

// State of a revision.
type State string

// The states. Boot takes the newest that is committed or proven.
const (
	StatePending   State = "pending"   // commit confirmed, not confirmed yet
	StateCommitted State = "committed" // meant to stay
	StateProven    State = "proven"    // and the proxy stayed up with it: the last good configuration
	StateWithdrawn State = "withdrawn" // undone: not confirmed, or the box could not run with it
)
