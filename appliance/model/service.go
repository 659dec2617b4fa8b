package model

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// BuildInfo says what image this is. The image carries it as
// /etc/causeway/build.json.
type BuildInfo struct {
	Version string    `json:"version"` // semantic version, "v1.4.0+0123456789ab"; ".dirty" at its end: with changes that are not committed
	Floor   string    `json:"floor"`   // the lowest version that a box takes once this one is blessed on it
	Commit  string    `json:"commit"`
	Time    time.Time `json:"time"` // the commit's time: the floor of the clock
	Board   string    `json:"board"`
	Kernel  string    `json:"kernel"` // the Debian package version of the kernel
	Variant string    `json:"variant"`
}

// SystemHealth is init's report (method init.health).
type SystemHealth struct {
	Uptime       time.Duration   `json:"uptime"`
	BootToReady  time.Duration   `json:"boot_to_ready"` // kernel start to the last service started
	Slot         string          `json:"slot"`          // "A", "B", or "kernel" when booted without a slot
	Trial        bool            `json:"trial"`         // the slot is not blessed yet
	Watchdog     string          `json:"watchdog"`      // identity of the device, or why there is none
	Slots        []SlotStatus    `json:"slots"`         // known a while after the boot; none on a box without
	Volumes      []VolumeStatus  `json:"volumes"`
	Services     []ServiceStatus `json:"services"`
	Missing      []string        `json:"missing"` // what the box could not do, a sentence each
	MemTotalKB   uint64          `json:"mem_total_kb"`
	MemAvailable uint64          `json:"mem_available_kb"`
}

// Protection is one thing that keeps the box from being changed while it runs
// (method init.protections).
type Protection struct {
	Name  string `json:"name"`  // "Root file system", "Service proxy"
	State string `json:"state"` // "read-only", or "not read-only"
	Holds bool   `json:"holds"`
}

// SlotStatus is what one of the two slots holds.
type SlotStatus struct {
	Name    string `json:"name"`    // "A" or "B"
	State   string `json:"state"`   // SlotEmpty …; empty: not looked at yet
	Version string `json:"version"` // of its image; empty: it has none, or it cannot be read
	Problem string `json:"problem"` // what is wrong with it; empty if nothing is
	TotalKB uint64 `json:"total_kb"`
	UsedKB  uint64 `json:"used_kb"`
}

// VolumeStatus is one of bootflash:, harddisk:, usb0:.
type VolumeStatus struct {
	Name   string `json:"name"`   // "bootflash"
	Device string `json:"device"` // "/dev/vda3", "memory", or empty
	// State is "mounted", "mounted read-only", "unmounted" (as asked),
	// "missing", "pulled" (while it was mounted), "foreign" (it holds what is
	// not ours to use), "damaged" (it cannot be mounted) or "silent" (its
	// device does not answer).
	State      string `json:"state"`
	FileSystem string `json:"file_system"` // "ext4", "vfat", "tmpfs", or empty when nothing is mounted
	ReadOnly   bool   `json:"read_only"`
	Problem    string `json:"problem"` // what is wrong and what to do about it; empty if nothing is
	TotalKB    uint64 `json:"total_kb"`
	FreeKB     uint64 `json:"free_kb"`
}

// ServiceStatus is one supervised process.
type ServiceStatus struct {
	Name        string        `json:"name"`
	PID         int           `json:"pid"` // 0 when it is not running
	Uptime      time.Duration `json:"uptime"`
	Restarts    int           `json:"restarts"`
	LastExit    string        `json:"last_exit"`    // "signal: killed", "exit status 1", empty if it never ended
	LastRestart time.Duration `json:"last_restart"` // from its end to its next start
	MemoryKB    uint64        `json:"memory_kb"`
}

// ProxyStatus is the proxy's report (method proxy.status). Counters count
// since the process started.
type ProxyStatus struct {
	Revision     string           `json:"revision"` // first 12 hex digits of the SHA-256 of the revision text
	Grant        Grant            `json:"grant"`
	Listens      []string         `json:"listens"` // "lan1 udp 192.168.42.1:5060"
	OpenCalls    int              `json:"open_calls"`
	Transactions int              `json:"transactions"`
	Counters     map[string]int64 `json:"counters"`
	Alarms       []Condition      `json:"alarms,omitempty"` // all that holds now
}

