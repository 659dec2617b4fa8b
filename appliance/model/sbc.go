package model

// SBC is the session border controller of the source documents, one a box:
// what "sbc NAME" opens. The zero value is a box without one.
type SBC struct {
	Name          string
	SBE           bool           // routing: its signalling border element is configured
	RADIUSClients []RADIUSClient // billing: in the order of their definition
	Billing       Billing        // billing
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

// CACPolicySet is a set of call admission control tables.
type CACPolicySet struct {
	Number int // 1–2,147,483,647
	Tables []CACTable
}

// CACTable is one table of a policy set.
type CACTable struct {
	Name    string
	Entries []int // numbers of the entries, rising
}
