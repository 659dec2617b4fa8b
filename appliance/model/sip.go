package model

import (
	"net/netip"
	"time"
)

// Transport is what SIP runs over. Its zero value is UDP.
type Transport uint8

// The transports (RFC 3261 §18, RFC 7118).
const (
	UDP Transport = iota
	TCP
	TLS // over TCP
	WS  // WebSocket over TCP
	WSS // WebSocket over TLS
)

// Transports are all of them, by value.
var Transports = [...]Transport{UDP, TCP, TLS, WS, WSS}

var transportNames = [...]struct{ lower, upper string }{
	UDP: {"udp", "UDP"}, TCP: {"tcp", "TCP"}, TLS: {"tls", "TLS"}, WS: {"ws", "WS"}, WSS: {"wss", "WSS"},
}

// String is the name as commands and URI parameters have it: "udp".
func (t Transport) String() string { return transportNames[t].lower }

// ParseTransport gives the transport of a name in small letters: "udp".
func ParseTransport(name string) (t Transport, ok bool) {
	for _, t := range Transports {
		if t.String() == name {
			return t, true
		}
	}
	return 0, false
}

// Via is the name as Via has it: "UDP".
func (t Transport) Via() string { return transportNames[t].upper }

// Stream says whether messages are framed in a connection, which loses none.
func (t Transport) Stream() bool { return t != UDP }

// Secure says whether it runs over TLS.
func (t Transport) Secure() bool { return t == TLS || t == WSS }

// DefaultPort is the port of a host that names none (RFC 3261 §19.1.2, RFC 7118 §5).
func (t Transport) DefaultPort() uint16 {
	switch t {
	case TLS:
		return 5061
	case WS:
		return 80
	case WSS:
		return 443
	}
	return 5060
}

// SIP is the wire and its neighbours, in CUSP's words. The zero value of a
// number means its default.
type SIP struct {
	Networks    []SIPNetwork
	Aliases     []string // "sip alias": host names that are the box itself, beside its listen addresses
	MaxForwards int      // "sip max-forwards": given to requests that have none, 1–255; 70
	Compaction  bool     // "sip header-compaction": the box writes its own header fields in their short forms
	TCP         SIPTCP
	DNS         SIPDNS
	Overload    SIPOverload
	Privacy     SIPPrivacy
	Recursion   bool // "route recursion": the contacts of a 3xx are tried here
	Routing     Routing
}

// Network gives the network with that name, or nil.
func (s *SIP) Network(name string) *SIPNetwork {
	for i := range s.Networks {
		if s.Networks[i].Name == name {
			return &s.Networks[i]
		}
	}
	return nil
}

// SIPNetworkKind is how a network treats its neighbours.
type SIPNetworkKind uint8

// The kinds of networks.
const (
	NetworkStandard SIPNetworkKind = iota // ICMP errors fail a request at once (RFC 3261 §18.4)
	NetworkNoICMP                         // they are ignored
	NetworkNAT                            // standard; and the route back to a neighbour is where its packets come from, whatever its Contact says
)

// SIPNetwork is a named set of listen points that are treated alike (CUSP's
// "sip network").
type SIPNetwork struct {
	Name              string
	Kind              SIPNetworkKind
	Listens           []SIPListen
	NextHop           SIPNextHop       // of requests that no routing trigger takes
	RecordRoute       []SIPRecordRoute // each transport once
	Timers            SIPTimers
	RefuseConnections bool // "no allow-connections": only connections that we opened
	HeaderHide        bool // "header-hide": Via header fields of other networks do not leave by this one
	OverloadControl   bool // "overload-control": neighbours are asked how much they want (RFC 7339)
	TLSVerify         bool // "tls verify": whoever connects must show a certificate that we trust
	MaxDatagram       int  // "udp max-datagram-size": of the path, octets, 576–65535; 1500
	ConnectTimeout    int  // "tcp connection-setup-timeout", ms, 100–60000; 1000
}

// SIPListen is one listen point.
type SIPListen struct {
	Transport Transport
	Address   netip.AddrPort
}

// SIPNextHop is where requests go that no routing trigger takes: to Address,
// over UDP, out of the network named Network. An invalid Address means there
// is none, and they are answered 404.
type SIPNextHop struct {
	Address netip.AddrPort
	Network string
}

// SIPRecordRoute replaces the address of the listen point in Record-Route: a
// host name or address under which neighbours reach it.
type SIPRecordRoute struct {
	Transport Transport
	Host      string
	Port      int // 0: none is written
}

// SIPTimers are the timers of a network, in milliseconds, and how often its
// transactions repeat a message, at most. 0 is the default.
type SIPTimers struct {
	T1, T2, T4 int // RFC 3261 table 4: 500, 4000, 5000
	TU1        int // without any answer for that long the next element is tried, if there is one: 5000
	TU2        int // a request other than INVITE has its final response by then: 32000
	ClientTn   int // longest life of a client transaction without any answer: 64·T1
	ServerTn   int // longest wait of an INVITE server transaction for ACK: 64·T1
	C          int // wait for the final response of INVITE after a provisional one: 181000

	InviteClientCount    int // repetitions of INVITE; as many as ClientTn leaves room for
	NonInviteClientCount int // of other requests
	InviteServerCount    int // of the final response to INVITE
	NonInviteProvisional int // ms until a request other than INVITE gets a 100 (RFC 4320 §4.1); T2
}

// SIPTCP bounds connections of all stream transports.
type SIPTCP struct {
	ConnectionTimeout int // "sip tcp connection-timeout": idle, s, 10–86400; 240
	MaxConnections    int // "sip tcp max-connections": of all networks, 1–10000; 256
}

