package alarm

import (
	"time"

	"causeway/appliance/model"
)

// billingRows are about billing records and files of call records.
var billingRows = []Row{
	{
		Name: BillingCacheCritical, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "the records that wait take more than the critical size of cache alarm",
		Clear:  "they take 5 % less than that",
		Text:   "Billing records pile up: the record keeper has not taken them for long.",
		Remedy: "Bring back the RADIUS servers, or the volume of the CDR files; see show sbc NAME sbe billing instance.",
	},
	{
		Name: BillingCacheFault, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "the cache cannot be written: a stick was pulled, the disk is broken or read-only",
		Clear:  "it can be written again",
		Text:   "Billing records wait in memory, and then in the journal of the harddisk.",
		Remedy: "Put the stick back, or look at show storage.",
	},
	{
		Name: BillingCacheMajor, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "the records that wait take more than the major size of cache alarm",
		Clear:  "they take 5 % less than that",
		Text:   "Billing records pile up: the record keeper has not taken them for long.",
		Remedy: "Bring back the RADIUS servers, or the volume of the CDR files; see show sbc NAME sbe billing instance.",
	},
	{
		Name: BillingCacheMinor, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "the records that wait take more than the minor size of cache alarm",
		Clear:  "they take 5 % less than that",
		Text:   "Billing records pile up: the record keeper has not taken them for a while.",
		Remedy: "Bring back the RADIUS servers, or the volume of the CDR files; see show sbc NAME sbe billing instance.",
	},
	{
		Name: BillingCacheOrphaned, Severity: model.Minor, Object: "the instance", ClearAfter: holdDown,
		Raise:  "records wait for an instance of a billing method, or in a cache path, that is not configured any more",
		Clear:  "it is configured again, or its records were cleared",
		Text:   "Records wait for somebody who does not come.",
		Remedy: "Configure the instance again to have them delivered, or give them up with clear sbc NAME sbe billing cache.",
	},
	{
		Name: BillingEventsLost, Severity: model.Critical, Object: "what was lost", ClearAfter: 10 * time.Minute,
		Raise:  "the proxy had call events for which there was no room in the journal, or billing lost what it knew of calls",
		Clear:  "there is room; billing starts anew",
		Text:   "Call events were lost: records of these calls are incomplete.",
		Remedy: "Make room on the volume of the journal; see show storage and show sip status.",
	},
	{
		Name: BillingJournalDamaged, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "billing met records in the journal that damage to the disk took",
		Clear:  "billing starts anew",
		Text:   "Records of past calls were lost on the disk.",
		Remedy: "Look at the files *.bad beside the journal; replace the disk if it happens again.",
	},
	{
		Name: BillingJournalFull, Severity: model.Critical, ClearAfter: time.Minute,
		Raise:  "the proxy refuses calls because their events have no room in the journal",
		Clear:  "no such refusal any more",
		Text:   "Calls are refused with 503: they could not be billed.",
		Remedy: "Make room on the volume of the journal, or bring back the record keeper that empties it.",
	},
	{
		Name: BillingRecordsRefused, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "records had no room: the cache is at its max-size or its volume full, and so is the memory behind it",
		Clear:  "billing starts anew",
		Text:   "Billing records were lost; the number is exact.",
		Remedy: "Bring back the RADIUS servers, make room on the volume, or raise cache max-size.",
	},
	{
		Name: BillingTransportDown, Severity: model.Major, Object: "the RADIUS client", ClearAfter: holdDown,
		Raise:  "no server of a RADIUS client answers",
		Clear:  "one answers",
		Text:   "Records wait in the cache; delivery is tried every 10 seconds.",
		Remedy: "Look at the servers and the way there: show sbc NAME sbe radius-client-accounting CLIENT, ping.",
	},
	{
		Name: CDRFault, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "CDR files cannot be written",
		Clear:  "they can",
		Text:   "Call records wait in the billing cache.",
		Remedy: "Look at the volume of cdr path: show storage.",
	},
	{
		Name: CDRSpaceCritical, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "the volume of the CDR files has less free room than the critical size of cdr alarm",
		Clear:  "it has 5 % more than that",
		Text:   "The volume of the CDR files fills up.",
		Remedy: "Fetch the CDR files and delete them here, or have them transferred; see cdr transfer.",
	},
	{
		Name: CDRSpaceMajor, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "the volume of the CDR files has less free room than the major size of cdr alarm",
		Clear:  "it has 5 % more than that",
		Text:   "The volume of the CDR files fills up.",
		Remedy: "Fetch the CDR files and delete them here, or have them transferred; see cdr transfer.",
	},
	{
		Name: CDRSpaceMinor, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "the volume of the CDR files has less free room than the minor size of cdr alarm",
		Clear:  "it has 5 % more than that",
		Text:   "The volume of the CDR files fills up.",
		Remedy: "Fetch the CDR files and delete them here, or have them transferred; see cdr transfer.",
	},
	{
		Name: CDRTransfer, Severity: model.Minor, RaiseAfter: 2 * time.Minute, ClearAfter: holdDown,
		Raise:  "finished CDR files cannot be transferred",
		Clear:  "they can",
		Text:   "CDR files stay on this box.",
		Remedy: "Look at the other system, its host key and the password of cdr transfer.",
	},
}
