package license

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/config"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// seedSummary is the page License Summary of the source document.
const seedSummary = `Smart License Client State: OUT_OF_COMPLIANCE
Module Serial Number: qzHWUdZfXhQ
Product ID: UC_CUSP
Cusp UDI: UC_CUSP:qzHWUdZfXhQ
Entitlement Tag: regid.2014-08.com.cisco.CUSP-5,1.0_8f106f12-4d11-44b7-8f36-f7aeaae3dfaa
License Server Address: https://tools.cisco.com/its/service/oddce/services/DDCEService
Smart Agent Transport Mode: TransportCallHome
Enforcement Mode: OutOfCompliance
Software ID TAG: regid.2014-12.com.cisco.CUSP,1.0_5548940b-3dff-4353-b418-10e29cb7493b
Product ID TAG: UC_CUSP
Entitlement Version: 9.0
Registration Expiry Date: Wed May 09 01:42:49 GMT 2018
Next Auth Date: Wed May 10 11:43:50 GMT 2017
Evaluation Period(in hrs): 0
Entitlement Count Requested: 10
Is Registration Successful: YES
Is Authorization Successful: YES
Is Agent Enabled: ENABLED
Is Evaluation Mode: NO
Latest Failure Reason: No recent Failure messages
Http Proxy Address: Not Set:
`

// seedStatus is how the agent stands on that page, and in the lines of its log.
func seedStatus() Status {
	registered := time.Date(2017, 5, 9, 1, 42, 49, 0, time.UTC)
	start := time.UnixMilli(1494337382539)
	asked := time.Date(2017, 5, 9, 23, 43, 50, 0, time.UTC)
	return Status{
		State: OutOfCompliance, Profile: model.LicenseContinuity, Source: model.SourceSmart, Calls: true, LimitCPS: 10, Requested: 2, Listening: true, Now: asked.Add(time.Minute),
		PID: "UC_CUSP", Serial: "qzHWUdZfXhQ", Version: "9.0", Agent: agentVersion, EntitlementName: entitlementName,
		SoftwareTag:    "regid.2014-12.com.cisco.CUSP,1.0_5548940b-3dff-4353-b418-10e29cb7493b",
		EntitlementTag: "regid.2014-08.com.cisco.CUSP-5,1.0_8f106f12-4d11-44b7-8f36-f7aeaae3dfaa",
		URL:            "https://tools.cisco.com/its/service/oddce/services/DDCEService", HostName: true, SendsVersion: true, Roots: 1,
		Evaluation: Evaluation{Consumed: time.Hour, Left: 90*24*time.Hour - time.Hour},
		Registration: Registration{
			Registered: true, Instance: "c2d100c0-c268-49ad-ad8c-9519d2b823c2", SmartAccount: "Example", VirtualAccount: "CUSP TEST", Initial: registered,
			LastAttempt: registered, NextAttempt: registered.Add(15_552_000 * time.Second), Expires: registered.AddDate(1, 0, 0),
			IDSerial: "969365", SigningSerial: "3", KeyInTPM: true,
		},
		Authorization: Authorization{
			Compliance: "OOC", Since: start, Start: start, Deadline: start.AddDate(0, 0, 90), LastAttempt: asked, NextAttempt: asked.Add(43_200 * time.Second),
			Count: 2, DaysLeft: 90,
		},
		SigningSerials: []string{"2", "3"}, Counters: map[string]int64{"sent-authorize": 2, "answered-authorize": 2},
		Exchanges: []Exchange{{Time: registered, Kind: KindRegister, Result: "ok"}, {Time: start, Kind: KindAuthorize, Result: "ok"}, {Time: asked, Kind: KindAuthorize, Result: "ok"}},
	}
}

// gmt is an operator who reads times as the source document prints them.
type gmt struct{ *exectest.Session }

func (gmt) Zone() *time.Location { return time.FixedZone("GMT", 0) }

