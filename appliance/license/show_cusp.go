package license

import (
	"cmp"
	"math"
	"time"

	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// dateStamp is how date prints a time (L-60).
const dateStamp = "Mon Jan 02 15:04:05 MST 2006"

// notSet is what a row has that nobody has set.
const notSet = "Not Set"

// cuspRows are the rows of the page License Summary of CUSP, in its order and
// its words (L-37).
var cuspRows = []struct {
	name  string
	value func(exec.Session, *Status) any
}{
	{"Smart License Client State", func(_ exec.Session, s *Status) any { return s.State }},
	{"Module Serial Number", func(_ exec.Session, s *Status) any { return s.Serial }},
	{"Product ID", func(_ exec.Session, s *Status) any { return s.PID }},
	{"Cusp UDI", func(_ exec.Session, s *Status) any { return s.PID + ":" + s.Serial }},
	{"Entitlement Tag", func(_ exec.Session, s *Status) any { return s.EntitlementTag }},
	{"License Server Address", func(_ exec.Session, s *Status) any { return cmp.Or(s.URL, notSet) }},
	{"Smart Agent Transport Mode", func(_ exec.Session, s *Status) any { return transportMode(s) }},
	{"Enforcement Mode", func(_ exec.Session, s *Status) any { return s.State.EnforcementMode() }},
	{"Software ID TAG", func(_ exec.Session, s *Status) any { return s.SoftwareTag }},
	{"Product ID TAG", func(_ exec.Session, s *Status) any { return s.PID }},
	{"Entitlement Version", func(_ exec.Session, s *Status) any { return s.Version }},
	{"Registration Expiry Date", func(to exec.Session, s *Status) any { return date(to, s.Registration.Expires) }},
	{"Next Auth Date", func(to exec.Session, s *Status) any { return date(to, s.Authorization.NextAttempt) }},
	{"Evaluation Period(in hrs)", func(_ exec.Session, s *Status) any { return evaluationHours(s) }},
	{"Entitlement Count Requested", func(_ exec.Session, s *Status) any { return s.Requested * model.LicenseUnit }},
	{"Is Registration Successful", func(_ exec.Session, s *Status) any { return yes(s.Registration.Registered) }},
	{"Is Authorization Successful", func(_ exec.Session, s *Status) any {
		return yes(s.State == Authorized || s.State == OutOfCompliance)
	}},
	{"Is Agent Enabled", func(_ exec.Session, s *Status) any { return enabledIf(s.State != Unconfigured) }},
	{"Is Evaluation Mode", func(_ exec.Session, s *Status) any { return yes(s.State == Unidentified || s.State == Registered) }},
	{"Latest Failure Reason", func(_ exec.Session, s *Status) any { return cmp.Or(s.Failure, "No recent Failure messages") }},
	{"Http Proxy Address", func(_ exec.Session, s *Status) any { return cmp.Or(s.Proxy, notSet+":") }}, // as host:port
}

func printCUSP(s exec.Session, status *Status) {
	for _, row := range cuspRows {
		exec.Field(s, row.name, row.value(s, status))
	}
}

func transportMode(s *Status) string {
	if s.Offline {
		return "TransportOff"
	}
	return "TransportSmart"
}

func date(s exec.Session, t time.Time) string {
	if t.IsZero() {
		return notSet
	}
	return exec.Time(s, t, dateStamp)
}

// evaluationHours are those that are left of a running evaluation.
func evaluationHours(s *Status) int {
	if !s.Evaluation.Running {
		return 0
	}
	return int(math.Ceil(s.Evaluation.Left.Hours()))
}

func yes(is bool) string {
	if is {
		return "YES"
	}
	return "NO"
}
