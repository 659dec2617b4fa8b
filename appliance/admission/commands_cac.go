package admission

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of what can be configured.
const (
	policySetsMax = 64
	tablesMax     = 64  // of one policy set
	entriesMax    = 256 // of one table
)

// identifier is the range of policy sets and entries.
var identifier = config.Integer{Min: 1, Max: math.MaxInt32}

// The modes of call admission control.
const (
	sbeMode   config.Mode = "config-sbc-sbe"
	setMode   config.Mode = "config-sbc-sbe-cacpolicy"
	tableMode config.Mode = "config-sbc-sbe-cacpolicy-cactable"
	entryMode config.Mode = "config-sbc-sbe-cacpolicy-cactable-entry"
)

// cacCommands declares the modes of call admission control and what is in them.
func cacCommands() []config.Command {
	return slices.Concat([]config.Command{activeSet, policySets}, setCommands(), tableCommands(), entryCommands())
}

var activeSet = config.Command{
	Mode: sbeMode, Syntax: "active-cac-policy-set SET", No: "active-cac-policy-set",
	Args:   []config.Argument{{Name: "SET", Type: identifier, Help: "Number of the policy set"}},
	Help:   "Choose the policy set that calls go through; a sole one needs no choice",
	Apply:  func(c *model.Config, a config.Args) error { c.SBC.ActiveCACPolicySet = a.Int("SET"); return nil },
	Negate: func(c *model.Config, _ config.Args) error { c.SBC.ActiveCACPolicySet = 0; return nil },
	Check: func(c *model.Config, a config.Args) error {
		if _, found := findSet(c, a); !found {
			return config.BadArgument("SET", "there is no policy set %d", a.Int("SET"))
		}
		return nil
	},
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(c.SBC.ActiveCACPolicySet != 0, config.Args{"SET": c.SBC.ActiveCACPolicySet})
	},
}

var policySets = config.Command{
	Mode: sbeMode, Syntax: "cac-policy-set SET", No: "cac-policy-set SET", Opens: setMode,
	Args: []config.Argument{{Name: "SET", Type: identifier, Help: "Number of the policy set"}},
	Help: "Configure a set of call admission control tables", Apply: addSet, Negate: removeSet, Render: renderSets,
	Check: func(c *model.Config, a config.Args) error { return checkSet(setOf(c, a)) },
}

func setCommands() []config.Command {
	commands := []config.Command{
		optional(setMode, "description", line, setOf, func(s *model.CACPolicySet) *string { return &s.Description }),
		enum(setMode, "first-cac-scope", "What entries of the first table count calls for that say nothing", model.CACScopeNames[:], setOf,
			func(s *model.CACPolicySet) *model.CACScope { return &s.FirstScope }),
		optional(setMode, "first-cac-table", config.Argument{Name: "FIRST", Type: config.Name{}, Help: "Table that calls begin with (default the first one)"},
			setOf, func(s *model.CACPolicySet) *string { return &s.FirstTable }),
	}
	commands[2].Check = tableIsThere("FIRST")
	commands = append(commands, tableType(setMode, setOf, func(s *model.CACPolicySet) *model.CACTableType { return &s.TableType })...)
	return append(commands, config.Command{
		Mode: setMode, Syntax: "cac-table TABLE", No: "cac-table TABLE", Opens: tableMode,
		Args: []config.Argument{{Name: "TABLE", Type: config.Name{}, Help: "Name of the table"}},
		Help: "Configure a call admission control table", Apply: addTable, Negate: removeTable, Render: renderTables,
	})
}

func tableCommands() []config.Command {
	commands := []config.Command{
		optional(tableMode, "description", line, tableOf, func(t *model.CACTable) *string { return &t.Description }),
	}
	commands = append(commands, tableType(tableMode, tableOf, func(t *model.CACTable) *model.CACTableType { return &t.Type })...)
	return append(commands, config.Command{
		Mode: tableMode, Syntax: "entry ENTRY", No: "entry ENTRY", Opens: entryMode,
		Args: []config.Argument{{Name: "ENTRY", Type: identifier, Help: "Number of the entry"}},
		Help: "Configure an entry of the table", Apply: addEntry, Negate: removeEntry, Render: renderEntries,
	})
}

// limitMost is the highest limit of calls.
const limitMost = 1_000_000

