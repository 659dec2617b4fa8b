package billing

import (
	"cmp"
	"context"
	"fmt"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// showInstances prints what the sample of seed 003 has, in its words and order.
// The instance of XML has the same lines where they fit, and its own.
func showInstances(ctx context.Context, s exec.Session, a config.Args) error {
	status, err := ask(ctx, s, a)
	if err != nil {
		return err
	}
	showManager(s, &status.Manager)
	fmt.Fprint(s, "\nBilling Methods:\n")
	for i := range status.Instances {
		if i > 0 {
			fmt.Fprintln(s)
		}
		showInstance(s, &status.Instances[i])
		if status.Instances[i].Method == methodXML && status.CDR != nil {
			showFiles(s, status.CDR)
		}
	}
	return nil
}

// endpointInfoText is what the lines of "cdr endpoint-info" say, by value.
var endpointInfoText = [...]string{"Not Included", "Adjacency", "Addressing"}

func showManager(s exec.Session, m *model.BillingManagerStatus) {
	fmt.Fprint(s, "Billing Manager Information:\n")
	field(s, "Local IP address", "%s", m.LocalAddress)
	showLongCheck(s, m.LongCheck)
	for _, method := range m.Methods {
		fmt.Fprintf(s, "Method %s\n", method)
	}
	field(s, "Admin Status", "%s", upOrDown(m.Admin))
	field(s, "Operation Status", "%s", upOrDown(m.Operation))
	field(s, "Cache path", "%s", m.CachePath)
	field(s, "Cache max size", "%d Kilobytes", m.CacheMax)
	field(s, "Cache minor-alarm", "%d Kilobytes", m.CacheMinor)
	field(s, "Cache major-alarm", "%d Kilobytes", m.CacheMajor)
	field(s, "Cache critical-alarm", "%d Kilobytes", m.CacheCritical)
	field(s, "Retry-interval", "%d secs", m.Resend)
	field(s, "CDR Media-Info", "%s", map[bool]string{true: "Included", false: "Not Included"}[m.MediaInfo])
	field(s, "CDR Endpoint-Info", "%s", endpointInfoText[m.EndpointInfo])
}

func showInstance(s exec.Session, i *model.BillingInstanceStatus) {
	packets := i.Method == methodPacketCable
	if packets {
		field(s, "Radius client name", "%s", i.Client)
	}
	field(s, "Instance", "%d", i.Index)
	field(s, "Type", "%s", map[bool]string{true: "PACKET-CABLE", false: "XML"}[packets])
	field(s, "Transport Mechanism Status", "%s", upOrDown(i.TransportUp))
	field(s, "Active Calls Billed", "%d", i.ActiveCalls)
	if packets {
		field(s, "Local IP Address", "%s", i.LocalAddress)
	}
	field(s, "Deact-mode", "%s", i.DeactMode)
	field(s, "Admin Status", "%s", upOrDown(i.Admin))
	field(s, "Operation Status", "%s", upOrDown(i.Operation))
	showLongCheck(s, i.LongCheck)
	if packets {
		field(s, "Batch size", "%d", i.BatchSize)
		field(s, "Batch time", "%d ms", i.BatchTime)
	} else {
		field(s, "CDR path", "%s", i.CDRPath)
		field(s, "Flipped-interval", "%d secs", i.Interval)
		field(s, "Flipped-size", "%d Kilobytes", i.Size)
	}
	if i.Problem != "" {
		field(s, "Problem", "%s", i.Problem)
	}
}

// showFiles prints how the files of the XML instance stand.
func showFiles(s exec.Session, f *model.CDRStatus) {
	field(s, "Calls written", "%d", f.Calls)
	field(s, "Files finished", "%d", f.Files)
	if f.Current != "" {
		field(s, "Current file", "%s", f.Current)
		field(s, "Current file size", "%d bytes, %d calls", f.CurrentBytes, f.CurrentCalls)
	}
	if f.LastFile != "" {
		field(s, "Last file", "%s", f.LastFile)
		field(s, "Last file MD5", "%s", f.LastMD5)
	}
	field(s, "Free space", "%d Kilobytes", f.FreeKB)
	field(s, "CDR alarm", "%s", cmp.Or(f.Level, "none"))
	if f.Transferred != "" || f.Waiting > 0 || f.TransferProblem != "" {
		field(s, "Last file transferred", "%s", cmp.Or(f.Transferred, "none"))
		field(s, "Files to be transferred", "%d", f.Waiting)
		field(s, "Transfer problem", "%s", cmp.Or(f.TransferProblem, "none"))
	}
}

// showLongCheck prints a time as the seed's sample does.
func showLongCheck(s exec.Session, at model.TimeOfDay) {
	field(s, "LDR check time", "%d :%d", at.Hour, at.Minute)
}
