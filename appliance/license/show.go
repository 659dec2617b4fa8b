package license

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// showCommands declares what can be seen of the licence. Words and order are
// those of smart licensing elsewhere, so that what reads them there reads them
// here.
func showCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show license all", Help: "All about the licence", Run: showing(printAll)},
		{Syntax: "show license status", Help: "How the box stands with the licence server", Run: showing(printStatus)},
		{Syntax: "show license usage", Help: "What is asked for, and whether it was bought", Run: showing(printUsage)},
		{Syntax: "show license udi", Help: "What the box is called by the licence server", Run: showing(printUDI)},
		{Syntax: "show license summary", Help: "The licence in short", Run: showing(printSummary)},
		{Syntax: "show license summary cusp", Help: "The licence in short, as CUSP has it", Run: showing(printCUSP)},
		{Syntax: "show license tech-support", Help: "All about the licence, with what was said to the server", Run: showing(printSupport)},
	}
}

// stamp is how times are shown.
const stamp = "Jan 02 15:04:05 2006 MST"

// none is a time that there is not.
const none = "None"

// showing is a command that asks for the status and prints something of it.
func showing(print func(exec.Session, *Status)) func(context.Context, exec.Session, config.Args) error {
	return func(ctx context.Context, s exec.Session, _ config.Args) error {
		var status Status
		if err := s.Call(ctx, "control", "control.license.status", nil, &status); err != nil {
			return err
		}
		print(s, &status)
		return nil
	}
}

// authorizationText is how the states are called under License Authorization.
var authorizationText = [...]string{
	Unconfigured:         "UNCONFIGURED",
	Unidentified:         "EVAL MODE",
	Registered:           "EVAL MODE",
	EvalExpired:          "EVAL EXPIRED",
	Authorized:           "AUTHORIZED",
	OutOfCompliance:      "OUT OF COMPLIANCE",
	AuthorizationExpired: "AUTHORIZATION EXPIRED",
}

func printAll(s exec.Session, status *Status) {
	heading(s, "Smart Licensing Status")
	printStatus(s, status)
	heading(s, "\nLicense Usage")
	printEntitlement(s, status)
	heading(s, "\nProduct Information")
	printUDI(s, status)
	heading(s, "\nAgent Version")
	exec.Field(s, "Smart Agent for Licensing", status.Agent)
	heading(s, "\nReservation Info")
	exec.Field(s, "License reservation", "DISABLED")
}

// heading prints a line and underlines it.
func heading(s exec.Session, text string) {
	fmt.Fprintf(s, "%s\n%s\n", text, strings.Repeat("=", len(strings.TrimSpace(text))))
}

func printStatus(s exec.Session, status *Status) {
	printEnabled(s, status)
	printRegistration(s, status, false)
	printAuthorization(s, status, false)
	fmt.Fprint(s, "\nExport Authorization Key:\n  Features Authorized:\n    <none>\n\nUtility:\n  Status: DISABLED\n\nData Privacy:\n")
	exec.Field(s, "  Sending Hostname", map[bool]string{true: "yes", false: "no"}[status.HostName])
	exec.Field(s, "    Callhome hostname privacy", "DISABLED")
	exec.Field(s, "    Smart Licensing hostname privacy", enabledIf(!status.HostName))
	exec.Field(s, "  Version privacy", enabledIf(!status.SendsVersion))
	printTransport(s, status)
	fmt.Fprintln(s, "\nMiscellaneous:")
	exec.Field(s, "  Custom Id", "<empty>")
	exec.Field(s, "  Profile", status.Profile)
	exec.Field(s, "  Source", status.Source)
	if status.Source != model.SourceSmart {
		licensed := callsText(status.Licensed)
		if status.Source == model.SourceCOM {
			licensed = "rests"
		}
		exec.Field(s, "  Smart Licensing", licensed)
		exec.Field(s, "  Subscription", callsText(status.Subscribed))
	}
	exec.Field(s, "  Calls", callsText(model.Allowance{Calls: status.Calls, LimitCPS: status.LimitCPS}))
}

func printEnabled(s exec.Session, status *Status) {
	fmt.Fprintf(s, "Smart Licensing is %s\n", enabledIf(status.State != Unconfigured))
	if status.Source == model.SourceCOM {
		fmt.Fprintln(s, "It rests: the subscription governs calls")
	}
}

func enabledIf(is bool) string {
	if is {
		return "ENABLED"
	}
	return "DISABLED"
}

// callsText says what may be done to calls.
func callsText(a model.Allowance) string {
	if !a.Calls {
		return "rejected"
	}
	return fmt.Sprintf("allowed, up to %d a second", a.LimitCPS)
}

// at is a time, or none.
func at(s exec.Session, t time.Time) string {
	if t.IsZero() {
		return none
	}
	return exec.Time(s, t, stamp)
}

// attempt says how one ended; in short without when and why.
func attempt(s exec.Session, status *Status, name string, t time.Time, failed, short bool) {
	if t.IsZero() {
		exec.Field(s, name, none)
		return
	}
	text := "SUCCEEDED"
	if failed {
		text = "FAILED"
	}
	if !short {
		text += " on " + exec.Time(s, t, stamp)
	}
	exec.Field(s, name, text)
	latest := !t.Before(status.Registration.LastAttempt) && !t.Before(status.Authorization.LastAttempt)
	if failed && latest && !short { // only of the latest failure it is known why
		exec.Field(s, "    Failure reason", status.Failure)
	}
}

