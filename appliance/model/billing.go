package model

import (
	"cmp"
	"net/netip"
)

// RADIUSClient is a set of RADIUS accounting servers under one name: one of
// them is in use, the others wait to take over (seed 003).
type RADIUSClient struct {
	Name       string // 1–80 characters
	Concurrent int    // "concurrent-requests": 1–4,000 under way at the same time; 0: the default, 250
	Interval   int    // "retry-interval": 10–10,000 ms between two tries; 0: the default, 1,200
	// Tries is "retry-limit" and one more, the first try: 1–10 datagrams to one
	// server before the next one is asked; 0: the default, 6.
	Tries   int
	Servers []RADIUSServer // in the order of their definition
	Active  bool           // "activate"
}

// RADIUSServer is one server of a client.
type RADIUSServer struct {
	Name     string     // 1–80 characters
	Address  netip.Addr // "address"; not valid: not set
	Port     int        // "port"; 0: the default, 1813, with TLS 2083
	Priority int        // "priority": 1, the highest, to 10; 0: the default, 1
	Key      string     // "key", sealed (config.Secret); empty: not set
	TLS      bool       // "transport tls": RADIUS over TLS (RFC 6614)
}

// Billing is what is billed, and how (seed 003). The Billing Manager of the
// source documents.
type Billing struct {
	Configured   bool
	Active       bool       // "activate"
	ElementID    int        // "element-id": 0–99,999, the network element that event messages come from
	LocalAddress netip.Addr // "local-address ipv4": stands in records; not valid: the AAA control address
	LongCheck    TimeOfDay  // "ldr-check": when calls of more than 24 hours are reported
	EndpointInfo EndpointInfo
	MediaInfo    bool // "cdr media-info"
	// Methods: an instance of a method needs its method, and the other way round.
	MethodPacketCable bool // "method packetcable-em"
	MethodXML         bool // "method xml"
	Cache             BillingCache
	PacketCable       []PacketCableMethod // by rising index, 8 at the most
	XML               []XMLMethod         // one at the most
}

// Bills reports whether calls are to be recorded: billing is active with an
// instance of a method attached.
func (b *Billing) Bills() bool {
	if !b.Configured || !b.Active {
		return false
	}
	for _, m := range b.PacketCable {
		if m.Attached {
			return true
		}
	}
	return len(b.XML) > 0 && b.XML[0].Attached
}

// TimeOfDay is a local time. The zero value is midnight.
type TimeOfDay struct {
	Hour   int // 0–23
	Minute int // 0–59
}

// EndpointInfo is what event messages say of the ends of a call.
type EndpointInfo uint8

// "cdr endpoint-info".
const (
	EndpointNone       EndpointInfo = iota // the words "MTA Endpoint"
	EndpointAdjacency                      // the adjacency's name
	EndpointAddressing                     // address, port, transport and adjacency
)

// BillingCache is where records wait until they are delivered.
type BillingCache struct {
	Path    string // "cache path", a directory such as "usb0:/billcache/"; empty: harddisk:/billcache/
	MaxSize int    // "cache max-size": KB, 1–4,194,303; 0: the room on the volume is the limit
	// "cache alarm": KB of what waits; 0: the default. See Thresholds.
	Minor, Major, Critical int
	// OnFailure is "cache policy on-failure": records wait in memory and go to
	// the cache only when they cannot be delivered. A power cut may then send some
	// of them twice under different numbers.
	OnFailure bool
}

// Thresholds are the sizes at which the alarms are raised, in KB, with the
// defaults of seed 003.
func (c *BillingCache) Thresholds() (minor, major, critical int) {
	return cmp.Or(c.Minor, 97_656), cmp.Or(c.Major, 488_281), cmp.Or(c.Critical, 976_562)
}

// PacketCableMethod is one instance of billing by PacketCable event messages.
type PacketCableMethod struct {
	Index        int    // 0–7
	Client       string // the RADIUS client that sends its messages; serves this instance alone
	BatchSize    int    // "batch-size": octets of event messages in one request, 0–4,000; 0: each goes by itself
	BatchTime    int    // "batch-time": ms that a message waits for others, 10–60,000; 0: the default, 1,000
	LocalAddress netip.Addr
	LongCheck    *TimeOfDay // nil: billing's
	DeactMode    DeactMode
	Attached     bool // "attach"
}

// DefaultCDRPath is where CDR files are where no "cdr path" says so.
const DefaultCDRPath = "harddisk:/cdr/"

// XMLMethod is the instance of billing by XML files.
type XMLMethod struct {
	Index     int        // 0–7
	Path      string     // "cdr path", a directory such as "usb0:cdr"; empty: DefaultCDRPath
	LongCheck *TimeOfDay // nil: billing's
	// "cdr alarm": KB of free space below which each is raised; 0: not at all.
	Minor, Major, Critical int
	Interval               int // "flipped-interval": seconds a file is written to, 10–86,400; 0: the default, 180
	Size                   int // "flipped-size": KB, 1–1,048,576; 0: the default, 10,240
	DeactMode              DeactMode
	Attached               bool        // "attach"
	Transfer               CDRTransfer // "cdr transfer"
}

// CDRTransfer sends finished CDR files to another system and deletes them once
// they arrived whole. The zero value sends none.
type CDRTransfer struct {
	URL     string // "sftp://user@192.0.2.1/cdr/"
	Secret  string // the password, sealed; empty: not set
	HostKey string // "SHA256:…": of the other system's key
}

// DeactMode says what becomes of calls in progress when an instance is deactivated.
type DeactMode uint8

// "deact-mode".
const (
	DeactAbort   DeactMode = iota // their records are closed at once; what waits in the cache stays there
	DeactNormal                   // their records are closed at once, and what waits is delivered
	DeactQuiesce                  // they are billed to their end; new ones are not
)

// DeactModeNames are the words of "deact-mode", by value.
var DeactModeNames = [...]string{"abort", "normal", "quiesce"}

// String is the word of "deact-mode".
func (m DeactMode) String() string { return DeactModeNames[m] }

// CallBilling is by which methods a call is billed, as call admission control
// says. The zero value is all that are configured.
type CallBilling struct {
	Filtered    bool // only by these:
	XML         bool
	PacketCable bool
}
