package routing

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

const (
	conditionMode         = "config-trigger"
	conditionSequenceMode = "config-trigger-seq"
)

var conditions = collection[model.TriggerCondition]{
	what: "trigger condition", plural: "trigger conditions", argument: "CONDITION", most: conditionsMax,
	all:  func(c *model.Config) *[]model.TriggerCondition { return &c.SIP.Routing.Conditions },
	name: func(t *model.TriggerCondition) *string { return &t.Name },
}

var conditionSequences = ordered[model.TriggerSequence]{
	all: func(c *model.Config, a config.Args) *[]model.TriggerSequence {
		return &conditions.in(c, a).Sequences
	},
	number: func(s *model.TriggerSequence) *int { return &s.Sequence },
}

// expectation is a line of a sequence: a part of a message and what is
// expected there.
type expectation struct {
	part
	value  config.Type // of VALUE; nil: the line has none, and "true" is expected
	header string      // of CUSP's words for one header field; what they say is printed as "header …"
}

// expectations are all of them, in CUSP's words.
func expectations() []expectation {
	pattern := config.Expression{}
	all := []expectation{
		{part: part{"in-network VALUE", model.FieldInNetwork, "The network that the message came in on"}, value: pattern},
		{part: part{"out-network VALUE", model.FieldOutNetwork, "The network that it leaves by"}, value: pattern},
		{part: part{"local-ip VALUE", model.FieldLocalIP, "The own address"}, value: config.Prefix{}},
		{part: part{"local-port VALUE", model.FieldLocalPort, "The own port"}, value: pattern},
		{part: part{"remote-ip VALUE", model.FieldRemoteIP, "The neighbour's address"}, value: config.Prefix{}},
		{part: part{"remote-port VALUE", model.FieldRemotePort, "The neighbour's port"}, value: pattern},
		{part: part{"protocol VALUE", model.FieldProtocol, "The transport"}, value: pattern},
		{part: part{"message VALUE", model.FieldMessage, "A request or a response"}, value: config.Choice{"request", "response"}},
		{part: part{"method VALUE", model.FieldMethod, "The method"}, value: pattern},
		{part: part{"response-code VALUE", model.FieldResponseCode, "The status code"}, value: pattern},
		{part: part{"mid-dialog", model.FieldMidDialog, "Within a dialog"}},
		{part: part{"time VALUE", model.FieldTime, "A time policy holds"}, value: config.Name{Max: 64}},
		{part: part{"header HEADER value VALUE", model.FieldHeader, "A header field"}, value: pattern},
	}
	for _, p := range messageParts {
		p.words, p.help = p.words+" VALUE", "Expect "+p.help
		all = append(all, expectation{part: p, value: pattern})
	}
	for _, p := range []part{
		{"proxy-route uri-component COMPONENT VALUE", model.FieldHeader, "A component of the URI in Route"},
		{"proxy-route uri-param PARAM VALUE", model.FieldURIParam, "A parameter of the URI in Route"},
		{"proxy-route header-param PARAM VALUE", model.FieldHeaderParam, "A parameter of Route"},
	} {
		all = append(all, expectation{part: p, value: pattern, header: "Route"})
	}
	return append(all, expectation{part: part{"user-agent-hdr VALUE", model.FieldHeader, "User-Agent"}, value: pattern, header: "User-Agent"})
}

// conditionCommands declares trigger conditions.
func conditionCommands() []config.Command {
	commands := []config.Command{
		conditions.opener(config.Global, "trigger condition", "end trigger condition", "Configure a condition that triggers name", conditionMode),
		conditionSequences.opener(conditionMode, "Configure tests of which all must be true; the condition is true when one of its sequences is", conditionSequenceMode),
	}
	for _, e := range expectations() {
		commands = append(commands, e.command("", false), e.command("not ", true))
	}
	return commands
}

// command declares the line of an expectation, or of its opposite.
func (e expectation) command(prefix string, not bool) config.Command {
	command := config.Command{
		Mode: conditionSequenceMode, Syntax: prefix + e.words, No: prefix + e.words, Rank: "place",
		Args: argumentsOf(e.words),
		Help: prefix + e.help,
		Apply: func(c *model.Config, a config.Args) error {
			s, test := conditionSequences.in(c, a), e.test(a, not)
			switch {
			case slices.Contains(s.Tests, test):
				return nil
			case len(s.Tests) == testsMax:
				return fmt.Errorf("a sequence can have no more than %d tests", testsMax)
			}
			s.Tests = append(s.Tests, test)
			return nil
		},
		Negate: func(c *model.Config, a config.Args) error {
			s := conditionSequences.in(c, a)
			i := slices.Index(s.Tests, e.test(a, not))
			if i < 0 {
				return fmt.Errorf("the sequence has no such test")
			}
			s.Tests = slices.Delete(s.Tests, i, i+1)
			return nil
		},
		Check: e.check,
	}
	if e.value != nil {
		command.Args = append(slices.DeleteFunc(command.Args, func(arg config.Argument) bool { return arg.Name == "VALUE" }),
			config.Argument{Name: "VALUE", Type: e.value, Help: "What is expected; an expression must match all of it, in small or capital letters"})
	}
	if e.header == "" {
		command.Render = func(c *model.Config, in config.Args) []config.Args {
			return e.lines(conditionSequences.in(c, in), not)
		}
	}
	return command
}

