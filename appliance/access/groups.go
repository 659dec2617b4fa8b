package access

import (
	"slices"

	"causeway/appliance/model"
)

// BuiltIn gives the groups that every box has and no configuration changes.
func BuiltIn() []model.Group { return builtIn }

// builtIn are the groups that every box has. Who may only look reads no
// configuration and no file: they have the secrets of others in their stored
// form, and what callers dialled.
var builtIn = []model.Group{
	{
		Name:      model.GroupPrivileged,
		Rules:     []model.Rule{{Permit: true, Kind: model.RuleExec}, {Permit: true, Kind: model.RuleConfigure}},
		FilesRead: true, FilesWrite: true,
	},
	{
		Name: model.GroupReadOnly,
		Rules: slices.Concat(
			rules(true, "disable", "exit", "help", "logout", "nslookup", "ping", "show", "terminal", "test route", "traceroute"),
			rules(false, "show configuration", "show running-config", "show startup-config", "show tech-support",
				"show sbc SBC sbe billing configuration", "ping sip"),
			rules(true, "show configuration history"),
		),
	},
}

// rules are those of EXEC that permit or deny the commands.
func rules(permit bool, commands ...string) (list []model.Rule) {
	for _, words := range commands {
		list = append(list, model.Rule{Permit: permit, Kind: model.RuleExec, Words: words})
	}
	return list
}

// isBuiltIn reports whether a group of that name is built in.
func isBuiltIn(name string) bool {
	return slices.ContainsFunc(builtIn, func(g model.Group) bool { return g.Name == name })
}

// known gives the groups of these names that there are.
func known(a *model.Access, names []string) (groups []model.Group) {
	for _, g := range slices.Concat(builtIn, a.Groups) {
		if slices.Contains(names, g.Name) {
			groups = append(groups, g)
		}
	}
	return groups
}

// rights are what the members of these groups may do.
func rights(groups []model.Group) (r model.Rights) {
	for _, g := range groups {
		r.Rules = append(r.Rules, g.Rules...)
		r.FilesRead = r.FilesRead || g.FilesRead || g.FilesWrite
		r.FilesWrite = r.FilesWrite || g.FilesWrite
	}
	return r
}
