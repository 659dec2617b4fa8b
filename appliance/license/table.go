package license

import (
	"causeway/appliance/model"
)

// event is what may change the state.
type event int

const (
	enabled           event = iota // an operator has switched licensing on
	disabled                       // or off
	registered                     // the server has answered a registration
	deregistered                   // and a deregistration; or what is kept of the registration cannot be believed
	inCompliance                   // the server has answered Mother May I
	outOfCompliance                // likewise: more is asked for than was bought
	unauthorized                   // what is kept of that answer cannot be believed
	requestFailed                  // there was no answer, or none to believe
	reentitlingFailed              // requests for more licences have failed as often in a row as may be (L-26)
	evaluationOver                 // 90 days are consumed
	authorizationOver              // 90 days without a good authorisation
	idExpired                      // the ID certificate has ended
	events            = iota
)

var eventNames = [events]string{
	"licensing enabled", "licensing disabled", "registered", "deregistered", "in compliance", "out of compliance", "authorisation lost",
	"request failed", "too many failed requests for more licences", "evaluation over", "authorisation over", "ID certificate expired",
}

func (e event) String() string { return eventNames[e] }

// next is where an event leads. What is not in it changes nothing.
type next map[event]State

// row is all about one state.
type row struct {
	evaluates bool // the evaluation is consumed (L-5)
	strict    effect
	continued effect
	to        next // in both profiles
	// Where the profiles differ:
	toStrict    next // model.LicenseStrict, cusp-9
	toContinued next // model.LicenseContinuity, cccsp-15
}

// effect is what a state does.
type effect struct {
	calls   bool // may be set up
	listens bool // notification listen mode: operators are told, again and again (L-23, L-26, L-28)
}

var (
	rejects         = effect{}
	allows          = effect{calls: true}
	allowsAndListen = effect{calls: true, listens: true}
)

// table is the licence agent (L-5 to L-28, docs/requirements.md). A deregistered
// box that has consumed its evaluation is in Unidentified for no time at all.
var table = [...]row{
	Unconfigured: {
		strict: rejects, continued: rejects,
		to: next{enabled: Unidentified},
	},
	Unidentified: {
		evaluates: true, strict: allows, continued: allows,
		to: next{disabled: Unconfigured, registered: Registered, evaluationOver: EvalExpired},
	},
	Registered: {
		evaluates: true, strict: allows, continued: allows,
		to: next{
			disabled: Unconfigured, deregistered: Unidentified, evaluationOver: EvalExpired,
			inCompliance: Authorized, outOfCompliance: OutOfCompliance,
		},
		toStrict:    next{idExpired: AuthorizationExpired},
		toContinued: next{idExpired: Unidentified},
	},
	EvalExpired: { // registered or not
		strict: rejects, continued: rejects,
		to: next{disabled: Unconfigured, inCompliance: Authorized, outOfCompliance: OutOfCompliance},
	},
	Authorized: {
		strict: allows, continued: allows,
		to: next{
			disabled: Unconfigured, deregistered: Unidentified, unauthorized: Registered,
			outOfCompliance: OutOfCompliance, authorizationOver: AuthorizationExpired,
		},
		toStrict:    next{idExpired: AuthorizationExpired},
		toContinued: next{idExpired: Unidentified, reentitlingFailed: OutOfCompliance},
	},
	OutOfCompliance: {
		strict: allows, continued: allowsAndListen,
		to: next{
			disabled: Unconfigured, deregistered: Unidentified, unauthorized: Registered,
			inCompliance: Authorized, authorizationOver: AuthorizationExpired,
		},
		toStrict:    next{idExpired: AuthorizationExpired},
		toContinued: next{idExpired: Unidentified},
	},
	AuthorizationExpired: {
		strict: rejects, continued: allowsAndListen,
		to: next{
			disabled: Unconfigured, deregistered: Unidentified, unauthorized: Registered,
			inCompliance: Authorized, outOfCompliance: OutOfCompliance,
		},
		toContinued: next{idExpired: Unidentified},
	},
}

// after is the state that an event leads to under a profile of
// model.License.
func (s State) after(e event, profile string) State {
	r := table[s]
	special := r.toContinued
	if profile == model.LicenseStrict {
		special = r.toStrict
	}
	for _, to := range []next{special, r.to} {
		if state, moves := to[e]; moves {
			return state
		}
	}
	return s
}

// effect is what the state does under a profile.
func (s State) effect(profile string) effect {
	if profile == model.LicenseStrict {
		return table[s].strict
	}
	return table[s].continued
}

// evaluates says whether the evaluation is consumed in the state.
func (s State) evaluates() bool { return table[s].evaluates }
