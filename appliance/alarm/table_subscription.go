package alarm

import (
	"causeway/appliance/model"
)

// subscriptionRows are about what the customer has subscribed.
var subscriptionRows = []Row{
	{
		Name: COMCallsRefused, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "the subscription governs calls (license source) and allows none",
		Clear:  "it allows calls, or does not govern them any more",
		Text:   "All new calls are refused.",
		Remedy: "See show com subscriptions and show com; get a subscription for calls, or see license source.",
	},
	{
		Name: COMGrace, Severity: model.Major, Object: "day",
		Raise:  "a subscribed box is without COM, for 5 minutes on day 1 and for a day more on each day up to day 30",
		Clear:  "COM has confirmed the subscription, or the next day has begun",
		Text:   "Everything works for 30 days of running time; then the subscription functions stop.",
		Remedy: "See show com for why the link is down: address, route, name server, time, TCP ports 443 and 8443.",
	},
	{
		Name: COMGraceOver, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "a subscribed box was without COM for 30 days of running time",
		Clear:  "COM has confirmed the subscription",
		Text:   "The subscription functions have stopped; com grace-end says whether calls have.",
		Remedy: "See show com for why the link is down: address, route, name server, time, TCP ports 443 and 8443.",
	},
	{
		Name: COMSubscriptionEnded, Severity: model.Major, Object: "function", ClearAfter: holdDown,
		Raise:  "a subscription has ended",
		Clear:  "COM has another for the function, or none at all",
		Text:   "The function does not work any more.",
		Remedy: "See show com subscriptions; have the subscription renewed.",
	},
	{
		Name: COMSubscriptionEnding, Severity: model.Minor, Object: "function", ClearAfter: holdDown,
		Raise:  "a subscription ends in 30 days or less",
		Clear:  "it was renewed, or it has ended",
		Text:   "The function stops working at that date, without a grace.",
		Remedy: "See show com subscriptions; have the subscription renewed.",
	},
	{
		Name: COMSubscriptionState, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "what was kept of the subscription cannot be read or is not of this box, or cannot be kept",
		Clear:  "COM has answered and it is kept again",
		Text:   "The subscription may be unknown until COM is reached, or the grace may be counted anew.",
		Remedy: "See show com subscriptions and the alarms about bootflash:.",
	},
}
