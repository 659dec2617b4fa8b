package license

// State is that of the agent (L-5 to L-28). What it does to calls is in the
// table of transitions (table.go), by profile.
type State int

// The states of both source documents.
const (
	Unconfigured         State = iota // licensing is off (L-15)
	Unidentified                      // in evaluation, not registered (L-16)
	Registered                        // in evaluation, registered, not yet authorised (L-17)
	EvalExpired                       // evaluation is over (L-12, L-20)
	Authorized                        // within what was bought: InCompliance (L-10, L-21)
	OutOfCompliance                   // more is asked for than was bought (L-11, L-26)
	AuthorizationExpired              // 90 days without a good authorisation (L-13, L-28)
)

// rendering is how one state is written in four places.
type rendering struct {
	client      string // Smart License Client State: "OUT_OF_COMPLIANCE" (L-37, row 1)
	enforcement string // Enforcement Mode: "OutOfCompliance" (row 8)
	log         string // sml.log: ":out_of_compliance" (L-46)
	wire        string // what a server would call it, and the log of answers: "OOC" (L-47)
}

var renderings = [...]rendering{
	Unconfigured:         {"UNCONFIGURED", "Unconfigured", ":unconfigured", "UNCFG"},
	Unidentified:         {"UNIDENTIFIED", "Eval", ":eval", "EVAL"},
	Registered:           {"REGISTERED", "Eval", ":eval", "EVAL"},
	EvalExpired:          {"EVAL_EXPIRED", "EvalExpired", ":eval_expired", "EVALEXP"},
	Authorized:           {"AUTHORIZED", "InCompliance", ":in_compliance", "IC"},
	OutOfCompliance:      {"OUT_OF_COMPLIANCE", "OutOfCompliance", ":out_of_compliance", "OOC"},
	AuthorizationExpired: {"AUTHORIZATION_EXPIRED", "AuthorizationExpired", ":authorization_expired", "AUTHEXP"},
}

// String is the state of the Smart License Client, as "OUT_OF_COMPLIANCE".
func (s State) String() string { return renderings[s].client }

// EnforcementMode is as "OutOfCompliance".
func (s State) EnforcementMode() string { return renderings[s].enforcement }
