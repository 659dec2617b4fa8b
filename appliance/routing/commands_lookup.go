package routing

import (
	"regexp"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const (
	lookupMode         = "config-lookup"
	lookupSequenceMode = "config-lookup-seq"
)

var lookupPolicies = collection[model.LookupPolicy]{
	what: "lookup policy", plural: "lookup policies", argument: "POLICY", most: policiesMax,
	all:  func(c *model.Config) *[]model.LookupPolicy { return &c.SIP.Routing.Lookups },
	name: func(p *model.LookupPolicy) *string { return &p.Name },
}

var lookupSteps = ordered[model.LookupStep]{
	all:    func(c *model.Config, a config.Args) *[]model.LookupStep { return &lookupPolicies.in(c, a).Steps },
	number: func(s *model.LookupStep) *int { return &s.Sequence },
}

// lookupFacts are what can be looked up beside parts of the message.
var lookupFacts = []part{
	{"field in-network", model.FieldInNetwork, "the network the request came in on"},
	{"field local-ip", model.FieldLocalIP, "the address it came in on"},
	{"field local-port", model.FieldLocalPort, "the port it came in on"},
	{"field remote-ip", model.FieldRemoteIP, "the address it came from"},
	{"field remote-port", model.FieldRemotePort, "the port it came from"},
	{"field protocol", model.FieldProtocol, "the transport it came in by"},
	{"field method", model.FieldMethod, "its method"},
}

// lookupCommands declares lookup policies.
func lookupCommands() []config.Command {
	opener := lookupPolicies.opener(config.Global, "policy lookup", "end policy", "Configure how routes are looked up", lookupMode)
	opener.Check = func(c *model.Config, a config.Args) error {
		return refuseCircle(c, "POLICY", junction{model.ToPolicy, a.Text("POLICY")})
	}
	commands := []config.Command{opener}
	for _, p := range slices.Concat(messageParts, wholeParts, lookupFacts) {
		commands = append(commands, lookupStep(p))
	}
	remove := &commands[1] // of any step: the number is enough
	remove.No, remove.Negate = "sequence SEQUENCE", lookupSteps.remove
	flags := map[string]func(*model.LookupStep) *bool{
		"ignore-plus":           func(s *model.LookupStep) *bool { return &s.IgnorePlus },
		"ignore-tel-separators": func(s *model.LookupStep) *bool { return &s.IgnoreTelSeparators },
		"ignore-tel-seperators": func(s *model.LookupStep) *bool { return &s.IgnoreTelSeparators }, // as CUSP spells it
	}
	return append(commands,
		config.Command{
			Mode: lookupSequenceMode, Syntax: "rule RULE [LENGTH]", No: "rule [RULE [LENGTH]]",
			Args: []config.Argument{
				{Name: "RULE", Type: config.Choice(model.MatchRuleNames[:]), Help: "exact (default); prefix: the longest one; fixed: so many characters; subdomain, subnet: the longest; regex: the first"},
				integer("LENGTH", 1, 64, "Characters, of rule fixed"),
			},
			Help:  "How the key matches the keys of the table",
			Apply: setRule,
			Negate: func(c *model.Config, a config.Args) error {
				s := lookupSteps.in(c, a)
				s.Rule, s.Length = model.MatchExact, 0
				return nil
			},
			Check: checkRule,
			Render: func(c *model.Config, in config.Args) []config.Args {
				s := lookupSteps.in(c, in)
				if s.Rule == model.MatchExact {
					return nil
				}
				line := config.Args{"RULE": model.MatchRuleNames[s.Rule]}
				if s.Length != 0 {
					line["LENGTH"] = s.Length
				}
				return []config.Args{line}
			},
		},
		config.Command{
			Mode: lookupSequenceMode, Syntax: "modify-key MODIFIER", No: "modify-key MODIFIER",
			Args: []config.Argument{{Name: "MODIFIER", Type: config.Choice{"ignore-plus", "ignore-tel-separators", "ignore-tel-seperators"},
				Help: "Leave a plus at the begin, or the separators - . ( ) of a number, out"}},
			Help: "Change the key before it is looked up",
			Apply: func(c *model.Config, a config.Args) error {
				*flags[a.Text("MODIFIER")](lookupSteps.in(c, a)) = true
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				*flags[a.Text("MODIFIER")](lookupSteps.in(c, a)) = false
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				var lines []config.Args
				for _, words := range []string{"ignore-plus", "ignore-tel-separators"} {
					if *flags[words](lookupSteps.in(c, in)) {
						lines = append(lines, config.Args{"MODIFIER": words})
					}
				}
				return lines
			},
		},
		config.Command{
			Mode: lookupSequenceMode, Syntax: "modify-key regex-match MATCH regex-replace VALUE", No: "modify-key regex-match",
			Args: []config.Argument{
				{Name: "MATCH", Type: config.Expression{}, Help: "What is replaced"},
				{Name: "VALUE", Type: config.Line{Quoted: true}, Help: `With what; "" for nothing; $1, $2 stand for the groups of MATCH`},
			},
			Help: "Change the key before it is looked up",
			Apply: func(c *model.Config, a config.Args) error {
				s := lookupSteps.in(c, a)
				s.Match, s.Replace = a.Text("MATCH"), a.Text("VALUE")
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				s := lookupSteps.in(c, a)
				s.Match, s.Replace = "", ""
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				s := lookupSteps.in(c, in)
				return config.When(s.Match != "", config.Args{"MATCH": s.Match, "VALUE": s.Replace})
			},
		},
	)
}

// lookupStep declares the line of a step that looks up p.
func lookupStep(p part) config.Command {
	return config.Command{
		Mode: lookupMode, Syntax: "sequence SEQUENCE TABLE " + p.words, Opens: lookupSequenceMode, Ends: "end sequence", Rank: "SEQUENCE",
		Args: append(argumentsOf(p.words), sequence, nameArg("TABLE", "Name of a route table")),
		Help: "Look up " + p.help,
		Apply: func(c *model.Config, a config.Args) error {
			s, err := lookupSteps.put(c, a)
			if err == nil {
				s.Table, s.Field = a.Text("TABLE"), p.field(a)
			}
			return err
		},
		Check: func(c *model.Config, a config.Args) error { return routeTables.known(c, "TABLE", a.Text("TABLE")) },
		Render: func(c *model.Config, in config.Args) []config.Args {
			var lines []config.Args
			for _, s := range lookupPolicies.in(c, in).Steps {
				if line, ok := p.line(s.Field); ok {
					line["SEQUENCE"], line["TABLE"] = s.Sequence, s.Table
					lines = append(lines, line)
				}
			}
			return lines
		},
	}
}

func setRule(c *model.Config, a config.Args) error {
	rule := model.MatchRule(slices.Index(model.MatchRuleNames[:], a.Text("RULE")))
	if (rule == model.MatchFixed) != a.Has("LENGTH") {
		return config.BadArgument("RULE", "rule fixed has a length, and the others have none")
	}
	s := lookupSteps.in(c, a)
	s.Rule, s.Length = rule, a.Int("LENGTH")
	return nil
}

// checkRule refuses a rule that keys of the table do not fit.
func checkRule(c *model.Config, a config.Args) error {
	s := lookupSteps.in(c, a)
	t := routeTables.find(c, s.Table)
	if t == nil {
		return nil // the line of the sequence says so
	}
	for _, r := range t.Routes {
		var err error
		switch s.Rule {
		case model.MatchRegex:
			_, err = regexp.Compile(r.Key)
		case model.MatchSubnet:
			_, err = config.Prefix{}.Parse(r.Key)
		}
		if err != nil {
			return config.BadArgument("RULE", "key %s of route table %s: %v", r.Key, t.Name, err)
		}
	}
	return nil
}
