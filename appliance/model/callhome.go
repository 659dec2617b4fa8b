package model

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"time"
)

// CallHome is what the box tells its vendor of itself, and how (CH-31…34). The
// zero value is that of a new box: Smart Call Home over HTTPS, which sends
// nothing before somebody has said who is to be asked, where to, and has
// accepted the agreement (Pending).
type CallHome struct {
	Mode          string // CallHomeNone, CallHomeDisabled, CallHomeSmart or CallHomeAnonymous; empty: CallHomeSmart
	Accepted      bool   // the agreement, once for all
	ContactEmail  string // whom the vendor asks; needed for Smart
	Company       string // at most 255 characters
	ContactName   string // at most 128: letters, digits, ".", "_" and "-"
	StreetAddress string // at most 1,024 characters
	Phone         string
	ContractUser  string // the vendor's user ID of the service contract (CH-28)
	CustomerID    string
	ContractID    string
	SiteID        string
	Transport     string            // CallHomeHTTPS, CallHomeEmail or CallHomeProxy; empty: CallHomeHTTPS
	URL           string            // of the vendor, https
	Email         string            // of the vendor, for CallHomeEmail
	ProxyHost     string            // HTTPS proxy, without authentication: address or host name
	ProxyPort     int               // its TCP port
	Format        string            // CallHomeXML or CallHomeJSON, for the vendor; empty: CallHomeXML
	Copies        []string          // e-mail addresses that get a copy, joined by commas at most 1,024 characters
	Traces        bool              // alerts carry trace logs and diagnostic information; Smart only
	MailServers   []MailServer      // in the order in which they are tried
	From, ReplyTo string            // of e-mails; empty From: ContactEmail
	Profiles      []CallHomeProfile // in the order of their names
}

// MailServer is one that takes e-mails (RFC 5321).
type MailServer struct {
	Host     string // address or host name
	Port     int    // TCP; 0: that of Security
	Security string // MailSTARTTLS, MailTLS or MailPlain; empty: MailSTARTTLS
	Priority int    // 1–100; the smallest is tried first
	User     string // empty: it asks for nobody
	Password string // sealed (config.Secret)
}

// CallHomeProfile is one more destination, beside the vendor and the copies:
// some of the messages, in a form of its own.
type CallHomeProfile struct {
	Name   string // 1–31 characters; not ProfileVendor or ProfileCopies
	Off    bool   // no active
	URL    string // https; empty: it goes by e-mail
	Emails []string
	Format string                 // CallHomeXML, CallHomeJSON, CallHomeLong or CallHomeShort; empty: CallHomeXML with a URL, otherwise CallHomeShort
	Groups []CallHomeSubscription // in the order of their names
}

// CallHomeSubscription is an alert group that a profile gets.
type CallHomeSubscription struct {
	Group    string   // one of CallHomeGroups
	Severity Severity // alerts this severe or worse; empty: all
}

// What Call Home does (CH-34).
const (
	CallHomeNone      = "none"      // nothing, and operators are reminded of it when they log in
	CallHomeDisabled  = "disabled"  // nothing
	CallHomeSmart     = "smart"     // all
	CallHomeAnonymous = "anonymous" // inventory and telemetry that name nobody
)

// How messages go to the vendor.
const (
	CallHomeHTTPS = "https"
	CallHomeEmail = "email"
	CallHomeProxy = "https-proxy"
)

// What messages look like.
const (
	CallHomeXML   = "xml"
	CallHomeJSON  = "json"
	CallHomeLong  = "long-text"
	CallHomeShort = "short-text"
)

// How a mail server is reached: with STARTTLS, which must work (RFC 3207), with
// TLS from the beginning (RFC 8314), or in the clear.
const (
	MailSTARTTLS = "starttls"
	MailTLS      = "tls"
	MailPlain    = "none"
)

// The profiles that are always there.
const (
	ProfileVendor = "vendor"
	ProfileCopies = "copies"
)

// The alert groups: three kinds of messages that are due every month, and the
// groups that alerts belong to.
const (
	GroupInventory     = "inventory"
	GroupTelemetry     = "telemetry"
	GroupConfiguration = "configuration"
	GroupTest          = "test"
	GroupPerformance   = "performance"
	GroupDatabase      = "database"
	GroupFailedCalls   = "failed-calls"
	GroupCrash         = "crash"
	GroupEnvironment   = "environment"
	GroupLicense       = "license"
	GroupBilling       = "billing"
	GroupManagement    = "management"
	GroupClock         = "clock"
)

