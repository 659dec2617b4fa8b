// Package modules is the list of kernel modules an image carries: which come
// always, which a device asks for, and what must be loaded before each. The
// image build computes it (package rootfs/kernel) and init follows it, so that
// PID 1 neither reads ELF files nor orders dependencies.
//
// The table is a text file of lines, each a word and its arguments:
//
//	always NAME...            load these without being asked
//	module NAME PATH NEED...  a module, its file, what is loaded before it, in that order
//	alias  NAME PATTERN       the device names (modaliases) this module serves
//
// A line that begins with # is a comment. Module names are spelled with _ as
// the kernel spells them, whatever the file is called.
package modules

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// File is where an image carries its table.
const File = "/lib/modules/causeway.table"

// Table is the modules of one image.
type Table struct {
	// Always are loaded at every boot, in this order. One that fails with ENODEV
	// only says that the machine has no such thing (efivarfs without UEFI).
	Always  []string
	Modules map[string]Module // by name
	Aliases []Alias
}

// Module is one loadable file.
type Module struct {
	Path  string   // absolute in the image
	Needs []string // everything that is loaded before it, in load order, soft dependencies included
}

// Alias says that Module serves the devices whose modalias matches Pattern
// (shell wildcards * ? [a-z], as the kernel's file2alias writes them).
type Alias struct {
	Pattern string
	Module  string
}

// Name is the kernel's spelling of a module's name: the base name of its file
// without .ko, with each - as _.
func Name(s string) string { return strings.ReplaceAll(s, "-", "_") }

// Read parses a table. Every name that a line uses is a module of the table,
// or Read fails; an error names the line.
func Read(r io.Reader) (*Table, error) {
	t := &Table{Modules: map[string]Module{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		n++
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if err := t.add(words[0], words[1:]); err != nil {
			return nil, fmt.Errorf("module table, line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("module table, after line %d: %w", n, err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("module table: %w", err)
	}
	return t, nil
}

func (t *Table) add(word string, args []string) error {
	switch {
	case word == "always":
		t.Always = append(t.Always, args...)
	case word == "module" && len(args) >= 2:
		if _, twice := t.Modules[args[0]]; twice {
			return fmt.Errorf("module %s is listed twice", args[0])
		}
		t.Modules[args[0]] = Module{Path: args[1], Needs: args[2:]}
	case word == "alias" && len(args) == 2:
		t.Aliases = append(t.Aliases, Alias{Module: args[0], Pattern: args[1]})
	default:
		return fmt.Errorf("%q with %d arguments is not a line of a module table", word, len(args))
	}
	return nil
}

// check sees that all names are modules of the table.
func (t *Table) check() error {
	known := func(user, name string) error {
		if _, ok := t.Modules[name]; !ok {
			return fmt.Errorf("%s names the module %q, which is not listed", user, name)
		}
		return nil
	}
	for _, name := range t.Always {
		if err := known("always", name); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Modules)) {
		for _, need := range t.Modules[name].Needs {
			if err := known("module "+name, need); err != nil {
				return err
			}
		}
	}
	for _, alias := range t.Aliases {
		if err := known("alias "+alias.Pattern, alias.Module); err != nil {
			return err
		}
	}
	return nil
}

// Write prints the table as Read reads it, modules in the order of their
// names. It refuses a table that Read would not give back.
func (t *Table) Write(w io.Writer) error {
	if err := t.check(); err != nil {
		return fmt.Errorf("write module table: %w", err)
	}
	b := bufio.NewWriter(w)
	var bad error
	line := func(words ...string) {
		for _, word := range words {
			if fields := strings.Fields(word); len(fields) != 1 || fields[0] != word {
				bad = fmt.Errorf("write module table: %q is not one word", word)
			}
		}
		fmt.Fprintln(b, strings.Join(words, " "))
	}
	if len(t.Always) > 0 {
		line(append([]string{"always"}, t.Always...)...)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Modules)) {
		m := t.Modules[name]
		line(append([]string{"module", name, m.Path}, m.Needs...)...)
	}
	for _, alias := range t.Aliases {
		line("alias", alias.Module, alias.Pattern)
	}
	if bad != nil {
		return bad
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("write module table: %w", err)
	}
	return nil
}

// ForDevice gives the modules that serve the device with that modalias, each
// once, in the table's order. Their needs are not among them: see Closure.
func (t *Table) ForDevice(modalias string) []string {
	var names []string
	for _, alias := range t.Aliases {
		if match(alias.Pattern, modalias) && !slices.Contains(names, alias.Module) {
			names = append(names, alias.Module)
		}
	}
	return names
}

// Closure gives the order in which to load the named modules and all that they
// need, each once, and the names that the table does not hold.
func (t *Table) Closure(names ...string) (order, missing []string) {
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			order = append(order, name)
		}
	}
	for _, name := range names {
		m, ok := t.Modules[Name(name)]
		if !ok {
			missing = append(missing, name)
			continue
		}
		for _, need := range m.Needs {
			add(need)
		}
		add(Name(name))
	}
	return order, missing
}
