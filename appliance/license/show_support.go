package license

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"causeway/appliance/exec"
)

// printSupport prints all there is to know, for those who look for a fault.
func printSupport(s exec.Session, status *Status) {
	printAll(s, status)
	heading(s, "\nIdentity and Trust")
	r := &status.Registration
	exec.Field(s, "Product instance", cmp.Or(r.Instance, none))
	fmt.Fprintf(s, "Software tag:\n  %s\nEntitlement tag:\n  %s\n", status.SoftwareTag, status.EntitlementTag)
	exec.Field(s, "ID certificate", cmp.Or(r.IDSerial, none))
	exec.Field(s, "ID key in the TPM", yes(r.KeyInTPM))
	exec.Field(s, "Authorities trusted", status.Roots)
	exec.Field(s, "Signing certificates known", cmp.Or(strings.Join(status.SigningSerials, ", "), none))
	exec.Field(s, "Last answer signed by", cmp.Or(r.SigningSerial, none))
	printTimers(s, status)
	heading(s, "\nMessages")
	for _, name := range slices.Sorted(maps.Keys(status.Counters)) {
		exec.Field(s, name, status.Counters[name])
	}
	fmt.Fprintf(s, "\n%-24s  %-10s  %s\n", "Time", "Exchange", "Result")
	for _, e := range status.Exchanges {
		fmt.Fprintf(s, "%-24s  %-10s  %s\n", exec.Time(s, e.Time, stamp), e.Kind, e.Result)
		if e.Times > 1 {
			fmt.Fprintf(s, "  (%d times so since %s)\n", e.Times, exec.Time(s, e.Since, stamp))
		}
	}
}

func printTimers(s exec.Session, status *Status) {
	heading(s, "\nTimers")
	a := &status.Authorization
	exec.Field(s, "Trusted time", at(s, status.Now))
	exec.Field(s, "Clock and stored state", cmp.Or(status.Tampered, "as they should be"))
	exec.Field(s, "Evaluation running", yes(status.Evaluation.Running))
	exec.Field(s, "Evaluation consumed", lasting(status.Evaluation.Consumed))
	exec.Field(s, "Evaluation left", lasting(status.Evaluation.Left))
	exec.Field(s, "Authorized since", at(s, a.Start))
	exec.Field(s, "Authorized until", at(s, a.Deadline))
	exec.Field(s, "Days left", a.DaysLeft)
	exec.Field(s, "Licences answered for", a.Count)
	exec.Field(s, "Failures in a row", a.Failures)
	exec.Field(s, "Notification listen mode", yes(status.Listening))
	exec.Field(s, "Latest failure", cmp.Or(status.Failure, none))
}