// CallHomeGroups are all alert groups that a profile can have, sorted.
func CallHomeGroups() []string {
	return []string{
		GroupBilling, GroupClock, GroupConfiguration, GroupCrash, GroupDatabase, GroupEnvironment, GroupFailedCalls,
		GroupInventory, GroupLicense, GroupManagement, GroupPerformance, GroupTelemetry,
	}
}

// Does is what Call Home does.
func (c *CallHome) Does() string { return cmp.Or(c.Mode, CallHomeSmart) }

// By is how messages go to the vendor.
func (c *CallHome) By() string { return cmp.Or(c.Transport, CallHomeHTTPS) }

// Enabled says whether messages are to be sent once nothing is Pending.
func (c *CallHome) Enabled() bool {
	return c.Does() == CallHomeSmart || c.Does() == CallHomeAnonymous
}

// Pending is what is missing before the first message, a sentence each; none
// when Call Home is not Enabled.
func (c *CallHome) Pending() (missing []string) {
	if !c.Enabled() {
		return nil
	}
	if c.Does() == CallHomeSmart && c.ContactEmail == "" {
		missing = append(missing, "no contact-email-addr")
	}
	switch {
	case c.By() == CallHomeEmail && c.Email == "":
		missing = append(missing, "no destination email of the vendor")
	case c.By() == CallHomeEmail && len(c.MailServers) == 0:
		missing = append(missing, "no mail-server")
	case c.By() != CallHomeEmail && c.URL == "":
		missing = append(missing, "no destination url of the vendor")
	}
	if !c.Accepted {
		missing = append(missing, "the agreement is not accepted (show call-home eula)")
	}
	return missing
}

// Proxy is the HTTPS proxy on the way to the vendor, and to profiles with a URL,
// "host:port"; empty: none.
func (c *CallHome) Proxy() string {
	if c.By() != CallHomeProxy || c.ProxyHost == "" {
		return ""
	}
	return net.JoinHostPort(c.ProxyHost, strconv.Itoa(c.ProxyPort))
}

// Profile gives the profile of a name, or nil.
func (c *CallHome) Profile(name string) *CallHomeProfile {
	i := slices.IndexFunc(c.Profiles, func(p CallHomeProfile) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &c.Profiles[i]
}

// CallHomeStatus is what is known of Call Home (method control.callhome.status).
type CallHomeStatus struct {
	Mode     string           `json:"mode"`
	Settings CallHome         `json:"settings"` // in force, without passwords
	Pending  []string         `json:"pending"`  // as CallHome.Pending
	Problem  string           `json:"problem"`  // why messages are not safe from a cut; empty: they are
	LastSent time.Time        `json:"last_sent"`
	Next     time.Time        `json:"next"` // scheduled; zero: nothing is
	Due      []CallHomeDue    `json:"due"`  // the monthly messages
	Waiting  []CallHomeEntry  `json:"waiting"`
	Recent   []CallHomeEntry  `json:"recent"` // delivered or dropped last, newest first; at most 20
	Profiles []CallHomeTally  `json:"profiles"`
	Dedup    []CallHomeSeen   `json:"dedup"`   // alerts of the last 24 hours
	Dropped  map[string]int64 `json:"dropped"` // deliveries, by why: "expired", "full", "mode", "profile", "refused", "replaced", "cleared"
}

// CallHomeDue is when a kind of monthly message was sent and will be.
type CallHomeDue struct {
	Group string    `json:"group"`
	Last  time.Time `json:"last"` // made last
	Next  time.Time `json:"next"`
}

// CallHomeEntry is the delivery of a message to a profile.
type CallHomeEntry struct {
	ID       string    `json:"id"`
	Group    string    `json:"group"`
	Name     string    `json:"name"` // of an alert
	Profile  string    `json:"profile"`
	Made     time.Time `json:"made"`
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next"`    // attempt; zero: it is over
	Outcome  string    `json:"outcome"` // "waiting", "sent", or why it was dropped
	Error    string    `json:"error"`   // of the last attempt
	Ended    time.Time `json:"ended"`
}

// CallHomeTally counts what went to a profile.
type CallHomeTally struct {
	Name     string    `json:"name"`
	Sent     int64     `json:"sent"`
	Failed   int64     `json:"failed"` // attempts
	Dropped  int64     `json:"dropped"`
	LastSent time.Time `json:"last_sent"`
	Error    string    `json:"error"` // of the last attempt; empty when it worked
}

// CallHomeSeen is an alert that is not processed again until it is a day old, or
// worse (CH-24).
type CallHomeSeen struct {
	Name     string    `json:"name"` // "Coredumpfilefound"
	Object   string    `json:"object"`
	Severity Severity  `json:"severity"`
	At       time.Time `json:"at"`
	Repeated int       `json:"repeated"` // since then
}
