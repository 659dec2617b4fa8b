package model

import (
	"net/netip"
	"slices"
	"strings"
)

// Routing is where calls go, in CUSP's words: triggers choose a policy, a
// policy looks a key up in a route table, a route leads to a destination.
type Routing struct {
	Groups       []ServerGroup
	Balance      Balance       // "server-group sip global-load-balance": of groups with BalanceGlobal; zero: call-id
	RetryAfter   int           // "server-group sip retry-after": ms that a 503 without Retry-After takes an element out; 0
	Retries      ElementTries  // "server-group sip element-retries"
	GlobalPing   bool          // "server-group sip global-ping": groups are pinged (their own "ping" is on by default)
	PingOptions  []PingOptions // one a network
	Tables       []RouteTable
	RouteGroups  []RouteGroup
	Lookups      []LookupPolicy
	Normalizers  []NormalizationPolicy
	TimePolicies []TimePolicy
	Conditions   []TriggerCondition
	Triggers     [TriggerKinds][]Trigger // by TriggerKind, each by rising sequence number
}

// ServerGroup is a set of interchangeable elements of one network.
type ServerGroup struct {
	Name          string
	Network       string
	Balance       Balance
	FailoverCodes []CodeRange // responses that lead to the next element; nil: 503
	NoPing        bool        // "no ping"
	Elements      []ServerElement
}

// Balance is how a server group chooses its element.
type Balance uint8

// The kinds of load balancing, by the numbers of CISCO-USP-MIB.
const (
	BalanceGlobal     Balance = iota // as "global-load-balance" says
	BalanceHighestQ                  // the first that is up, by falling q-value
	BalanceRequestURI                // by a hash of the Request-URI among the highest q-value that is up
	BalanceCallID
	BalanceToURI
	BalanceWeight // at random by weight among the highest q-value that is up
)

// BalanceNames are the words of "lbtype", by value.
var BalanceNames = [...]string{"global", "highest-q", "request-uri", "call-id", "to-uri", "weight"}

// String is the word of "lbtype".
func (b Balance) String() string { return BalanceNames[b] }

// ServerElement is one server of a group: "element ip-address ADDRESS PORT
// TRANSPORT q-value Q weight W".
type ServerElement struct {
	Host      string // address or host name
	Port      int    // 0: by DNS, or the transport's own
	Transport Transport
	Q         int // thousandths, 0–1000
	Weight    int // 0–100
	// Shutdown keeps new calls away: "element ip-address ADDRESS PORT TRANSPORT
	// shutdown".
	Shutdown bool
}

// ElementTries are the failures in a row after which an element is down, for
// each transport; 0: udp 2, tcp and tls 1.
type ElementTries struct{ UDP, TCP, TLS int }

// CodeRange is a range of SIP status codes, both ends included.
type CodeRange struct{ From, To int }

// PingType says when elements are pinged.
type PingType uint8

// Proactive pings what is up, reactive what is down, adaptive both.
const (
	PingAdaptive PingType = iota
	PingProactive
	PingReactive
)

// PingTypeNames are the words of "ping-type", by value.
var PingTypeNames = [...]string{"adaptive", "proactive", "reactive"}

// PingOptions is how the elements of a network are pinged: "server-group sip
// ping-options NETWORK ADDRESS PORT".
type PingOptions struct {
	Network string
	Local   netip.AddrPort // where pings come from; not a listen point
	Type    PingType
	Up      int // ms between pings of an element that is up, 100–3600000; 5000
	Down    int // of one that is down; 10000
	Timeout int // ms, 100–60000; 500
}

// RouteTable maps keys to destinations.
type RouteTable struct {
	Name   string
	File   string  // "file harddisk:…": more routes, one "key …" line each; read at commit and at start
	Routes []Route // each key once, in the order in which they were typed
	ByKey  []int32 // indexes of Routes by rising key, so that Put is fast; nobody else needs them
}

