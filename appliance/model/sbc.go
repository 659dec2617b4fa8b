package model

// SBC is the session border controller of the source documents, one a box:
// what "sbc NAME" opens. The zero value is a box without one.
type SBC struct {
	Name          string
	SBE           bool           // routing: its signalling border element is configured
	RADIUSClients []RADIUSClient // billing: in the order of their definition
	Billing       Billing        // billing
	Adjacencies   []Adjacency    // routing: by name
	CACPolicySets []CACPolicySet // admission: by rising number
}

// RADIUSClient is a set of RADIUS accounting servers under one name.
type RADIUSClient struct {
	Name    string // 1–80 characters
	Servers []RADIUSServer
}

// RADIUSServer is one server of a client.
type RADIUSServer struct {
	Name string // 1–80 characters
}

// Billing is what is billed, and how.
type Billing struct {
	Configured  bool
	PacketCable []PacketCableMethod // by rising index
	XML         []int               // indexes of the XML instances, 0–7: one at the most
}

// PacketCableMethod is one instance of billing by PacketCable event messages.
type PacketCableMethod struct {
	Index  int    // 0–7
	Client string // the RADIUS client that sends its messages
}

// CACPolicySet is a set of call admission control tables (seed 003).
type CACPolicySet struct {
	Number      int // 1–2,147,483,647
	Description string
	FirstScope  CACScope // "first-cac-scope"
	FirstTable  string   // "first-cac-table"; empty: the first one
	Tables      []CACTable
}

// CACTable is one table of a policy set.
type CACTable struct {
	Name        string
	Description string
	Limit       bool       // "table-type limit SCOPE"; else "table-type policy-set"
	Match       CACMatch   // of a limit table: what match-value is compared with
	Entries     []CACEntry // by rising number
}

// CACEntry is one entry of a table.
type CACEntry struct {
	Number    int
	Match     string    // "match-value"; empty: everything
	Action    CACAction // "action"
	NextTable string    // of CACNextTable
	Scope     CACScope  // "cac-scope": what the limits are counted for
	// Limits; 0: none.
	MaxCalls int // "max-num-calls": at the same time
	MaxRate  int // "max-call-rate-per-scope": calls a minute
	Burst    int // calls that may come at once on top of the rate

	BillingFilter  bool // "billing filter enable"
	BillingXML     bool // "billing methods xml"
	BillingPackets bool // "billing methods packetcable-em"
}

// CACAction says where a call goes on from an entry that matched.
type CACAction uint8

// The actions.
const (
	CACNotSet CACAction = iota // the next table in order
	CACNextTable
	CACComplete
)

// CACScope is what calls are counted together.
type CACScope uint8

// The scopes.
const (
	ScopeNotSet         CACScope = iota // as ScopeGlobal
	ScopeGlobal                         // "global"
	ScopeCall                           // "call": each by itself
	ScopeAdjacency                      // "adjacency"
	ScopeAdjacencyGroup                 // "adj-group"
	ScopeAccount                        // "account"
	ScopeSource                         // "src-adjacency"
	ScopeDestination                    // "dst-adjacency"
)

// CACMatch is what the match-value of a limit table is compared with.
type CACMatch uint8

// The kinds of match.
const (
	MatchAny            CACMatch = iota // adjacency group, then adjacency (decisions "Names and policy")
	MatchAdjacencyGroup                 // "adj-group"
	MatchAdjacency                      // "adjacency"
	MatchSource                         // "src-adjacency"
	MatchDestination                    // "dst-adjacency"
	MatchAccount                        // "account"
	MatchCallPrefix                     // "dst-prefix": begin of the dialled number
)
