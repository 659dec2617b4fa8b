package model

import "net/netip"

// SBC is the session border controller of the source documents, one a box:
// what "sbc NAME" opens. The zero value is a box without one.
type SBC struct {
	Name          string
	SBE           bool           // routing: its signalling border element is configured
	AAAAddress    netip.Addr     // "control address aaa ipv4": where RADIUS requests leave from; not valid: the kernel's choice
	RADIUSClients []RADIUSClient // billing: in the order of their definition
	Billing       Billing        // billing
	Adjacencies   []Adjacency    // routing: by name
	CACPolicySets []CACPolicySet // admission: by rising number

	ActiveCACPolicySet int // admission: "active-cac-policy-set"; 0: none is named, a sole one is active
}

// CACPolicySet is a set of call admission control tables (seed 003).
type CACPolicySet struct {
	Number      int // 1–2,147,483,647
	Description string
	FirstScope  CACScope     // "first-cac-scope": of the first table's entries that name none
	FirstTable  string       // "first-cac-table"; empty: the first in order
	TableType   CACTableType // "table-type" of tables that say none
	Tables      []CACTable   // in the order of their definition
}

// CACTable is one table of a policy set.
type CACTable struct {
	Name        string
	Description string
	Type        CACTableType // "table-type"
	Entries     []CACEntry   // by rising number
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
	Burst    int // "burst": calls that may come on top of the rate of a minute

	BillingFilter  CACBillingFilter // "billing filter"
	BillingXML     bool             // "billing methods xml"
	BillingPackets bool             // "billing methods packetcable-em"
}

// CACAction says where a call goes on from an entry that took it.
type CACAction uint8

// The actions.
const (
	CACNotSet CACAction = iota // the next table in order
	CACNextTable
	CACComplete
)

// CACBillingFilter says whether an entry decides by which methods a call is billed.
type CACBillingFilter uint8

// The filters.
const (
	BillingFilterNotSet  CACBillingFilter = iota // what an earlier entry said stands
	BillingFilterDisable                         // by all methods
	BillingFilterEnable                          // by those that the entry names, or by none
)

// CACScope is what calls are counted together.
type CACScope uint8

// The scopes.
const (
	ScopeNotSet         CACScope = iota // as ScopeGlobal
	ScopeGlobal                         // "global"
	ScopeCall                           // "call": each by itself, so nothing is counted
	ScopeAdjacency                      // "adjacency": of each leg that the entry takes
	ScopeAdjacencyGroup                 // "adj-group": likewise
	ScopeAccount                        // "account": likewise
	ScopeSource                         // "src-adjacency": the caller's
	ScopeDestination                    // "dst-adjacency": the callee's
)

// CACScopeNames are the words of "cac-scope", by value.
var CACScopeNames = [...]string{"", "global", "call", "adjacency", "adj-group", "account", "src-adjacency", "dst-adjacency"}

// String is the word of "cac-scope", empty when it is not set.
func (s CACScope) String() string { return CACScopeNames[s] }

// CACTableType says what the match-values of a table are compared with.
type CACTableType uint8

// The types of tables.
const (
	TableNotSet         CACTableType = iota // that of the policy set; there: policy-set
	TablePolicySet                          // "policy-set": as LimitAdjacencyGroup
	LimitAdjacencyGroup                     // "limit adj-group": the adjacency group of each leg, then its adjacency
	LimitAdjacency                          // "limit adjacency": the adjacency of each leg
	LimitSource                             // "limit src-adjacency": the caller's adjacency
	LimitDestination                        // "limit dst-adjacency": the callee's adjacency
	LimitAccount                            // "limit account": the account of each leg
	LimitPrefix                             // "limit dst-prefix": the begin of the dialled number
)

// CACTableTypeNames are the words of "table-type", by value.
var CACTableTypeNames = [...]string{
	"", "policy-set", "limit adj-group", "limit adjacency", "limit src-adjacency", "limit dst-adjacency", "limit account", "limit dst-prefix",
}

// String is the words of "table-type", empty when it is not set.
func (t CACTableType) String() string { return CACTableTypeNames[t] }