func printRegistration(s exec.Session, status *Status, short bool) {
	fmt.Fprintln(s, "\nRegistration:")
	r := &status.Registration
	if !r.Registered {
		text := "UNREGISTERED"
		if r.LastFailed {
			text += " - REGISTRATION FAILED"
		}
		exec.Field(s, "  Status", text)
		exec.Field(s, "  Export-Controlled Functionality", "NOT ALLOWED")
		if r.LastFailed {
			attempt(s, status, "  Initial Registration", r.LastAttempt, true, short)
		}
		return
	}
	exec.Field(s, "  Status", "REGISTERED")
	exec.Field(s, "  Smart Account", r.SmartAccount)
	exec.Field(s, "  Virtual Account", r.VirtualAccount)
	exec.Field(s, "  Export-Controlled Functionality", "NOT ALLOWED")
	if !short {
		attempt(s, status, "  Initial Registration", r.Initial, false, false)
	}
	renewal := r.LastAttempt
	if !renewal.After(r.Initial) {
		renewal = time.Time{} // that was the registration
	}
	attempt(s, status, "  Last Renewal Attempt", renewal, r.LastFailed, short)
	exec.Field(s, "  Next Renewal Attempt", at(s, r.NextAttempt))
	if !short {
		exec.Field(s, "  Registration Expires", at(s, r.Expires))
	}
}

func printAuthorization(s exec.Session, status *Status, short bool) {
	fmt.Fprintln(s, "\nLicense Authorization:")
	a := &status.Authorization
	printAuthorized(s, status, short)
	if status.Evaluation.Running {
		exec.Field(s, "  Evaluation Period Remaining", lasting(status.Evaluation.Left))
	}
	if !status.Registration.Registered && a.Compliance == "" {
		return
	}
	attempt(s, status, "  Last Communication Attempt", a.LastAttempt, a.LastFailed, short)
	exec.Field(s, "  Next Communication Attempt", at(s, a.NextAttempt))
	switch {
	case short:
	case status.State == AuthorizationExpired:
		exec.Field(s, "  Communication Deadline", "DEADLINE EXCEEDED")
	default:
		exec.Field(s, "  Communication Deadline", at(s, a.Deadline))
	}
}

// printAuthorized prints the state, and since when.
func printAuthorized(s exec.Session, status *Status, short bool) {
	text := authorizationText[status.State]
	if since := status.Authorization.Since; !short && !since.IsZero() && !status.Evaluation.Running {
		text += " on " + exec.Time(s, since, stamp)
	}
	exec.Field(s, "  Status", text)
}

// lasting is as "89 days, 23 hours, 53 minutes, 20 seconds".
func lasting(d time.Duration) string {
	seconds := int64(max(d, 0) / time.Second)
	return fmt.Sprintf("%d days, %d hours, %d minutes, %d seconds", seconds/86_400, seconds/3600%24, seconds/60%60, seconds%60)
}

func printTransport(s exec.Session, status *Status) {
	fmt.Fprintln(s, "\nTransport:")
	if status.Offline {
		exec.Field(s, "  Type", "Transport Off")
		return
	}
	exec.Field(s, "  Type", "Smart")
	exec.Field(s, "  URL", cmp.Or(status.URL, "Not Configured"))
	fmt.Fprintln(s, "  Proxy:")
	host, port, err := net.SplitHostPort(status.Proxy)
	if err != nil {
		fmt.Fprintln(s, "    Not Configured")
		return
	}
	exec.Field(s, "    Address", host)
	exec.Field(s, "    Port", port)
}

func printUsage(s exec.Session, status *Status) {
	fmt.Fprintln(s, "License Authorization:")
	printAuthorized(s, status, false)
	fmt.Fprintln(s)
	printEntitlement(s, status)
}

// printEntitlement prints what is asked for: licences, and calls per second
//
func printEntitlement(s exec.Session, status *Status) {
	fmt.Fprintf(s, "%s (%s):\n", status.EntitlementName, tagName(status.EntitlementTag))
	exec.Field(s, "  Description", status.EntitlementName)
	exec.Field(s, "  Count", status.Requested)
	exec.Field(s, "  Version", status.Version)
	exec.Field(s, "  Status", authorizationText[status.State])
	exec.Field(s, "  Export status", "NOT RESTRICTED")
	exec.Field(s, "  Calls per second", status.Requested*model.LicenseUnit)
}

// tagName is the name in a tag: regid.YYYY-MM.DOMAIN.NAME,VERSION_UUID.
func tagName(tag string) string {
	regid, _, _ := strings.Cut(tag, ",")
	return regid[strings.LastIndexByte(regid, '.')+1:]
}

func printUDI(s exec.Session, status *Status) {
	fmt.Fprintf(s, "UDI: PID:%s,SN:%s\n", status.PID, status.Serial)
}

func printSummary(s exec.Session, status *Status) {
	printEnabled(s, status)
	printRegistration(s, status, true)
	printAuthorization(s, status, true)
	const row = "  %-26s  %-18s  %5v  %s\n"
	fmt.Fprintln(s, "\nLicense Usage:")
	fmt.Fprintf(s, row, "License", "Entitlement tag", "Count", "Status")
	fmt.Fprintln(s, "  "+strings.Repeat("-", 76))
	fmt.Fprintf(s, row, status.EntitlementName, "("+tagName(status.EntitlementTag)+")", status.Requested, authorizationText[status.State])
}