// Put adds a route, or replaces the one with its key, which keeps its place.
func (t *RouteTable) Put(r Route) {
	at, found := t.find(r.Key)
	if found {
		t.Routes[t.ByKey[at]] = r
		return
	}
	t.ByKey = slices.Insert(t.ByKey, at, int32(len(t.Routes)))
	t.Routes = append(t.Routes, r)
}

// Has says whether a route has that key.
func (t *RouteTable) Has(key string) bool {
	_, found := t.find(key)
	return found
}

// Remove takes the route with that key out; it is false when there is none.
func (t *RouteTable) Remove(key string) bool {
	at, found := t.find(key)
	if !found {
		return false
	}
	gone := t.ByKey[at]
	t.Routes = slices.Delete(t.Routes, int(gone), int(gone)+1)
	t.ByKey = slices.Delete(t.ByKey, at, at+1)
	for i, index := range t.ByKey {
		if index > gone {
			t.ByKey[i]--
		}
	}
	return true
}

// find gives the place of a key in ByKey.
func (t *RouteTable) find(key string) (at int, found bool) {
	return slices.BinarySearchFunc(t.ByKey, key, func(index int32, key string) int {
		return strings.Compare(t.Routes[index].Key, key)
	})
}

// Route is one line of a table: "key KEY …".
type Route struct {
	Key string
	Destination
}

// DestinationKind says what a route leads to.
type DestinationKind uint8

// What a route leads to.
const (
	ToTarget     DestinationKind = iota // "target-destination HOST[:PORT] NETWORK": a host, or a server group of that name
	ToGroup                             // "group NAME": a route group
	ToResponse                          // "response CODE": the request is refused
	ToPolicy                            // "policy NAME": another lookup policy decides
	ToRequestURI                        // "default-sip NETWORK": where its Request-URI says (RFC 3263)
)

// Destination is where a route leads.
type Destination struct {
	Kind      DestinationKind
	Host      string // of ToTarget: address, host name or server group
	Port      int    // 0: by DNS, or the transport's own
	Transport string // of ToTarget: name of a Transport; empty: by DNS, or UDP
	Network   string // of ToTarget and ToRequestURI: SIP network it leaves by
	Name      string // of ToGroup and ToPolicy
	Status    int    // of ToResponse: 300–699
}

// RouteGroup is several ways to the same place.
type RouteGroup struct {
	Name     string
	Parallel bool // ways of equal q-value are tried at the same time
	Elements []RouteElement
}

// RouteElement is one way of a route group.
type RouteElement struct {
	Destination
	Q             int         // thousandths, 0–1000; higher ones first
	Weight        int         // 0–100: share among equal q-values, unless parallel
	FailoverCodes []CodeRange // responses that lead to the next way; nil: 500–599 but 501
	TimePolicy    string      // the way is there only at these times; empty: always
}

// Field is the part of a message that a lookup, a trigger or a normalisation
// is about.
type Field struct {
	Kind      FieldKind
	Header    string // of FieldHeader and FieldHeaderParam: name in its long form
	Component string // "user", "host", "domain", "host-port", "phone", "uri", "scheme", …; empty: all of it
	Param     string // name of a parameter, of FieldURIParam and FieldHeaderParam
}

// FieldKind says which part.
type FieldKind uint8

// The parts of a message and of its way.
const (
	FieldRequestURI  FieldKind = iota // component of the Request-URI
	FieldURIParam                     // parameter of the Request-URI, or of the URI in Header
	FieldHeader                       // header field, or a component of the URI in it
	FieldHeaderParam                  // parameter of a header field
	FieldInNetwork                    // name of the SIP network it came in on
	FieldOutNetwork                   // that it leaves by
	FieldLocalIP
	FieldLocalPort
	FieldRemoteIP
	FieldRemotePort
	FieldProtocol     // transport it came in by
	FieldMethod       // of the request
	FieldMessage      // "request" or "response"
	FieldMidDialog    // "true" within a dialog
	FieldResponseCode // status
	FieldTime         // name of a time policy that holds
)