// test is what a line says.
func (e expectation) test(a config.Args, not bool) model.TriggerTest {
	test := model.TriggerTest{Field: e.field(a), Not: not, Value: "true"}
	if e.value != nil {
		test.Value = e.value.Format(a["VALUE"])
	}
	if e.header != "" {
		test.Field.Header = e.header
	}
	return test
}

// check refuses names of nothing: a time policy, or a network where the
// expression is a plain name.
func (e expectation) check(c *model.Config, a config.Args) error {
	value, _ := a["VALUE"].(string) // that of an address is a network
	switch e.kind {
	case model.FieldTime:
		return timePolicies.known(c, "VALUE", value)
	case model.FieldInNetwork, model.FieldOutNetwork:
		named := func(n model.SIPNetwork) bool { return strings.EqualFold(n.Name, value) }
		if regexp.QuoteMeta(value) == value && !slices.ContainsFunc(c.SIP.Networks, named) {
			return knownNetwork(c, "VALUE", value)
		}
	}
	return nil
}

// lines gives the arguments of the tests that this line says.
func (e expectation) lines(s *model.TriggerSequence, not bool) []config.Args {
	var lines []config.Args
	for place, test := range s.Tests {
		line, ok := e.line(test.Field)
		if !ok || test.Not != not {
			continue
		}
		line["place"] = place
		if e.value != nil {
			line["VALUE"], _ = e.value.Parse(test.Value)
		}
		lines = append(lines, line)
	}
	return lines
}

// triggersOf are the triggers of the stage that a line names.
var triggersOf = ordered[model.Trigger]{
	all:    func(c *model.Config, a config.Args) *[]model.Trigger { return &c.SIP.Routing.Triggers[stageOf(a)] },
	number: func(t *model.Trigger) *int { return &t.Sequence },
}

func stageOf(a config.Args) model.TriggerKind {
	return model.TriggerKind(slices.Index(model.TriggerKindNames[:], a.Text("STAGE")))
}

// triggerCommands declares triggers.
func triggerCommands() []config.Command {
	const syntax = "trigger STAGE sequence SEQUENCE [by-pass] [policy POLICY] [condition CONDITION]"
	return []config.Command{{
		Mode: config.Global, Syntax: syntax, No: syntax,
		Args: []config.Argument{
			{Name: "STAGE", Type: config.Choice(model.TriggerKindNames[:]), Help: "What the policy is for"},
			sequence,
			nameArg("POLICY", "Name of a lookup policy, or of a normalization policy"),
			nameArg("CONDITION", "Name of a trigger condition"),
		},
		Help:  "Choose the policy of a message; the first trigger whose condition is true decides",
		Apply: putTrigger, Negate: triggersOf.remove, Check: checkTrigger, Render: renderTriggers,
	}}
}

func putTrigger(c *model.Config, a config.Args) error {
	if a.Has("by-pass") == a.Has("POLICY") {
		return fmt.Errorf("say either by-pass or a policy")
	}
	t, err := triggersOf.put(c, a)
	if err != nil {
		return err
	}
	t.ByPass, t.Policy, t.Condition = a.Has("by-pass"), a.Text("POLICY"), a.Text("CONDITION")
	return nil
}

func checkTrigger(c *model.Config, a config.Args) error {
	if a.Has("CONDITION") {
		if err := conditions.known(c, "CONDITION", a.Text("CONDITION")); err != nil {
			return err
		}
	}
	switch {
	case !a.Has("POLICY"):
		return nil
	case stageOf(a) == model.TriggerRouting:
		return lookupPolicies.known(c, "POLICY", a.Text("POLICY"))
	}
	return normalizers.known(c, "POLICY", a.Text("POLICY"))
}

func renderTriggers(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for stage, triggers := range c.SIP.Routing.Triggers {
		for _, t := range triggers {
			line := config.Args{"STAGE": model.TriggerKindNames[stage], "SEQUENCE": t.Sequence}
			if t.ByPass {
				line["by-pass"] = true
			} else {
				line["POLICY"] = t.Policy
			}
			if t.Condition != "" {
				line["CONDITION"] = t.Condition
			}
			lines = append(lines, line)
		}
	}
	return lines
}
