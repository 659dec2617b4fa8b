package routing

import (
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const normalizationMode = "config-norm"

var normalizers = collection[model.NormalizationPolicy]{
	what: "normalization policy", plural: "normalization policies", argument: "POLICY", most: policiesMax,
	all:  func(c *model.Config) *[]model.NormalizationPolicy { return &c.SIP.Routing.Normalizers },
	name: func(p *model.NormalizationPolicy) *string { return &p.Name },
}

var normalizationSteps = ordered[model.NormalizationStep]{
	all: func(c *model.Config, a config.Args) *[]model.NormalizationStep {
		return &normalizers.in(c, a).Steps
	},
	number: func(s *model.NormalizationStep) *int { return &s.Sequence },
}

// change is a line of a normalization policy.
type change struct {
	action model.NormalizationAction
	part
}

// changes are all of them, in CUSP's words.
var changes = []change{
	{model.NormalizeAdd, part{"header add HEADER VALUE", model.FieldHeader, "Add a header field"}},
	{model.NormalizeUpdate, part{"header update HEADER WHICH MATCH VALUE", model.FieldHeader, "Change a header field"}},
	{model.NormalizeRemove, part{"header remove HEADER WHICH MATCH", model.FieldHeader, "Remove a header field"}},
	{model.NormalizeAdd, part{"header-param add HEADER WHICH PARAM VALUE", model.FieldHeaderParam, "Add a parameter to a header field"}},
	{model.NormalizeUpdate, part{"header-param update HEADER WHICH PARAM MATCH VALUE", model.FieldHeaderParam, "Change a parameter of a header field"}},
	{model.NormalizeRemove, part{"header-param remove HEADER WHICH PARAM", model.FieldHeaderParam, "Remove a parameter of a header field"}},
	{model.NormalizeUpdate, part{"uri-component update request-uri COMPONENT MATCH VALUE", model.FieldRequestURI, "Change a component of the Request-URI"}},
	{model.NormalizeUpdate, part{"uri-component update HEADER WHICH COMPONENT MATCH VALUE", model.FieldHeader, "Change a component of the URI in a header field"}},
	{model.NormalizeAdd, part{"uri-param add request-uri PARAM VALUE", model.FieldURIParam, "Add a parameter to the Request-URI"}},
	{model.NormalizeAdd, part{"uri-param add HEADER WHICH PARAM VALUE", model.FieldURIParam, "Add a parameter to the URI in a header field"}},
	{model.NormalizeUpdate, part{"uri-param update request-uri PARAM MATCH VALUE", model.FieldURIParam, "Change a parameter of the Request-URI"}},
	{model.NormalizeUpdate, part{"uri-param update HEADER WHICH PARAM MATCH VALUE", model.FieldURIParam, "Change a parameter of the URI in a header field"}},
	{model.NormalizeRemove, part{"uri-param remove request-uri PARAM", model.FieldURIParam, "Remove a parameter of the Request-URI"}},
	{model.NormalizeRemove, part{"uri-param remove HEADER WHICH PARAM", model.FieldURIParam, "Remove a parameter of the URI in a header field"}},
	{model.NormalizeSIPToTel, part{"sip-to-tel request-uri", model.FieldRequestURI, "Make a tel URI of the Request-URI"}},
	{model.NormalizeSIPToTel, part{"sip-to-tel HEADER WHICH", model.FieldHeader, "Make a tel URI of the one in a header field"}},
	{model.NormalizeTelToSIP, part{"tel-to-sip request-uri TARGET", model.FieldRequestURI, "Make a sip URI of a tel Request-URI"}},
	{model.NormalizeTelToSIP, part{"tel-to-sip HEADER WHICH TARGET", model.FieldHeader, "Make a sip URI of the tel URI in a header field"}},
}

// normalizationCommands declares normalization policies. A step is printed
// behind its number; typed without one, as in CUSP, it becomes the last.
func normalizationCommands() []config.Command {
	commands := []config.Command{
		normalizers.opener(config.Global, "policy normalization", "end policy", "Configure how messages are changed", normalizationMode),
	}
	var unnumbered []config.Command
	for _, ch := range changes {
		commands = append(commands, config.Command{
			Mode: normalizationMode, Syntax: "sequence SEQUENCE " + ch.words, Rank: "SEQUENCE",
			Args: append(argumentsOf(ch.words), sequence),
			Help: ch.help,
			Apply: func(c *model.Config, a config.Args) error {
				step, err := ch.step(a)
				if err != nil {
					return err
				}
				step.Sequence = a.Int("SEQUENCE")
				s, err := normalizationSteps.put(c, a)
				if err == nil {
					*s = step
				}
				return err
			},
			Render: func(c *model.Config, in config.Args) []config.Args { return ch.lines(normalizers.in(c, in)) },
		})
		unnumbered = append(unnumbered, config.Command{
			Mode: normalizationMode, Syntax: ch.words, Args: argumentsOf(ch.words), Help: ch.help,
			Apply: func(c *model.Config, a config.Args) error {
				step, err := ch.step(a)
				if err != nil {
					return err
				}
				return appendStep(normalizers.in(c, a), step)
			},
		})
	}
	commands[1].No, commands[1].Negate = "sequence SEQUENCE", normalizationSteps.remove
	return append(commands, unnumbered...)
}

// step is what a line does, without its number.
func (ch change) step(a config.Args) (model.NormalizationStep, error) {
	step := model.NormalizationStep{Action: ch.action, Field: ch.field(a), All: text(a, "WHICH") == "all", Value: text(a, "VALUE")}
	if match := text(a, "MATCH"); match != "all" {
		step.Match = match
	}
	if hasWord(ch.words, "TARGET") {
		step.Value = config.HostPort{}.Format(a.HostPort("TARGET"))
	}
	inURI := step.Field.Kind == model.FieldURIParam || step.Field.Component != ""
	if inURI && strings.ContainsAny(step.Value, " \t<>\"") {
		return step, config.BadArgument("VALUE", "%s cannot be a part of a URI", step.Value)
	}
	return step, nil
}

// appendStep adds a step behind the others, unless the policy has it.
func appendStep(p *model.NormalizationPolicy, step model.NormalizationStep) error {
	for _, s := range p.Steps {
		if step.Sequence = s.Sequence; s == step {
			return nil
		}
	}
	last := 0
	if len(p.Steps) > 0 {
		last = p.Steps[len(p.Steps)-1].Sequence
	}
	step.Sequence = (last/10 + 1) * 10
	if len(p.Steps) == sequencesMax || step.Sequence > sequence.Type.(config.Integer).Max {
		return config.BadArgument("HEADER", "there is no place behind sequence %d", last)
	}
	p.Steps = append(p.Steps, step)
	return nil
}

// lines gives the arguments of the steps that this line says.
func (ch change) lines(p *model.NormalizationPolicy) []config.Args {
	var lines []config.Args
	for _, s := range p.Steps {
		line, ok := ch.line(s.Field)
		if !ok || s.Action != ch.action {
			continue
		}
		line["SEQUENCE"], line["WHICH"], line["MATCH"], line["VALUE"] = s.Sequence, "first", "all", s.Value
		if s.All {
			line["WHICH"] = "all"
		}
		if s.Match != "" {
			line["MATCH"] = s.Match
		}
		if hasWord(ch.words, "TARGET") {
			line["TARGET"], _ = config.HostPort{}.Parse(s.Value)
		}
		lines = append(lines, line)
	}
	return lines
}