// TestSummaryAsInTheSeed: its 21 rows (L-37); only the transport is another.
func TestSummaryAsInTheSeed(t *testing.T) {
	want := strings.Replace(seedSummary, "TransportCallHome", "TransportSmart", 1)
	s := gmt{&exectest.Session{Answers: map[string]any{"control.license.status": seedStatus()}}}
	if err := showing(printCUSP)(t.Context(), s, config.Args{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, s.Printed()); diff != "" {
		t.Errorf("it differs from the seed (-seed +printed):\n%s", diff)
	}
}

// newBox is the status of a box that nobody has set up.
func newBox() Status {
	s := seedStatus()
	return Status{
		State: Unidentified, Profile: model.LicenseContinuity, Source: model.SourceSmart, Calls: true, LimitCPS: 10, Requested: 2, Now: s.Now,
		PID: productID, Serial: s.Serial, Version: entitlementVersion, Agent: agentVersion, EntitlementName: entitlementName,
		SoftwareTag: softwareTag, EntitlementTag: entitlementTag, HostName: true, SendsVersion: true,
		Evaluation: Evaluation{Running: true, Consumed: 6*time.Minute + 40*time.Second, Left: 90*24*time.Hour - 6*time.Minute - 40*time.Second},
	}
}

// expired is the status of a strict box whose server was not reached for 90
// days.
func expired() Status {
	s := seedStatus()
	s.State, s.Profile, s.Calls, s.Listening, s.Failure = AuthorizationExpired, model.LicenseStrict, false, true, "dial tcp 192.0.2.1:443: connection refused"
	s.Proxy, s.HostName, s.SendsVersion, s.Tampered = "proxy.example:3128", false, false, "the clock was set back by 365 days"
	s.Now = s.Authorization.Deadline.Add(time.Hour)
	a := &s.Authorization
	a.Since, a.LastAttempt, a.LastFailed, a.NextAttempt, a.DaysLeft, a.Failures = a.Deadline, s.Now, true, s.Now.Add(4*time.Hour), 0, 500
	s.Registration.LastAttempt, s.Registration.LastFailed = s.Now.AddDate(0, 0, -1), true
	s.Exchanges = append(s.Exchanges, Exchange{Time: s.Now, Kind: KindAuthorize, Result: "connection refused", Times: 12, Since: s.Now.Add(-day)})
	return s
}

func TestShowLicense(t *testing.T) {
	refused := newBox()
	refused.Registration, refused.Failure = Registration{LastAttempt: refused.Now, LastFailed: true}, "bad-token: no such token"
	off := newBox()
	off.State, off.Calls, off.Evaluation.Running, off.Offline = Unconfigured, false, false, true
	both := seedStatus()
	both.Source, both.LimitCPS, both.Licensed, both.Subscribed = model.SourceBoth, 5, model.Allowance{Calls: true, LimitCPS: 10}, model.Allowance{Calls: true, LimitCPS: 5}
	resting := newBox()
	resting.Profile, resting.Source, resting.Calls, resting.Evaluation.Running = model.LicenseSubscription, model.SourceCOM, false, false
	for name, test := range map[string]struct {
		status Status
		shown  []string
	}{
		"both":              {both, []string{"all"}},
		"resting":           {resting, []string{"all", "summary"}},
		"new":               {newBox(), []string{"all", "summary"}},
		"refused":           {refused, []string{"all", "summary"}},
		"off":               {off, []string{"all"}},
		"out-of-compliance": {seedStatus(), []string{"all"}},
		"expired":           {expired(), []string{"all", "summary", "usage", "tech-support"}},
	} {
		s := exectest.Session{Answers: map[string]any{"control.license.status": test.status}}
		show := func(what string) string { return s.Type(t.Context(), t, ExecCommands(), "show license "+what) }
		for _, what := range test.shown {
			exectest.Golden(t, "show-"+what+"-"+name, show(what))
		}
		for _, part := range []string{"status", "udi"} {
			if all, text := show("all"), show(part); text == "" || !strings.Contains(all, text) {
				t.Errorf("%s: show license %s prints\n%s\nwhich show license all does not", name, part, text)
			}
		}
	}
	down := exectest.Session{}
	if got, want := down.Type(t.Context(), t, ExecCommands(), "show license all"), "% control does not answer\n"; got != want {
		t.Errorf("show license all without control prints %q; want %q", got, want)
	}
}

// TestStateIsShownAlike: how a state is called, in five places.
func TestStateIsShownAlike(t *testing.T) {
	for state, want := range map[State][]string{
		Unconfigured:         {"UNCONFIGURED", "Unconfigured", ":unconfigured", "NO", "NO"},
		Unidentified:         {"UNIDENTIFIED", "Eval", ":eval", "YES", "NO"},
		Registered:           {"REGISTERED", "Eval", ":eval", "YES", "NO"},
		EvalExpired:          {"EVAL_EXPIRED", "EvalExpired", ":eval_expired", "NO", "NO"},
		Authorized:           {"AUTHORIZED", "InCompliance", ":in_compliance", "NO", "YES"},
		OutOfCompliance:      {"OUT_OF_COMPLIANCE", "OutOfCompliance", ":out_of_compliance", "NO", "YES"},
		AuthorizationExpired: {"AUTHORIZATION_EXPIRED", "AuthorizationExpired", ":authorization_expired", "NO", "NO"},
	} {
		s := exectest.Session{Answers: map[string]any{"control.license.status": Status{State: state}}}
		printed := s.Type(t.Context(), t, ExecCommands(), "show license summary cusp")
		for i, row := range []string{"Smart License Client State", "Enforcement Mode", "", "Is Evaluation Mode", "Is Authorization Successful"} {
			if row != "" && !strings.Contains(printed, row+": "+want[i]+"\n") {
				t.Errorf("%v: there is no row %q with %q in\n%s", state, row, want[i], printed)
			}
		}
		dir := t.TempDir()
		l, _, _ := logged(t, dir)
		l.State(Unconfigured, state, "why")
		if text := readLog(t, dir); !strings.HasSuffix(text, want[0]+" ("+want[2]+"): why\n") {
			t.Errorf("the log of %v is %q; want it as %s", state, text, want[2])
		}
	}
}

// TestUnitsOfTheSeed: the figures of the source document, without the mistakes
// in its units (L-61 to L-65).
func TestUnitsOfTheSeed(t *testing.T) {
	status := seedStatus()
	logged := time.Date(2017, 5, 9, 13, 48, 28, 516e6, time.UTC) // "expiry:7775673", which are seconds that are left
	left := status.Authorization.Deadline.Sub(logged)
	if (left - 7_775_673*time.Second).Abs() > 2*time.Second {
		t.Errorf("L-62: %v are left of the authorisation; want 7775673 s", left)
	}
	status.Authorization.DaysLeft = daysLeft(left)
	s := exectest.Session{Answers: map[string]any{"control.license.status": status}}
	printed := s.Type(t.Context(), t, ExecCommands(), "show license tech-support")
	for rule, want := range map[string]string{
		"L-61, renew_interval is 180 days":                     "Next Renewal Attempt: Nov 05 02:42:49 2017 CET",
		"L-62, 90 days after start_date":                       "Communication Deadline: Aug 07 14:43:02 2017 CET",
		"L-63, not -17206":                                     "Days left: 90",
		"L-65, retry_interval is 12 hours, as the server says": "Next Communication Attempt: May 10 12:43:50 2017 CET",
	} {
		if !strings.Contains(printed, want+"\n") {
			t.Errorf("%s: there is no %q in\n%s", rule, want, printed)
		}
	}
	if requested := seedEntitlement().Requested.UTC(); requested.Format(time.DateTime) != "2017-05-09 01:42:49" {
		t.Errorf("L-64: requested_date is %v; want no year 49322", requested)
	}
}
