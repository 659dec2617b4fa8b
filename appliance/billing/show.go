package billing

import (
	"cmp"
	"context"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// ExecCommands declares what an operator may ask of billing.
func ExecCommands() []exec.Command {
	return []exec.Command{
		{Syntax: "show billing status", Help: "Journal and counters of billing", Run: showStatus},
	}
}

func showStatus(ctx context.Context, s exec.Session, _ config.Args) error {
	var status model.BillingStatus
	if err := s.Call(ctx, "billing", "billing.status", nil, &status); err != nil {
		return err
	}
	exec.Field(s, "Revision", cmp.Or(status.Revision, "none"))
	exec.Field(s, "Open calls", status.OpenCalls)
	exec.Field(s, "Journal", status.Journal.Directory)
	exec.Field(s, "Journal segments", status.Journal.Segments)
	exec.Field(s, "Journal size (bytes)", status.Journal.Bytes)
	exec.Field(s, "Journal first record", status.Journal.FirstSeq)
	exec.Field(s, "Journal next record", status.Journal.NextSeq)
	exec.Field(s, "Journal repairs", status.Journal.Repaired)
	exec.Counters(s, status.Counters)
	return nil
}
