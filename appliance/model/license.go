package model

import "cmp"

// License is how the box gets its licence (L-15, L-30, L-34). Licensing is on
// unless an operator has switched it off.
type License struct {
	Off            bool   // all calls are rejected (L-15)
	CPS            int    // calls per second that are asked for, a multiple of LicenseUnit; 0: DefaultLicenseCPS
	Profile        string // LicenseContinuity or LicenseStrict; empty: LicenseContinuity
	URL            string // of the licence server, https; empty: none is asked
	Offline        bool   // requests and answers travel as files
	ProxyHost      string // HTTP proxy on the way to the server: address or host name; empty: none
	ProxyPort      int    // its TCP port; 0: DefaultLicenseProxyPort
	HideHostName   bool   // the server is not told the host name
	HideVersion    bool   // nor the version
	ReentitleLimit int    // requests for more licences that may fail in a row; 0: DefaultReentitleLimit (L-26)
	Source         string // what governs calls: SourceSmart, SourceCOM or SourceBoth; empty: SourceSmart
}

// Governor is what governs calls: SourceSmart, SourceCOM or SourceBoth.
func (l License) Governor() string {
	if l.Profile == LicenseSubscription {
		return SourceCOM
	}
	return cmp.Or(l.Source, SourceSmart)
}

// What may govern calls.
const (
	SourceSmart = "smart" // the licence agent
	SourceCOM   = "com"   // the subscription; the licence agent rests
	SourceBoth  = "both"  // the stricter of the two, with the smaller limit
)

// The profiles say what licence states do to calls where the source documents
// disagree.
const (
	LicenseContinuity = "cccsp-15" // calls go on when the authorisation has expired
	LicenseStrict     = "cusp-9"   // they do not
	// LicenseSubscription has the agent rest: the subscription governs.
	LicenseSubscription = "ipo-subscription"
)

// Defaults and units.
const (
	LicenseUnit             = 5     // calls per second that one licence stands for (L-34)
	LicenseMost             = 10000 // calls per second (CISCO-USP-MIB)
	DefaultLicenseCPS       = 10    // as in the source document (L-37, row 15)
	DefaultReentitleLimit   = 8
	DefaultLicenseProxyPort = 8080
)

// LimitCPS is how many calls per second are asked for: also the limit, as a
// request for more than there are licences is honoured (L-11).
func (l License) LimitCPS() int { return cmp.Or(l.CPS, DefaultLicenseCPS) }

// Licenses is how many licences are asked for.
func (l License) Licenses() int { return (l.LimitCPS() + LicenseUnit - 1) / LicenseUnit }
