package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The words of the group commands.
const (
	permit = "permit"
	deny   = "deny"
	read   = "read"
	write  = "write"
)

var groupArg = config.Argument{Name: "GROUP", Type: config.Name{}, Help: "Name of the group"}

func groupCommands(begins func(kind, words string) bool) []config.Command {
	rules := groupRules
	rules.Apply = func(c *model.Config, a config.Args) error { return addRule(c, a, begins) }
	return []config.Command{rules, groupFiles}
}

// groupRules has one line for each rule. Where rules contradict each other, the
// one of the most words counts (model.Rights.May), so their order means nothing.
// Apply is addRule.
var groupRules = config.Command{
	Mode: config.Global, Syntax: "group GROUP ACTION KIND [WORDS]", No: "group GROUP [ACTION KIND [WORDS]]",
	Args: []config.Argument{
		groupArg,
		{Name: "ACTION", Type: config.Choice{permit, deny}, Help: "What the rule does"},
		{Name: "KIND", Type: config.Choice{model.RuleExec, model.RuleConfigure}, Help: "Commands of EXEC, or lines of the configuration"},
		{Name: "WORDS", Type: config.Line{}, Help: "How they begin, in full as the reference has them; all unless given"},
	},
	Help: "What members of a group may type; the rule of the most words counts, and what no rule permits is denied",
	Negate: func(c *model.Config, a config.Args) error {
		g, err := groupOf(c, a)
		if err != nil {
			return err
		}
		if !a.Has("ACTION") {
			g.Rules, g.FilesRead, g.FilesWrite = nil, false, false
			return keepGroup(c, g)
		}
		i := findRule(g, ruleOf(a))
		if i < 0 || g.Rules[i] != ruleOf(a) {
			return fmt.Errorf("group %s has no such rule", g.Name)
		}
		g.Rules = slices.Delete(g.Rules, i, i+1)
		return keepGroup(c, g)
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, g := range c.Access.Groups {
			for _, r := range g.Rules {
				line := config.Args{"GROUP": g.Name, "ACTION": deny, "KIND": r.Kind}
				if r.Permit {
					line["ACTION"] = permit
				}
				if r.Words != "" {
					line["WORDS"] = r.Words
				}
				lines = append(lines, line)
			}
		}
		return lines
	},
}

// addRule adds a rule, or turns it round. One that is about no command would
// deny nothing, and nobody would notice.
func addRule(c *model.Config, a config.Args, begins func(kind, words string) bool) error {
	g, err := groupOf(c, a)
	if err != nil {
		return err
	}
	rule := ruleOf(a)
	i := findRule(g, rule)
	switch {
	case rule.Words != strings.ToLower(rule.Words): // they would not count, and the rule be about more
		return config.BadArgument("WORDS", "keywords are in small letters, and values are left out")
	case !begins(rule.Kind, rule.Words):
		return config.BadArgument("WORDS", "no command of %s begins with %q: words are in full, and values are left out", rule.Kind, rule.Words)
	case i >= 0:
		g.Rules[i] = rule
		return nil
	case len(g.Rules) == rulesMax:
		return fmt.Errorf("group %s can have no more than %d rules", g.Name, rulesMax)
	}
	g.Rules = append(g.Rules, rule)
	slices.SortFunc(g.Rules, func(a, b model.Rule) int {
		return cmp.Or(-strings.Compare(a.Kind, b.Kind), strings.Compare(a.Words, b.Words)) // exec, then configure
	})
	return keepGroup(c, g)
}

// groupFiles says what a group may do over SFTP.
var groupFiles = config.Command{
	Mode: config.Global, Syntax: "group GROUP files ACCESS", No: "group GROUP files [ACCESS]",
	Args: []config.Argument{groupArg, {Name: "ACCESS", Type: config.Choice{read, write}, Help: "write includes read"}},
	Help: "What members of a group may do over SFTP (default nothing)",
	Apply: func(c *model.Config, a config.Args) error {
		g, err := groupOf(c, a)
		if err != nil {
			return err
		}
		g.FilesRead, g.FilesWrite = true, a.Text("ACCESS") == write
		return keepGroup(c, g)
	},
	Negate: func(c *model.Config, a config.Args) error {
		g, err := groupOf(c, a)
		if err != nil {
			return err
		}
		g.FilesRead, g.FilesWrite = false, false
		return keepGroup(c, g)
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, g := range c.Access.Groups {
			switch {
			case g.FilesWrite:
				lines = append(lines, config.Args{"GROUP": g.Name, "ACCESS": write})
			case g.FilesRead:
				lines = append(lines, config.Args{"GROUP": g.Name, "ACCESS": read})
			}
		}
		return lines
	},
}

// groupOf gives a copy of the group that the line is about, or a new one.
func groupOf(c *model.Config, a config.Args) (model.Group, error) {
	name := a.Text("GROUP")
	if isBuiltIn(name) {
		return model.Group{}, config.BadArgument("GROUP", "group %s is built in", name)
	}
	if g := c.Access.Group(name); g != nil {
		return *g, nil
	}
	return model.Group{Name: name}, nil
}

// keepGroup puts a group in the place of the one of its name. One that says
// nothing any more is gone.
func keepGroup(c *model.Config, g model.Group) error {
	groups := slices.DeleteFunc(c.Access.Groups, func(other model.Group) bool { return other.Name == g.Name })
	if len(g.Rules) > 0 || g.FilesRead {
		groups = append(groups, g)
	}
	if len(groups) > groupsMax {
		return fmt.Errorf("there can be no more than %d groups", groupsMax)
	}
	slices.SortFunc(groups, func(a, b model.Group) int { return strings.Compare(a.Name, b.Name) })
	c.Access.Groups = groups
	return nil
}

func ruleOf(a config.Args) model.Rule {
	return model.Rule{
		Permit: a.Text("ACTION") == permit, Kind: a.Text("KIND"), Words: strings.Join(strings.Fields(a.Text("WORDS")), " "),
	}
}

// findRule finds the rule about the same commands.
func findRule(g model.Group, rule model.Rule) int {
	return slices.IndexFunc(g.Rules, func(r model.Rule) bool { return r.Kind == rule.Kind && r.Words == rule.Words })
}