// LookupPolicy is steps that are tried in order until one finds a route.
type LookupPolicy struct {
	Name  string
	Steps []LookupStep // by rising sequence number
}

// LookupStep looks one key up in one table.
type LookupStep struct {
	Sequence int // 1–65535
	Table    string
	Field    Field
	Rule     MatchRule
	Length   int // of MatchFixed: characters of the key, 1–64
	// What is done to the key first.
	IgnorePlus          bool   // "modify-key ignore-plus": a plus at its begin
	IgnoreTelSeparators bool   // - . ( ) in a number
	Match, Replace      string // "modify-key regex-match R regex-replace S": what R finds becomes S; empty: none
}

// MatchRule says how a key matches the keys of a table.
type MatchRule uint8

// The rules.
const (
	MatchExact     MatchRule = iota
	MatchPrefix              // longest prefix
	MatchFixed               // first Length characters
	MatchSubdomain           // longest suffix of whole labels
	MatchSubnet              // longest network of an address
	MatchRegex               // keys are expressions (RE2), the first that matches in the order of the table
)

// MatchRuleNames are the words of "rule", by value.
var MatchRuleNames = [...]string{"exact", "prefix", "fixed", "subdomain", "subnet", "regex"}

// NormalizationPolicy is steps that change a message, in order.
type NormalizationPolicy struct {
	Name  string
	Steps []NormalizationStep
}

// NormalizationStep changes one part of a message.
type NormalizationStep struct {
	Sequence int // 1–65535: the order
	Action   NormalizationAction
	Field    Field
	All      bool   // of header fields that stand several times: all; else the first
	Match    string // expression (RE2): what it finds in the old value becomes Value, the rest stays (CUSP's "^698 899222698"); empty: all of it
	Value    string // the new one; $1, $2 stand for groups of Match
}

// NormalizationAction is what a step does.
type NormalizationAction uint8

// The actions.
const (
	NormalizeUpdate NormalizationAction = iota
	NormalizeAdd
	NormalizeRemove
	NormalizeSIPToTel // "sip-to-tel": a sip URI with a number becomes tel
	NormalizeTelToSIP // "tel-to-sip": Value is the host
)

// TimePolicy holds when one of its sequences does.
type TimePolicy struct {
	Name      string
	Sequences []TimeSequence
}

// TimeSequence is a set of times, in the box's zone; each part that is empty
// holds always.
type TimeSequence struct {
	Sequence   int
	Start, End string // RFC 5545 DATE-TIME: 20260101T000000
	Months     []int  // 1–12
	Days       []int  // of the month, 1–31
	Weekdays   []int  // 0 (Sunday) – 6
	From, To   int    // minutes of the day, To excluded; both 0: all day; From > To: over midnight
}

// TriggerCondition is true when all tests of one of its sequences are.
type TriggerCondition struct {
	Name      string
	Sequences []TriggerSequence
}

// TriggerSequence is tests that must all be true.
type TriggerSequence struct {
	Sequence int
	Tests    []TriggerTest
}

// TriggerTest compares one part of a message. Value is an expression (RE2)
// that must match all of it, without regard to case; of addresses a network.
type TriggerTest struct {
	Field Field
	Not   bool
	Value string
}

// TriggerKind is a stage that triggers choose policies for.
type TriggerKind uint8

// The stages, in the order of a message's way.
const (
	TriggerPreNormalization TriggerKind = iota
	TriggerRouting
	TriggerPostNormalization
	TriggerKinds
)

// TriggerKindNames are the words after "trigger", by value.
var TriggerKindNames = [...]string{"pre-normalization", "routing", "post-normalization"}

// Trigger binds a condition to a policy.
type Trigger struct {
	Sequence  int    // 1–65535
	ByPass    bool   // "by-pass": no policy; the stage is left out
	Policy    string // lookup policy, or normalization policy
	Condition string // empty: always
}
