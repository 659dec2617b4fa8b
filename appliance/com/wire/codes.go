package wire

// Codes of errors, of JSON-RPC as of refused streams: those of JSON-RPC 2.0 §5.1
// and our own.
const (
	CodeMethod = -32601 // it is not known
	CodeParams = -32602 // they do not fit

	CodeDisabled    = 4001 // by a switch of the box
	CodeSubscribed  = 4002 // the subscription that this needs is not there, or has ended
	CodeNotAllowed  = 4003 // no signature, a wrong one, or no right
	CodeUnsupported = 4004 // what is asked for is not there
	CodeExpired     = 4008 // the signature's time is over
	CodeConflict    = 4009 // another revision, another holder of the candidate
	CodeReplay      = 4010 // idem was used for something else, or what came of it is not known
	CodeBusy        = 4029 // there are too many
)
