package admission

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

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

// The words of switches.
const (
	on  = "on"
	off = "off"
)

var onOff = config.Choice{on, off}

// choice declares a line that sets one of a few words, the first of which is
// the default and not rendered.
func choice(syntax, help, about string, words config.Choice, set func(*model.Admission, string), get func(*model.Admission) string) config.Command {
	return config.Command{
		Mode: config.Global, Syntax: syntax + " WORD",
		Args:  []config.Argument{{Name: "WORD", Type: words, Help: about}},
		Help:  help + " (default " + words[0] + ")",
		Apply: func(c *model.Config, a config.Args) error { set(&c.Admission, a.Text("WORD")); return nil },
		Render: func(c *model.Config, _ config.Args) []config.Args {
			if word := get(&c.Admission); word != words[0] {
				return []config.Args{{"WORD": word}}
			}
			return nil
		},
	}
}

// second gives the second of two words where it is chosen, else the first.
func second(words config.Choice, chosen bool) string {
	if chosen {
		return words[1]
	}
	return words[0]
}

// rateCommands are about calls per second.
func rateCommands() []config.Command {
	modes, bounds := config.Choice{"window5m", "immediate"}, config.Choice{"above", "equal"}
	return []config.Command{
		choice("cps mode", "How the rate of calls is held against its limit",
			"window5m: the average of five minutes; immediate: each second by itself", modes,
			func(a *model.Admission, word string) { a.CPSImmediate = word == modes[1] },
			func(a *model.Admission) string { return second(modes, a.CPSImmediate) }),
		choice("cps reject-at", "Whether an average equal to the limit rejects calls",
			"above: it does not; equal: it does", bounds,
			func(a *model.Admission, word string) { a.CPSEqual = word == bounds[1] },
			func(a *model.Admission) string { return second(bounds, a.CPSEqual) }),
		choice("cps reject-code", "Response to calls beyond the limit",
			"SIP status code", config.Choice{"503", "500"},
			func(a *model.Admission, word string) {
				if a.CPSCode = 0; word == "500" {
					a.CPSCode = 500
				}
			},
			func(a *model.Admission) string { return strconv.Itoa(orDefault(a.CPSCode, DefaultRejectCode)) }),
		number("call-rate-limit", "Calls per second that are let in, if the licence allows as many",
			callRateMost, func(a *model.Admission) *int { return &a.CallRate }),
		choice("failed-calls-log", "Log calls that fail, with the rule that refused them", "Whether they are logged", config.Choice{off, on},
			func(a *model.Admission, word string) { a.FailedCallsLog = word == on },
			func(a *model.Admission) string { return second(config.Choice{off, on}, a.FailedCallsLog) }),
	}
}

// number declares a line with a number that is 0 when it is not set.
func number(syntax, help string, most int, field func(*model.Admission) *int) config.Command {
	return config.Command{
		Mode: config.Global, Syntax: syntax + " RATE", No: syntax,
		Args:   []config.Argument{{Name: "RATE", Type: config.Integer{Min: 1, Max: most}, Help: "A second"}},
		Help:   help,
		Apply:  func(c *model.Config, a config.Args) error { *field(&c.Admission) = a.Int("RATE"); return nil },
		Negate: func(c *model.Config, _ config.Args) error { *field(&c.Admission) = 0; return nil },
		Render: func(c *model.Config, _ config.Args) []config.Args {
			if n := *field(&c.Admission); n > 0 {
				return []config.Args{{"RATE": n}}
			}
			return nil
		},
	}
}

// emergencyCommands are about calls that must not be refused.
func emergencyCommands() []config.Command {
	return []config.Command{
		choice("license emergency-exempt", "Let emergency calls in whatever licence, rate and call admission control say",
			"off: they are calls like others", onOff,
			func(a *model.Admission, word string) { a.EmergencyCounted = word == off },
			func(a *model.Admission) string { return second(onOff, a.EmergencyCounted) }),
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
				if c.Admission.EmergencyNumbers = numbers; slices.Equal(numbers, DefaultEmergencyNumbers) {
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
				if numbers == nil {
					return nil
				}
				return []config.Args{{"NUMBER": numbers}}
			},
		},
	}
}

// sourceCommands are about addresses that requests come from.
func sourceCommands() []config.Command {
	return []config.Command{
		number("sip flood-limit", fmt.Sprintf("Requests outside dialogs that one address may send (default %d)", DefaultSourceRate),
			sourceRateMost, func(a *model.Admission) *int { return &a.SourceRate }),
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
