package billing

import (
	"testing"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

func TestShowBillingStatus(t *testing.T) {
	s := exectest.Session{Answers: map[string]any{"billing.status": model.BillingStatus{
		Revision: "0123456789ab", OpenCalls: 3, Counters: map[string]int64{"answered": 9},
		Journal: model.JournalStatus{Directory: "/harddisk/billcache", Segments: 2, Bytes: 4096, FirstSeq: 5, NextSeq: 17, Repaired: 1},
	}}}
	exectest.Golden(t, "show-billing-status", s.Type(t.Context(), t, ExecCommands(), "show billing status"))
	s.Answers = nil
	exectest.Golden(t, "show-billing-status-down", s.Type(t.Context(), t, ExecCommands(), "sh bill stat"))
}