func entryCommands() []config.Command {
	limit := config.Integer{Min: 1, Max: limitMost}
	return []config.Command{
		optional(entryMode, "match-value", config.Argument{
			Name: "VALUE", Type: config.Word{Max: 80}, Help: "What the entry is for: an adjacency group, an adjacency, what table-type says (default everything)",
		}, entryOf, func(e *model.CACEntry) *string { return &e.Match }),
		{
			Mode: entryMode, Syntax: "action next-table NEXT", No: "action",
			Args: []config.Argument{{Name: "NEXT", Type: config.Name{}, Help: "Name of the table"}},
			Help: "Where calls go on (default the next table in order)",
			Apply: func(c *model.Config, a config.Args) error {
				e := entryOf(c, a)
				e.Action, e.NextTable = model.CACNextTable, a.Text("NEXT")
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				e := entryOf(c, a)
				e.Action, e.NextTable = model.CACNotSet, ""
				return nil
			},
			Check: tableIsThere("NEXT"),
			Render: func(c *model.Config, in config.Args) []config.Args {
				return config.When(entryOf(c, in).Action == model.CACNextTable, config.Args{"NEXT": entryOf(c, in).NextTable})
			},
		},
		{
			Mode: entryMode, Syntax: "action cac-complete",
			Help: "No more tables are tried",
			Apply: func(c *model.Config, a config.Args) error {
				e := entryOf(c, a)
				e.Action, e.NextTable = model.CACComplete, ""
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				return config.When(entryOf(c, in).Action == model.CACComplete, config.Args{})
			},
		},
		enum(entryMode, "cac-scope", "What calls are counted for", model.CACScopeNames[:], entryOf,
			func(e *model.CACEntry) *model.CACScope { return &e.Scope }),
		optional(entryMode, "max-num-calls", config.Argument{Name: "CALLS", Type: limit, Help: "Calls at the same time"},
			entryOf, func(e *model.CACEntry) *int { return &e.MaxCalls }),
		{
			Mode: entryMode, Syntax: "max-call-rate-per-scope RATE [burst BURST]", No: "max-call-rate-per-scope",
			Args: []config.Argument{
				{Name: "RATE", Type: limit, Help: "Calls a minute"},
				{Name: "BURST", Type: limit, Help: "Calls on top of those of one minute"},
			},
			Help: "Limit the rate of calls",
			Apply: func(c *model.Config, a config.Args) error {
				e := entryOf(c, a)
				e.MaxRate, e.Burst = a.Int("RATE"), a.Int("BURST")
				return nil
			},
			Negate: func(c *model.Config, a config.Args) error {
				e := entryOf(c, a)
				e.MaxRate, e.Burst = 0, 0
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				e := entryOf(c, in)
				a := config.Args{"RATE": e.MaxRate, "BURST": nil}
				if e.Burst > 0 {
					a["BURST"] = e.Burst
				}
				return config.When(e.MaxRate > 0, a)
			},
		},
		enum(entryMode, "billing filter", "Bill calls by the methods of this entry only, or by all", billingFilters, entryOf,
			func(e *model.CACEntry) *model.CACBillingFilter { return &e.BillingFilter }),
		{
			Mode: entryMode, Syntax: "billing methods METHOD", No: "billing methods METHOD",
			Args:   []config.Argument{{Name: "METHOD", Type: config.Choice{"xml", "packetcable-em"}, Help: "One a line"}},
			Help:   "Methods that calls are billed by, with billing filter enable; none: they are not billed",
			Apply:  func(c *model.Config, a config.Args) error { *billingMethod(c, a) = true; return nil },
			Negate: func(c *model.Config, a config.Args) error { *billingMethod(c, a) = false; return nil },
			Render: func(c *model.Config, in config.Args) []config.Args {
				e := entryOf(c, in)
				return append(config.When(e.BillingXML, config.Args{"METHOD": "xml"}), config.When(e.BillingPackets, config.Args{"METHOD": "packetcable-em"})...)
			},
		},
	}
}

// billingFilters are the words of "billing filter", by value.
var billingFilters = []string{"", "disable", "enable"}

func billingMethod(c *model.Config, a config.Args) *bool {
	e := entryOf(c, a)
	if a.Text("METHOD") == "xml" {
		return &e.BillingXML
	}
	return &e.BillingPackets
}

