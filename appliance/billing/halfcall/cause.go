package halfcall

import (
	"bytes"

	"causeway/appliance/model"
)

// terminationCause is the code of a Call_Termination_Cause: one of the nineteen
// of seed 003, table 1. They are numbered as in Q.850.
type terminationCause uint32

const (
	noRoute             terminationCause = 3   // to the destination
	normalClearing      terminationCause = 16  // normal
	userBusy            terminationCause = 17  //
	noAnswer            terminationCause = 19  // the callee was alerted
	subscriberAbsent    terminationCause = 20  //
	destinationFault    terminationCause = 27  // destination out of order
	invalidNumber       terminationCause = 28  // or one that is not complete
	endedInRecovery     terminationCause = 31  // nobody was there to see the end
	temporaryFailure    terminationCause = 41  //
	congestion          terminationCause = 42  // of switching equipment
	noResource          terminationCause = 47  // unspecified
	noService           terminationCause = 63  // or option, unspecified
	noBearer            terminationCause = 65  // bearer capability not implemented
	invalidMessage      terminationCause = 95  // unspecified
	unknownMessageType  terminationCause = 97  //
	unknownElement      terminationCause = 99  // an information element is missing or not implemented
	unknownParameter    terminationCause = 103 // passed on
	protocolError       terminationCause = 111 // unspecified
	interworkingFailure terminationCause = 127 // unspecified
)

// endingCauses are the causes of calls whose end needs no further look.
var endingCauses = map[model.EndCause]terminationCause{
	model.EndCallerHungUp: normalClearing,
	model.EndCalleeHungUp: normalClearing,
	model.EndCancelled:    normalClearing,
	model.EndStale:        endedInRecovery,
}

// ruleCauses are the causes of calls that a rule of ours refused, by how the
// rule's name ends; all others go by their status.
var ruleCauses = []struct {
	ending string
	cause  terminationCause
}{
	{" max-num-calls", noResource},
	{" max-call-rate-per-scope", congestion},
}

// statusCauses are the causes of calls that were not answered, by the status
// of the final response (billing requirements §1.9, in the manner of RFC 3398
// §8.2.6.1). What is not here is interworkingFailure.
var statusCauses = map[uint16]terminationCause{
	404: noRoute, 410: noRoute, 604: noRoute,
	487: normalClearing,
	486: userBusy, 600: userBusy,
	480: subscriberAbsent, // noAnswer once it rang
	484: invalidNumber,
	502: destinationFault,
	// A neighbour's 503 goes upstream as 500 (RFC 3261 §16.7 step 6): the 503 that
	// ends a call is our own word for a place that nobody answers from.
	503: destinationFault,
	408: temporaryFailure, 500: temporaryFailure, 504: temporaryFailure, // 408: noAnswer once it rang
	402: noResource, 403: noResource, 603: noResource,
	405: noService, 501: noService,
	415: noBearer, 488: noBearer, 606: noBearer,
	400: invalidMessage, 413: invalidMessage, 414: invalidMessage, 416: invalidMessage,
	420: unknownMessageType,
	421: unknownElement, 428: unknownElement, 429: unknownElement, 494: unknownElement, // an extension or header field that is wanted
	417: unknownParameter, // Unknown Resource-Priority
	481: protocolError, 482: protocolError, 483: protocolError,
}

// refusalCauses are those of statusCauses that mean something else where the
// final response is our own because of a rule.
var refusalCauses = map[uint16]terminationCause{
	500: destinationFault, // DNS knows no such place
	503: congestion,       // call admission control
}

// unbilledRules refuse calls that leave no record: they were never taken in.
var unbilledRules = map[string]bool{
	model.RuleLicence: true, model.RuleCPS: true, model.RuleCallRate: true,
	model.RuleOverload: true, model.RuleDrain: true, model.RuleTransactions: true, model.RuleCredits: true,
}

// causeOf says why a call ended. e is the event that ended it: a
// CallDisconnect, CallRefused or CallEnded. rang says that the callee was
// alerted (18x).
func causeOf(e *model.CallEvent, answered, rang bool) terminationCause {
	if cause, plain := endingCauses[e.Cause]; plain {
		return cause
	}
	if answered { // no final response is left to tell more
		if e.Cause == model.EndUnknown {
			return interworkingFailure
		}
		return temporaryFailure
	}
	for _, rule := range ruleCauses {
		if bytes.HasSuffix(e.Rule, []byte(rule.ending)) {
			return rule.cause
		}
	}
	status := e.Status
	if e.Cause == model.EndTimer {
		status = 408
	}
	if rang && (status == 408 || status == 480) {
		return noAnswer
	}
	if cause, known := refusalCauses[status]; known && (e.Cause == model.EndRule || e.Kind == model.CallRefused) {
		return cause
	}
	if cause, known := statusCauses[status]; known {
		return cause
	}
	return interworkingFailure
}
