package admission

import (
	"cmp"
	"math"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of what can be configured.
const (
	policySetsMax = 64
	tablesMax     = 64  // of one policy set
	entriesMax    = 256 // of one table
)

// number is the range of policy sets and entries.
var number = config.Integer{Min: 1, Max: math.MaxInt32}

// Commands declares the modes of call admission control.
func Commands() []config.Command {
	return []config.Command{
		{
			Mode: "config-sbc-sbe", Syntax: "cac-policy-set SET", No: "cac-policy-set SET", Opens: "config-sbc-sbe-cacpolicy",
			Args: []config.Argument{{Name: "SET", Type: number, Help: "Number of the policy set"}},
			Help: "Configure a set of call admission control tables", Apply: addSet, Negate: removeSet, Render: renderSets,
		},
		{
			Mode: "config-sbc-sbe-cacpolicy", Syntax: "cac-table TABLE", No: "cac-table TABLE", Opens: "config-sbc-sbe-cacpolicy-cactable",
			Args: []config.Argument{{Name: "TABLE", Type: config.Name{}, Help: "Name of the table"}},
			Help: "Configure a call admission control table", Apply: addTable, Negate: removeTable, Render: renderTables,
		},
		{
			Mode: "config-sbc-sbe-cacpolicy-cactable", Syntax: "entry ENTRY", No: "entry ENTRY", Opens: "config-sbc-sbe-cacpolicy-cactable-entry",
			Args: []config.Argument{{Name: "ENTRY", Type: number, Help: "Number of the entry"}},
			Help: "Configure an entry of the table", Apply: addEntry, Negate: removeEntry, Render: renderEntries,
		},
	}
}

func findSet(c *model.Config, a config.Args) (int, bool) {
	return slices.BinarySearchFunc(c.SBC.CACPolicySets, a.Int("SET"),
		func(s model.CACPolicySet, number int) int { return cmp.Compare(s.Number, number) })
}

func addSet(c *model.Config, a config.Args) error {
	i, found := findSet(c, a)
	switch {
	case found:
		return nil
	case len(c.SBC.CACPolicySets) == policySetsMax:
		return config.BadArgument("SET", "there can be no more than %d policy sets", policySetsMax)
	}
	c.SBC.CACPolicySets = slices.Insert(c.SBC.CACPolicySets, i, model.CACPolicySet{Number: a.Int("SET")})
	return nil
}

func removeSet(c *model.Config, a config.Args) error {
	i, found := findSet(c, a)
	if !found {
		return config.BadArgument("SET", "there is no policy set %d", a.Int("SET"))
	}
	c.SBC.CACPolicySets = slices.Delete(c.SBC.CACPolicySets, i, i+1)
	return nil
}

func renderSets(c *model.Config, _ config.Args) []config.Args {
	var lines []config.Args
	for _, set := range c.SBC.CACPolicySets {
		lines = append(lines, config.Args{"SET": set.Number})
	}
	return lines
}

// tables are those of the policy set whose mode the line stands in.
func tables(c *model.Config, a config.Args) *[]model.CACTable {
	i, _ := findSet(c, a)
	return &c.SBC.CACPolicySets[i].Tables
}

func tableIndex(all []model.CACTable, a config.Args) int {
	return slices.IndexFunc(all, func(t model.CACTable) bool { return t.Name == a.Text("TABLE") })
}

func addTable(c *model.Config, a config.Args) error {
	all := tables(c, a)
	switch {
	case tableIndex(*all, a) >= 0:
		return nil
	case len(*all) == tablesMax:
		return config.BadArgument("TABLE", "a policy set can have no more than %d tables", tablesMax)
	}
	*all = append(*all, model.CACTable{Name: a.Text("TABLE")})
	return nil
}

func removeTable(c *model.Config, a config.Args) error {
	all := tables(c, a)
	i := tableIndex(*all, a)
	if i < 0 {
		return config.BadArgument("TABLE", "there is no table %s", a.Text("TABLE"))
	}
	*all = slices.Delete(*all, i, i+1)
	return nil
}

func renderTables(c *model.Config, in config.Args) []config.Args {
	var lines []config.Args
	for _, table := range *tables(c, in) {
		lines = append(lines, config.Args{"TABLE": table.Name})
	}
	return lines
}

// entries are those of the table whose mode the line stands in.
func entries(c *model.Config, a config.Args) *[]model.CACEntry {
	all := *tables(c, a)
	return &all[tableIndex(all, a)].Entries
}

func findEntry(all []model.CACEntry, a config.Args) (int, bool) {
	return slices.BinarySearchFunc(all, a.Int("ENTRY"),
		func(e model.CACEntry, number int) int { return cmp.Compare(e.Number, number) })
}

func addEntry(c *model.Config, a config.Args) error {
	all := entries(c, a)
	i, found := findEntry(*all, a)
	switch {
	case found:
		return nil
	case len(*all) == entriesMax:
		return config.BadArgument("ENTRY", "a table can have no more than %d entries", entriesMax)
	}
	*all = slices.Insert(*all, i, model.CACEntry{Number: a.Int("ENTRY")})
	return nil
}

func removeEntry(c *model.Config, a config.Args) error {
	all := entries(c, a)
	i, found := findEntry(*all, a)
	if !found {
		return config.BadArgument("ENTRY", "there is no entry %d", a.Int("ENTRY"))
	}
	*all = slices.Delete(*all, i, i+1)
	return nil
}

func renderEntries(c *model.Config, in config.Args) []config.Args {
	var lines []config.Args
	for _, entry := range *entries(c, in) {
		lines = append(lines, config.Args{"ENTRY": entry.Number})
	}
	return lines
}
