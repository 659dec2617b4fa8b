package alarm

import (
	"time"

	"causeway/appliance/model"
)

// comRows are about the link to COM and what depends on it.
var comRows = []Row{
	{
		Name: COMLineDelay, Severity: model.Warning, RaiseAfter: 5 * time.Minute, ClearAfter: 5 * time.Minute,
		Raise:  "a round trip over the link takes more than 200 ms, by the median of five",
		Clear:  "it takes less, or there is no link",
		Text:   "COM asks for 200 ms at the most; consoles and tunnels are slow.",
		Remedy: "See show com, and com line-test; look for what fills the line, or for a shorter way.",
	},
	{
		Name: COMLineSlow, Severity: model.Warning, ClearAfter: holdDown,
		Raise:  "less than 128 kbit/s were measured over the link",
		Clear:  "more was measured, or there is no link",
		Text:   "COM asks for 128 kbit/s at least; files take long, and consoles wait for them.",
		Remedy: "See show com, and com line-test; look for what else fills the line.",
	},
	{
		Name: COMLinkDown, Severity: model.Minor, RaiseAfter: 2 * time.Minute, ClearAfter: holdDown,
		Raise:  "there should be a link to COM and there is none; of a subscribed box com-grace tells",
		Clear:  "there is one, or there should be none",
		Text:   "Nobody sees the box from COM; what is subscribed goes on for 30 days.",
		Remedy: "See show com for why; outbound TCP 443 or 8443 must be open, and the name of the server must resolve.",
	},
	{
		Name: COMOutbox, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "the outbox cannot be read or written, or has dropped what COM was to be told",
		Clear:  "it can, and COM has all that is left",
		Text:   "COM does not learn of all that has happened; it is told how much is missing.",
		Remedy: "See show com outbox and show storage; bring back the link.",
	},
	{
		Name: COMPending, Severity: model.Warning, ClearAfter: holdDown,
		Raise:  "the link is up and nobody at COM has approved the box",
		Clear:  "somebody has",
		Text:   "There are no subscriptions yet.",
		Remedy: "Have the box approved: tell customer ID and serial number (show com).",
	},
	{
		Name: COMRefused, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "COM does not take the box for who it says it is, or does not know the customer",
		Clear:  "it does",
		Text:   "There is no link; it is tried again with what else the box can show.",
		Remedy: "See show com for why; check com customer-id, and show certificates for what the box shows.",
	},
	{
		Name: COMUntrusted, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "COM could not be known: there is no authority to know it by, or it is another, or the name or the time is wrong",
		Clear:  "COM is who it should be",
		Text:   "There is no link: the box tells nobody else who it is.",
		Remedy: "See show com for why; check com server and the clock; crypto pki authenticate com brings the authority of COM.",
	},
}
