package grammar

import (
	"slices"
	"strings"
	"sync"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// ofSessions are the words of the commands that belong to the console, which
// needs the grammar itself.
var ofSessions = []string{
	"abort", "commit call-home", "commit confirmed comment", "configure terminal take", "copy running-config startup-config", "disable", "do",
	"enable", "end", "exit", "help", "load merge terminal", "load replace terminal", "logout", "rescue", "rollback", "setup",
	"show configuration candidate", "show configuration diff", "show configuration failed", "show configuration history",
	"show configuration revision", "show configuration running", "show history", "show running-config", "show startup-config",
	"terminal length", "terminal monitor", "terminal no monitor", "terminal width", "write erase keys licences billing logs",
	"write memory",
}

// ruled knows what rules of groups can be about: all that can be typed.
type ruled struct {
	grammar *config.Grammar
	once    sync.Once
	known   map[string]map[string]bool // by kind: the beginnings of all commands
}

// begins says whether words are the beginning of a command.
func (r *ruled) begins(kind, words string) bool {
	r.once.Do(func() {
		executed := slices.Clone(ofSessions)
		for _, c := range Exec() {
			executed = append(executed, c.Syntax)
		}
		r.known = map[string]map[string]bool{
			model.RuleExec: beginnings(executed), model.RuleConfigure: beginnings(r.grammar.Syntaxes()),
		}
	})
	return r.known[kind][words]
}

// beginnings are those of syntaxes: their keywords, with blanks between.
func beginnings(syntaxes []string) map[string]bool {
	all := map[string]bool{"": true}
	for _, syntax := range syntaxes {
		words := model.Keywords(syntax)
		for n := range words {
			all[strings.Join(words[:n+1], " ")] = true
		}
	}
	return all
}