// tableType declares the lines that say what match-values are compared with.
func tableType[T any](mode config.Mode, of func(*model.Config, config.Args) *T, field func(*T) *model.CACTableType) []config.Command {
	const first = model.LimitAdjacencyGroup
	var limits config.Choice
	for _, words := range model.CACTableTypeNames[first:] {
		limits = append(limits, strings.TrimPrefix(words, "limit "))
	}
	return []config.Command{
		{
			Mode: mode, Syntax: "table-type policy-set", No: "table-type",
			Help:   "Compare match-values with the adjacency group of each side of a call, then with its adjacency",
			Apply:  func(c *model.Config, a config.Args) error { *field(of(c, a)) = model.TablePolicySet; return nil },
			Negate: func(c *model.Config, a config.Args) error { *field(of(c, a)) = model.TableNotSet; return nil },
			Render: func(c *model.Config, in config.Args) []config.Args {
				return config.When(*field(of(c, in)) == model.TablePolicySet, config.Args{})
			},
		},
		{
			Mode: mode, Syntax: "table-type limit OBJECT",
			Args: []config.Argument{{Name: "OBJECT", Type: limits, Help: "What match-values are compared with"}},
			Help: "Choose what match-values are compared with",
			Apply: func(c *model.Config, a config.Args) error {
				*field(of(c, a)) = first + model.CACTableType(slices.Index(limits, a.Text("OBJECT")))
				return nil
			},
			Render: func(c *model.Config, in config.Args) []config.Args {
				if kind := *field(of(c, in)); kind >= first {
					return []config.Args{{"OBJECT": limits[kind-first]}}
				}
				return nil
			},
		},
	}
}

// line is the argument of a description.
var line = config.Argument{Name: "LINE", Type: config.Line{}, Help: "What it is for"}

// tableIsThere checks that an argument names a table of its policy set.
func tableIsThere(argument string) func(*model.Config, config.Args) error {
	return func(c *model.Config, a config.Args) error {
		for _, t := range setOf(c, a).Tables {
			if t.Name == a.Text(argument) {
				return nil
			}
		}
		return config.BadArgument(argument, "there is no cac-table %s in policy set %d", a.Text(argument), a.Int("SET"))
	}
}

func setOf(c *model.Config, a config.Args) *model.CACPolicySet {
	i, _ := findSet(c, a)
	return &c.SBC.CACPolicySets[i]
}

func tableOf(c *model.Config, a config.Args) *model.CACTable {
	all := setOf(c, a).Tables
	return &all[tableIndex(all, a)]
}

func entryOf(c *model.Config, a config.Args) *model.CACEntry {
	all := tableOf(c, a).Entries
	i, _ := findEntry(all, a)
	return &all[i]
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

func tableIndex(all []model.CACTable, a config.Args) int {
	return slices.IndexFunc(all, func(t model.CACTable) bool { return t.Name == a.Text("TABLE") })
}

func addTable(c *model.Config, a config.Args) error {
	all := &setOf(c, a).Tables
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
	all := &setOf(c, a).Tables
	i := tableIndex(*all, a)
	if i < 0 {
		return config.BadArgument("TABLE", "there is no table %s", a.Text("TABLE"))
	}
	*all = slices.Delete(*all, i, i+1)
	return nil
}

func renderTables(c *model.Config, in config.Args) []config.Args {
	var lines []config.Args
	for _, table := range setOf(c, in).Tables {
		lines = append(lines, config.Args{"TABLE": table.Name})
	}
	return lines
}

func findEntry(all []model.CACEntry, a config.Args) (int, bool) {
	return slices.BinarySearchFunc(all, a.Int("ENTRY"),
		func(e model.CACEntry, number int) int { return cmp.Compare(e.Number, number) })
}

func addEntry(c *model.Config, a config.Args) error {
	all := &tableOf(c, a).Entries
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
	all := &tableOf(c, a).Entries
	i, found := findEntry(*all, a)
	if !found {
		return config.BadArgument("ENTRY", "there is no entry %d", a.Int("ENTRY"))
	}
	*all = slices.Delete(*all, i, i+1)
	return nil
}

func renderEntries(c *model.Config, in config.Args) []config.Args {
	var lines []config.Args
	for _, entry := range tableOf(c, in).Entries {
		lines = append(lines, config.Args{"ENTRY": entry.Number})
	}
	return lines
}
