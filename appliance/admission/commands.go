package admission

import (
	"fmt"
	"net/netip"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of what can be configured.
const (
	callRateMost   = 10_000 // calls per second (CISCO-USP-MIB)
	sourceRateMost = 1_000_000
	emergencyMost  = 32
	deniedMost     = 1_000
)

// Commands declares who may call, and the modes of call admission control.
func Commands() []config.Command {
	return slices.Concat(rateCommands(), emergencyCommands(), sourceCommands(), cacCommands())
}

// of is the part of the configuration that the lines of global mode are about.
func of(c *model.Config, _ config.Args) *model.Admission { return &c.Admission }

// rateCommands are about calls per second.
func rateCommands() []config.Command {
	return []config.Command{
		either("cps mode", "How the rate of calls is held against its limit",
			"window5m: the average of five minutes; immediate: each second by itself", config.Choice{"window5m", "immediate"},
			func(a *model.Admission) *bool { return &a.CPSImmediate }),
		either("cps reject-at", "Whether an average equal to the limit rejects calls",
			"above: it does not; equal: it does", config.Choice{"above", "equal"},
			func(a *model.Admission) *bool { return &a.CPSEqual }),
		either("cps reject-code", "Response to calls beyond the limit", "SIP status code", config.Choice{"503", "500"},
			func(a *model.Admission) *bool { return &a.CPSCode500 }),
		optional(config.Global, "call-rate-limit", config.Argument{
			Name: "RATE", Type: config.Integer{Min: 1, Max: callRateMost}, Help: "Calls per second that are let in, if the licence allows as many",
		}, of, func(a *model.Admission) *int { return &a.CallRate }),
		either("failed-calls-log", "Log calls that fail, with the rule that refused them", "Whether they are logged", config.Choice{off, on},
			func(a *model.Admission) *bool { return &a.FailedCallsLog }),
	}
}

// emergencyCommands are about calls that must not be refused.
func emergencyCommands() []config.Command {
	return []config.Command{
		either("license emergency-exempt", "Let emergency calls in whatever licence, rate and call admission control say",
			"off: they are calls like others", config.Choice{on, off},
			func(a *model.Admission) *bool { return &a.EmergencyCounted }),
		{
			Mode: config.Global, Syntax: "emergency number NUMBER...", No: "emergency number",
			Args: []config.Argument{{Name: "NUMBER", Type: config.Word{Max: 32}, Help: "User part of the Request-URI, all of it"}},
			Help: "Emergency calls beside urn:service:sos (default 112 911)",
			Apply: func(c *model.Config, a config.Args) error {
				var numbers []string
				for _, n := range a["NUMBER"].([]any) {
					if slices.Contains(numbers, n.(string)) {
						return config.BadArgument("NUMBER", "%s stands twice", n)
					}
					numbers = append(numbers, n.(string))
				}
				if len(numbers) > emergencyMost {
					return config.BadArgument("NUMBER", "there can be no more than %d emergency numbers", emergencyMost)
				}
				if c.Admission.EmergencyNumbers = numbers; slices.Equal(numbers, defaultEmergencyNumbers) {
					c.Admission.EmergencyNumbers = nil
				}
				return nil
			},
			Negate: func(c *model.Config, _ config.Args) error { c.Admission.EmergencyNumbers = nil; return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args {
				var numbers []any
				for _, n := range c.Admission.EmergencyNumbers {
					numbers = append(numbers, n)
				}
				return config.When(numbers != nil, config.Args{"NUMBER": numbers})
			},
		},
	}
}

// sourceCommands are about addresses that requests come from.
func sourceCommands() []config.Command {
	return []config.Command{
		optional(config.Global, "sip flood-limit", config.Argument{
			Name: "RATE", Type: config.Integer{Min: 1, Max: sourceRateMost},
			Help: fmt.Sprintf("Requests a second outside dialogs that one address may send (default %d)", defaultSourceRate),
		}, of, func(a *model.Admission) *int { return &a.SourceRate }),
		{
			Mode: config.Global, Syntax: "sip deny SOURCE", No: "sip deny SOURCE",
			Args: []config.Argument{{Name: "SOURCE", Type: config.Prefix{}, Help: "Address or network"}},
			Help: "Answer nothing that comes from there",
			Apply: func(c *model.Config, a config.Args) error {
				denied, source := &c.Admission.Denied, a["SOURCE"].(netip.Prefix)
				switch {
				case slices.Contains(*denied, source):
				case len(*denied) == deniedMost:
					return config.BadArgument("SOURCE", "there can be no more than %d sources that are denied", deniedMost)
				default:
					*denied = append(*denied, source)
				}
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				i := slices.Index(c.Admission.Denied, a["SOURCE"].(netip.Prefix))
				if i < 0 {
					return config.BadArgument("SOURCE", "%v is not denied", a["SOURCE"])
				}
				c.Admission.Denied = slices.Delete(c.Admission.Denied, i, i+1)
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				var lines []config.Args
				for _, source := range c.Admission.Denied {
					lines = append(lines, config.Args{"SOURCE": source})
				}
				return lines
			},
		},
	}
}
