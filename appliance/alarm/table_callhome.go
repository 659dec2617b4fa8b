package alarm

import (
	"time"

	"causeway/appliance/model"
)

// callhomeRows are about Call Home, and what is measured for its alerts alone
// (CH-22).
var callhomeRows = []Row{
	{
		Name: CallHomeStore, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "the file of Call Home was damaged and set aside, or cannot be written",
		Clear:  "it can be written again; control starts with a file that is whole",
		Text:   "Messages that wait, and which alerts were told, may not survive a restart.",
		Remedy: "See show call-home and the alarms about bootflash:.",
	},
	{
		Name: CallHomeUndelivered, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "a message could not be delivered for 24 hours, or was dropped undelivered",
		Clear:  "a message was delivered, or a day has passed since the last was dropped",
		Text:   "The vendor does not learn how the box is.",
		Remedy: "See show call-home detail for why; check destination, name servers and crypto pki authenticate callhome.",
	},
	{
		Name: ProxyCPU, Severity: model.Major, RaiseAfter: time.Minute, ClearAfter: time.Minute,
		Raise:  "the proxy has the processors for itself",
		Clear:  "below the mark",
		Text:   "Calls are delayed, and soon refused: the proxy has no more to take.",
		Remedy: "See show processes and show call-rate; lower the call rate that is offered.",
		Levels: []Level{{model.Major, 90, 80}},
	},
}
