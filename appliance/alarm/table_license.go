package alarm

import (
	"causeway/appliance/model"
)

// licenseRows are about the licence.
var licenseRows = []Row{
	{
		Name: LicenseAuthorizationExpired, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "the box had no good authorisation of the licence server for 90 days",
		Clear:  "the licence server authorises it",
		Text:   "What the licence profile says happens to calls: cusp-9 refuses them, cccsp-15 lets them go on.",
		Remedy: "Bring back the way to the licence server; see show license status for the last failure.",
	},
	{
		Name: LicenseClock, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "the clock was set back or ahead by a day or more",
		Clear:  "clock and trusted time agree",
		Text:   "Licences go on by the trusted time, which nobody sets.",
		Remedy: "See show clock detail and show access log; set the clock right. A licence that ended by it: register anew.",
	},
	{
		Name: LicenseCopied, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "the licence server says that a copy of this box, or an old image of its disk, has been used",
		Clear:  "an exchange with the server does well",
		Text:   "The server does not answer this box any more; what was authorised lasts until its end.",
		Remedy: "Take the copy out of service and register this box anew: license smart register idtoken TOKEN force.",
	},
	{
		Name: LicenseEvaluation, Severity: model.Warning, ClearAfter: holdDown,
		Raise:  "the box runs in its evaluation, which lasts 90 days of running time",
		Clear:  "it is authorised, or 7 days are left",
		Text:   "Calls are allowed for the time being.",
		Remedy: "Get a token from the licence server and type license smart register.",
	},
	{
		Name: LicenseEvaluationEnding, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "7 days or less of the evaluation are left",
		Clear:  "the box is authorised, or the evaluation is over",
		Text:   "All calls will be refused.",
		Remedy: "Get a token from the licence server and type license smart register.",
	},
	{
		Name: LicenseEvaluationExpired, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "the evaluation is over and the box is not authorised",
		Clear:  "the licence server authorises it",
		Text:   "All new calls are refused.",
		Remedy: "Get a token from the licence server and type license smart register; see show license status.",
	},
	{
		Name: LicenseIDExpired, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "the ID certificate of the box has ended",
		Clear:  "the box is registered anew",
		Text:   "The licence server does not know the box any more.",
		Remedy: "Get a token from the licence server and type license smart register.",
	},
	{
		Name: LicenseIDExpiring, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "30 days or less are left of the ID certificate, which should have been renewed long ago",
		Clear:  "it is renewed, or has ended",
		Text:   "The box will have to be registered anew.",
		Remedy: "Bring back the way to the licence server, then type license smart renew id.",
	},
	{
		Name: LicenseOutOfCompliance, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "more licences are asked for than the account has",
		Clear:  "the licence server has enough, or fewer are asked for",
		Text:   "Calls are allowed all the same.",
		Remedy: "Get more licences for the account, or lower license smart activate cusp.",
	},
	{
		Name: LicenseRenewalFailing, Severity: model.Minor, ClearAfter: holdDown,
		Raise:  "the licence server was asked and did not answer in a way that can be believed",
		Clear:  "it did",
		Text:   "Nothing changes until the authorisation ends.",
		Remedy: "See show license status for why and for the end; check license smart url, the route and the name servers.",
	},
	{
		Name: LicenseState, Severity: model.Major, ClearAfter: holdDown,
		Raise:  "the state of the licence on bootflash: was damaged, cannot be verified, or cannot be written",
		Clear:  "an exchange with the server does well, and it can be written",
		Text:   "What could not be believed has fallen away.",
		Remedy: "See show license status and show storage; register the box anew where it is not registered.",
	},
	{
		Name: LicenseUnconfigured, Severity: model.Critical, ClearAfter: holdDown,
		Raise:  "licensing is switched off",
		Clear:  "it is on",
		Text:   "All new calls are refused.",
		Remedy: "Type license smart enable in the configuration.",
	},
}