// BillingStatus is billing's report (method billing.status).
type BillingStatus struct {
	Revision  string                  `json:"revision"` // as in ProxyStatus
	OpenCalls int                     `json:"open_calls"`
	Journal   JournalStatus           `json:"journal"`
	Counters  map[string]int64        `json:"counters"` // events read, by kind; what was lost
	Manager   BillingManagerStatus    `json:"manager"`
	Instances []BillingInstanceStatus `json:"instances"`
	RADIUS    []RADIUSClientStatus    `json:"radius"` // of the instances that run
	Cache     CacheStatus             `json:"cache"`
	CDR       *CDRStatus              `json:"cdr"`              // nil: no XML instance runs
	Alarms    []Condition             `json:"alarms,omitempty"` // as in ProxyStatus
}

// JournalStatus says how full the journal is.
type JournalStatus struct {
	Directory string `json:"directory"`
	Segments  int    `json:"segments"`
	Bytes     int64  `json:"bytes"`
	FirstSeq  uint64 `json:"first_seq"` // oldest record not yet acknowledged
	NextSeq   uint64 `json:"next_seq"`
	Repaired  int    `json:"repaired"` // torn tails cut off at open
}

// ControlStatus is control's report (method control.status).
type ControlStatus struct {
	HostName     string            `json:"host_name"`
	ConfigSource string            `json:"config_source"` // "revision", "last good", "machine", "built-in"
	Revision     int               `json:"revision"`      // the number of the one in force; 0: built-in
	RevisionID   string            `json:"revision_id"`   // what proxy and billing report when they run with it
	Pending      *PendingCommit    `json:"pending"`       // nil: none
	Aside        int               `json:"aside"`         // lines of it that this firmware does not know
	Problems     []string          `json:"problems"`      // with the configuration, a sentence each; worst first
	Reminders    []string          `json:"reminders"`     // of what is to be decided, a sentence each, for who logs in
	Interfaces   []InterfaceStatus `json:"interfaces"`
	Clock        string            `json:"clock"`     // "synchronised to 192.0.2.1, offset 3 ms", or why not
	Resolver     string            `json:"resolver"`  // likewise
	TimeZone     TimeZone          `json:"time_zone"` // that sessions show times in
	Proxy        string            `json:"proxy"`     // "revision 0123456789ab", or what went wrong
	Billing      string            `json:"billing"`   // likewise
	COM          []string          `json:"com"`       // who is in over COM, as in Operator.Origin, sorted
}

// PendingCommit is a commit that is undone unless it is confirmed in time.
type PendingCommit struct {
	Revision int       `json:"revision"`
	Until    time.Time `json:"until"` // by the clock as it is set now
	Back     int       `json:"back"`  // the revision that comes back; 0: built-in
}

// InterfaceStatus is one port as the kernel has it.
type InterfaceStatus struct {
	LAN      string `json:"lan"` // "LAN1", "LAN1.100"
	MAC      string `json:"mac"`
	Link     string `json:"link"`     // "up", "down", "missing", "unknown" (the kernel does not tell); empty: shut down, or not looked at yet
	Shutdown bool   `json:"shutdown"` // by the configuration, of it or of the port that it is a VLAN on
	Address  string `json:"address"`  // with their prefix lengths, separated by ", "
	DHCP     bool   `json:"dhcp"`     // the IPv4 address comes from a lease
	Problem  string `json:"problem"`  // difference between desired and actual, empty if none
}

// The user each process runs as, and the groups they share.
const (
	UIDProxy   = 101
	UIDBilling = 102
	UIDControl = 103
	UIDConsole = 104

	GIDCauseway = 100 // all processes: the sockets of link
	GIDJournal  = 110 // proxy and billing: the journal
	GIDKeys     = 111 // billing: what control has made secret
	GIDProxyTLS = 112 // proxy: its key of TLS
)

// RevisionID names the text of a configuration: the first 12 hex digits of its
// SHA-256, empty for no text.
func RevisionID(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// SerialFile holds the serial number of the box, made at first boot by init.
const SerialFile = "/run/init/serial"
