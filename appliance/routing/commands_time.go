package routing

import (
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const (
	timeMode         = "config-time"
	timeSequenceMode = "config-time-seq"
)

var timePolicies = collection[model.TimePolicy]{
	what: "time policy", plural: "time policies", argument: "POLICY", most: policiesMax,
	all:  func(c *model.Config) *[]model.TimePolicy { return &c.SIP.Routing.TimePolicies },
	name: func(p *model.TimePolicy) *string { return &p.Name },
}

var timeSequences = ordered[model.TimeSequence]{
	all:    func(c *model.Config, a config.Args) *[]model.TimeSequence { return &timePolicies.in(c, a).Sequences },
	number: func(s *model.TimeSequence) *int { return &s.Sequence },
}

// timeCommands declares time policies.
func timeCommands() []config.Command {
	return []config.Command{
		timePolicies.opener(config.Global, "policy time", "end policy", "Configure times that ways of a route group are used at", timeMode),
		timeSequences.opener(timeMode, "Configure a set of times; the policy holds when one of its sets does", timeSequenceMode),
		moment("start-time", "From when on", func(s *model.TimeSequence) *string { return &s.Start }, nil),
		moment("end-time", "Until when", func(s *model.TimeSequence) *string { return &s.End }, checkEnd),
		numbers("month", "In which months", config.Ranges{Min: 1, Max: 12}, func(s *model.TimeSequence) *[]int { return &s.Months }),
		numbers("day-of-month", "On which days of the month", config.Ranges{Min: 1, Max: 31}, func(s *model.TimeSequence) *[]int { return &s.Days }),
		numbers("day-of-week", "On which days of the week", config.Weekdays, func(s *model.TimeSequence) *[]int { return &s.Weekdays }),
		{
			Mode: timeSequenceMode, Syntax: "time FROM TO", No: "time [FROM TO]",
			Args: []config.Argument{
				{Name: "FROM", Type: config.TimeOfDay{}, Help: "From when on"},
				{Name: "TO", Type: config.TimeOfDay{}, Help: "Until when, on the next day if that is earlier"},
			},
			Help: "At which time of the day",
			Apply: func(c *model.Config, a config.Args) error {
				if a.Int("FROM") == a.Int("TO") && a.Int("FROM") != 0 {
					return config.BadArgument("TO", "no time lies between %[1]s and %[1]s", config.TimeOfDay{}.Format(a.Int("TO")))
				}
				s := timeSequences.in(c, a)
				s.From, s.To = a.Int("FROM"), a.Int("TO")
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				s := timeSequences.in(c, a)
				s.From, s.To = 0, 0
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				s := timeSequences.in(c, in)
				if s.From == 0 && s.To == 0 {
					return nil
				}
				return []config.Args{{"FROM": s.From, "TO": s.To}}
			},
		},
	}
}

// moment declares a bound of a sequence.
func moment(words, help string, field func(*model.TimeSequence) *string, check func(*model.Config, config.Args) error) config.Command {
	return config.Command{
		Mode: timeSequenceMode, Syntax: words + " MOMENT", No: words + " [MOMENT]",
		Args: []config.Argument{{Name: "MOMENT", Type: config.DateTime{}, Help: "Date and time, local or with Z in UTC"}},
		Help: help,
		Apply: func(c *model.Config, a config.Args) error {
			*field(timeSequences.in(c, a)) = a.Text("MOMENT")
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error { *field(timeSequences.in(c, a)) = ""; return nil },
		Check:  check,
		Render: func(c *model.Config, in config.Args) []config.Args {
			return config.When(*field(timeSequences.in(c, in)) != "", config.Args{"MOMENT": *field(timeSequences.in(c, in))})
		},
	}
}

// checkEnd refuses an end before the start, as far as both are of one kind.
func checkEnd(c *model.Config, a config.Args) error {
	s := timeSequences.in(c, a)
	alike := strings.HasSuffix(s.Start, "Z") == strings.HasSuffix(s.End, "Z")
	if s.Start != "" && alike && s.End <= s.Start {
		return config.BadArgument("MOMENT", "the end %s is not after the start %s", s.End, s.Start)
	}
	return nil
}

// numbers declares a set of months or days.
func numbers(words, help string, t config.Ranges, field func(*model.TimeSequence) *[]int) config.Command {
	return config.Command{
		Mode: timeSequenceMode, Syntax: words + " RANGES", No: words + " [RANGES]",
		Args: []config.Argument{{Name: "RANGES", Type: t, Help: "With commas and hyphens"}},
		Help: help,
		Apply: func(c *model.Config, a config.Args) error {
			*field(timeSequences.in(c, a)) = slices.Clone(a.Numbers("RANGES"))
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error { *field(timeSequences.in(c, a)) = nil; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			return config.When(*field(timeSequences.in(c, in)) != nil, config.Args{"RANGES": *field(timeSequences.in(c, in))})
		},
	}
}
