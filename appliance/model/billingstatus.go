package model

import "time"

// RADIUSClientStatus is how a RADIUS accounting client stands.
type RADIUSClientStatus struct {
	Name     string               `json:"name"`
	Up       bool                 `json:"up"`        // the transport: a server answers, or may
	UnderWay int                  `json:"under_way"` // requests that wait for an answer
	Servers  []RADIUSServerStatus `json:"servers"`   // in the order in which they take over
}

// RADIUSServerStatus is how one server of a client stands. The counters are
// those of RADIUS-ACC-CLIENT-MIB (RFC 4670), since the client was activated;
// Status-Server requests and their answers are not among them.
type RADIUSServerStatus struct {
	Name     string `json:"name"`
	Address  string `json:"address"` // "192.0.2.1:1813"
	Priority int    `json:"priority"`
	TLS      bool   `json:"tls"`
	Up       bool   `json:"up"`
	Current  bool   `json:"current"` // asked first
	Problem  string `json:"problem"` // the last fault since it acknowledged a record; empty: none

	RoundTripTime     time.Duration `json:"round_trip_time"` // of the last answer, from the last try
	Requests          int64         `json:"requests"`        // without retransmissions
	Retransmissions   int64         `json:"retransmissions"`
	Responses         int64         `json:"responses"` // all packets that came from the server
	MalformedAnswers  int64         `json:"malformed_answers"`
	BadAuthenticators int64         `json:"bad_authenticators"`
	Pending           int64         `json:"pending"`
	Timeouts          int64         `json:"timeouts"`
	UnknownTypes      int64         `json:"unknown_types"`
	Dropped           int64         `json:"dropped"` // late answers and second ones
}

// BillingManagerStatus is how the Billing Manager stands, with the values that
// hold: the defaults where nothing is configured.
type BillingManagerStatus struct {
	SBC           string       `json:"sbc"` // its name; empty: there is none
	Configured    bool         `json:"configured"`
	LocalAddress  string       `json:"local_address"` // empty: none is set
	LongCheck     TimeOfDay    `json:"long_check"`
	Methods       []string     `json:"methods"`   // "packetcable-em", "xml"
	Admin         bool         `json:"admin"`     // "activate"
	Operation     bool         `json:"operation"` // calls are being billed
	CachePath     string       `json:"cache_path"`
	CacheMax      int          `json:"cache_max"`   // KB; 0: the room on the volume is the limit
	CacheMinor    int          `json:"cache_minor"` // KB
	CacheMajor    int          `json:"cache_major"`
	CacheCritical int          `json:"cache_critical"`
	OnFailure     bool         `json:"on_failure"` // "cache policy on-failure"
	Resend        int          `json:"resend"`     // seconds between two tries while the transport is down
	MediaInfo     bool         `json:"media_info"`
	EndpointInfo  EndpointInfo `json:"endpoint_info"`
	ElementID     int          `json:"element_id"`
}

// BillingInstanceStatus is how one instance of a billing method stands, with
// the values that hold.
type BillingInstanceStatus struct {
	Name         string    `json:"name"`   // of its place in the cache: "packetcable-em-0", "xml-1"
	Method       string    `json:"method"` // "packetcable-em" or "xml"
	Index        int       `json:"index"`
	Client       string    `json:"client"` // RADIUS client of packetcable-em
	TransportUp  bool      `json:"transport_up"`
	ActiveCalls  int       `json:"active_calls"` // that its method bills
	LocalAddress string    `json:"local_address"`
	DeactMode    string    `json:"deact_mode"`
	Admin        bool      `json:"admin"`     // "attach"
	Operation    bool      `json:"operation"` // it delivers records
	LongCheck    TimeOfDay `json:"long_check"`
	BatchSize    int       `json:"batch_size"` // octets
	BatchTime    int       `json:"batch_time"` // ms
	CDRPath      string    `json:"cdr_path"`   // of xml, and what follows
	Interval     int       `json:"interval"`   // seconds that a file is written to
	Size         int       `json:"size"`       // KB at which a file is finished
	Problem      string    `json:"problem"`    // why it does not deliver; empty: nothing is known
}

// CacheStatus says how the cache of billing records stands. Counters count
// since the process started.
type CacheStatus struct {
	Directory     string                `json:"directory"`
	Segments      int                   `json:"segments"`
	Bytes         int64                 `json:"bytes"`          // of all segments
	Records       int64                 `json:"records"`        // that wait for the consumer that is furthest behind
	Oldest        time.Time             `json:"oldest"`         // when the oldest of them came; zero: none waits
	MemoryRecords int64                 `json:"memory_records"` // not on the disk
	MemoryBytes   int64                 `json:"memory_bytes"`
	Refused       int64                 `json:"refused"`        // records for which there was no room
	Lost          int64                 `json:"lost"`           // records that damage to the disk took
	RepairedBytes int64                 `json:"repaired_bytes"` // torn tails cut off and kept as .bad
	Aside         int                   `json:"aside"`          // segments that are damaged or another box's
	Full          bool                  `json:"full"`           // records wait in memory for room on the disk
	Fault         string                `json:"fault"`          // why the disk cannot be used; empty: it can
	Consumers     []CacheConsumerStatus `json:"consumers"`
}

// CacheConsumerStatus says what waits for one method instance.
type CacheConsumerStatus struct {
	Name     string    `json:"name"`     // "packetcable-em-0", "xml-1"
	Records  int64     `json:"records"`  // not delivered
	Bytes    int64     `json:"bytes"`    // likewise, as on the disk; of an orphaned one, of the segments kept for it
	Oldest   time.Time `json:"oldest"`   // when the oldest of them came; zero: none waits
	Held     bool      `json:"held"`     // it cannot deliver at present
	Orphaned bool      `json:"orphaned"` // not configured any more; kept until cleared
}

// CDRStatus is how the CDR files of the XML instance stand. Files and Calls
// count since it was attached or billing started.
type CDRStatus struct {
	Directory    string `json:"directory"`
	Current      string `json:"current"` // the file being written; empty: no call came since the last one
	CurrentBytes int64  `json:"current_bytes"`
	CurrentCalls int    `json:"current_calls"`
	Files        int64  `json:"files"` // finished
	Calls        int64  `json:"calls"` // written
	LastFile     string `json:"last_file"`
	LastMD5      string `json:"last_md5"`
	FreeKB       int64  `json:"free_kb"` // for CDR files
	Level        string `json:"level"`   // of "cdr alarm": "minor", "major", "critical"; empty: none
	Problem      string `json:"problem"` // why nothing can be written; empty: it can

	Transferred     string `json:"transferred"`      // the last file that was; empty: none
	Waiting         int    `json:"waiting"`          // finished files that are to be transferred
	TransferProblem string `json:"transfer_problem"` // empty: none
}
