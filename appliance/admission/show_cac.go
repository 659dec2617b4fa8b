package admission

import (
	"context"
	"fmt"
	"strconv"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

func cacExecCommands() []exec.Command {
	return []exec.Command{{
		Syntax: "show sbc SBC sbe cac-policy-set SET [table TABLE [entry ENTRY]]",
		Args: []config.Argument{
			{Name: "SBC", Type: config.Name{}, Help: "Name of the session border controller"},
			{Name: "SET", Type: identifier, Help: "Number of the policy set"},
			{Name: "TABLE", Type: config.Name{}, Help: "Name of the table"},
			{Name: "ENTRY", Type: identifier, Help: "Number of the entry"},
		},
		Help: "A set of call admission control tables, and what it counts", Run: showCAC,
	}}
}

// showCAC prints what the sample of seed 003 has, in its words.
func showCAC(ctx context.Context, s exec.Session, a config.Args) error {
	query := CACQuery{SBC: a.Text("SBC"), Set: a.Int("SET"), Table: a.Text("TABLE"), Entry: a.Int("ENTRY")}
	var status CACStatus
	if err := s.Call(ctx, "proxy", "proxy.cac", query, &status); err != nil {
		return err
	}
	set := &status.Set
	fmt.Fprintf(s, "SBC Service %q\n", status.SBC)
	label(s, "CAC Averaging period 1", "60 sec")
	label(s, "CAC Averaging period 2", "0 sec")
	fmt.Fprintf(s, "\nCAC Policy Set %d\n", set.Number)
	label(s, "Active policy set", map[bool]string{true: "Yes", false: "No"}[status.Active])
	label(s, "Description", set.Description)
	label(s, "First CAC table", set.FirstTable)
	label(s, "First CAC scope", max(set.FirstScope, model.ScopeGlobal).String())
	for i := range status.Tables {
		showTable(s, &status.Tables[i])
	}
	return nil
}

func showTable(s exec.Session, status *CACTableStatus) {
	fmt.Fprintln(s)
	label(s, "Table name", status.Table.Name)
	label(s, "Description", status.Table.Description)
	label(s, "Table type", status.Table.Type.String())
	label(s, "Total call setup failures (due to non-media limits)", strconv.FormatInt(status.Failures, 10))
	for i := range status.Entries {
		showEntry(s, &status.Entries[i])
	}
}

func showEntry(s exec.Session, status *CACEntryStatus) {
	e := &status.Entry
	fmt.Fprintf(s, "\nEntry %d\n", e.Number)
	label(s, "CAC scope", e.Scope.String())
	label(s, "CAC scope prefix length", "0")
	label(s, "Match value", e.Match)
	label(s, "Action", actionText(e))
	label(s, "Number of call setup failures (due to non-media limits)", strconv.FormatInt(status.Failures, 10))
	for _, calls := range status.Calls {
		name := calls.Scope
		if calls.Name != "" {
			name += " " + calls.Name
		}
		label(s, "Number of calls ("+name+")", strconv.FormatInt(calls.Calls, 10))
	}
	label(s, "Max calls per scope", unlimited(e.MaxCalls))
	label(s, "Max call rate per scope", unlimited(e.MaxRate))
	label(s, "Max call burst per scope", strconv.Itoa(e.Burst))
	// The box is no media relay and has no IPsec: these are never set.
	label(s, "media bandwidth policing", "Not set")
	label(s, "Media policy limit", "")
	label(s, "IPsec maximum registers", "Unlimited")
	label(s, "IPsec maximum calls", "Unlimited")
	label(s, "Billing filter ", billingFilters[max(e.BillingFilter, model.BillingFilterDisable)])
	label(s, "Billing filter methods", methodsText(e))
}

// label prints a line; one without value ends with its colon, as in the sample.
func label(s exec.Session, name, value string) {
	if value != "" {
		value = " " + value
	}
	fmt.Fprintf(s, "%s:%s\n", name, value)
}

func actionText(e *model.CACEntry) string {
	switch e.Action {
	case model.CACNextTable:
		return "Next table " + e.NextTable
	case model.CACComplete:
		return "CAC complete"
	}
	return "Not set"
}

func unlimited(n int) string {
	if n == 0 {
		return "Unlimited"
	}
	return strconv.Itoa(n)
}

func methodsText(e *model.CACEntry) string {
	switch {
	case e.BillingXML && e.BillingPackets:
		return "xml packetcable-em"
	case e.BillingXML:
		return "xml"
	case e.BillingPackets:
		return "packetcable-em"
	}
	return ""
}