// SIPDNS says how host names are located (RFC 3263).
type SIPDNS struct {
	NoSRV   bool // only addresses are looked up
	NoNAPTR bool
}

// SIPOverload says what a caller gets while the box sheds calls.
type SIPOverload struct {
	Redirect   string // "sip overload redirect": 300 with this host as Contact; empty: 503
	RetryAfter int    // s, 0–3600; 0: none is written
}

// SIPPrivacy is RFC 3323 and 3325: what may leave to which network.
type SIPPrivacy struct {
	Service bool     // "sip privacy service": asserted identities of callers who want privacy are removed
	Trusted []string // "sip privacy trusted-destination": networks that get them all the same
}

// Admission is who may call now.
type Admission struct {
	CPSImmediate bool // "cps mode immediate": token bucket of one second; else the window of 5 minutes (CP-9)
	CPSEqual     bool // "cps reject-at equal": the average equal to the limit rejects (CP-5, CP-6)
	CPSCode500   bool // "cps reject-code 500"; else 503 (CP-15)
	CallRate     int  // "call-rate-limit": calls per second; 0: what the licence grants

	EmergencyCounted bool     // "license emergency-exempt off": emergency calls are calls like others
	EmergencyNumbers []string // user parts that are emergency calls, beside urn:service:sos; nil: 112 and 911

	FailedCallsLog bool           // "failed-calls-log on" (CP-8)
	SourceRate     int            // "sip flood-limit": requests per second of one address outside dialogs; 0: 1000
	Denied         []netip.Prefix // "sip deny": sources that get no answer
}

// Adjacency is a neighbour as billing and call admission control know it
// (CUBE's "adjacency sip").
type Adjacency struct {
	Name      string
	Network   string         // SIP network
	Addresses []netip.Prefix // of the neighbour; none: all of the network
	Transport string         // name of a Transport; empty: any
	Account   string
	Group     string // adjacency group
}

// AdjacencyTraffic is the calls of one adjacency, as the proxy shows them.
type AdjacencyTraffic struct {
	In         AdjacencyCalls `json:"in"`          // that it made
	Out        AdjacencyCalls `json:"out"`         // that went to it; each target that is tried counts
	LastAnswer time.Time      `json:"last_answer"` // when it answered a call; zero: it has not
}

// AdjacencyCalls are those in one direction: all but Open since the proxy started.
type AdjacencyCalls struct {
	Open     int   `json:"open"` // now, those being set up included
	Offered  int64 `json:"offered"`
	Admitted int64 `json:"admitted"` // of the offered ones: not refused by the box
	Answered int64 `json:"answered"` // of the admitted ones
}

// Add adds what is counted elsewhere, but what is open.
func (t *AdjacencyTraffic) Add(more *AdjacencyTraffic) {
	t.In.add(&more.In)
	t.Out.add(&more.Out)
	if more.LastAnswer.After(t.LastAnswer) {
		t.LastAnswer = more.LastAnswer
	}
}

func (c *AdjacencyCalls) add(more *AdjacencyCalls) {
	c.Offered += more.Offered
	c.Admitted += more.Admitted
	c.Answered += more.Answered
}

// SIPPing is what proxy.ping-sip is asked: to send a host one OPTIONS.
type SIPPing struct {
	Host      string `json:"host"`
	Port      int    `json:"port"`      // 0: by DNS, or the transport's own
	Transport string `json:"transport"` // name of a Transport; empty: by DNS, or UDP
}

// SIPPingAnswer is how that went.
type SIPPingAnswer struct {
	Place   string        `json:"place"`   // "udp 192.0.2.1:5060"; empty: the host was not found
	Status  int           `json:"status"`  // of the final response; 0: none came
	Reason  string        `json:"reason"`  // its phrase
	Trip    time.Duration `json:"trip"`    // from the request to that, without the connection
	Problem string        `json:"problem"` // why none came
}

// SIPPingPatience is how long a final response is waited for.
const SIPPingPatience = 4 * time.Second

// OpenCall is one call, as the proxy shows it.
type OpenCall struct {
	Key      string    `json:"key"`
	CallID   string    `json:"call_id"`
	From     string    `json:"from"` // URI, without its secrets
	To       string    `json:"to"`
	Began    time.Time `json:"began"`
	Answered time.Time `json:"answered"` // zero: it is being set up
	Caller   CallSide  `json:"caller"`
	Callee   CallSide  `json:"callee"`
}

// CallSide is one side of a call.
type CallSide struct {
	Network   string `json:"network"`
	Adjacency string `json:"adjacency"`
	Peer      string `json:"peer"` // "udp 192.0.2.1:5060"
}

// SIPConnection is one connection of a stream transport, as the proxy shows it.
type SIPConnection struct {
	Network     string        `json:"network"`
	Transport   string        `json:"transport"` // "tcp"
	Local       string        `json:"local"`     // "192.168.42.1:5060"
	Remote      string        `json:"remote"`
	Outbound    bool          `json:"outbound"` // we opened it
	State       string        `json:"state"`    // "connecting", "handshake", "open"
	Since       time.Time     `json:"since"`
	Idle        time.Duration `json:"idle"`
	MessagesIn  int64         `json:"messages_in"`
	MessagesOut int64         `json:"messages_out"`
	OctetsIn    int64         `json:"octets_in"`
	OctetsOut   int64         `json:"octets_out"`
	Queued      int           `json:"queued"` // octets that wait for the peer
	TLS         string        `json:"tls"`    // "TLS 1.3"; empty: not over TLS
	Peer        string        `json:"peer"`   // who the peer is by its certificate, separated by ", "; empty: it was not verified
}
