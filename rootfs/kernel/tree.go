package kernel

import (
	"bufio"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"causeway/board/modules"
)

// tree is the modules of one kernel, as its package lays them out below
// lib/modules/RELEASE.
type tree struct {
	root    string // the directory that holds lib/
	release string

	files    map[string]string  // module to its file, relative to root
	info     map[string]modinfo // by module
	builtin  map[string]bool    // modules and aliases that the kernel itself brings
	byAlias  map[string][]string
	resolved map[string][]string // module to everything before it, in load order
}

// asked names what a module asks the kernel for while it works. The kernel would
// start modprobe, which the image does not have, so these are loaded before it.
var asked = map[string][]string{
	"vfat": {"nls_cp437", "nls_ascii"}, // Debian's FAT_DEFAULT_CODEPAGE and FAT_DEFAULT_IOCHARSET
}

// openTree reads what all modules below root say of themselves.
func openTree(root string) (*tree, error) {
	releases, err := os.ReadDir(filepath.Join(root, "lib/modules"))
	if err != nil || len(releases) != 1 {
		return nil, fmt.Errorf("find the kernel's release: %d directories in lib/modules (%v)", len(releases), err)
	}
	t := &tree{
		root: root, release: releases[0].Name(),
		files: map[string]string{}, info: map[string]modinfo{}, builtin: map[string]bool{},
		byAlias: map[string][]string{}, resolved: map[string][]string{},
	}
	base := filepath.Join("lib/modules", t.release)
	err = fs.WalkDir(os.DirFS(root), filepath.Join(base, "kernel"), func(file string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, ".ko") {
			err = t.addModule(file)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read kernel modules: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(t.info)) {
		for _, alias := range t.info[name].aliases {
			t.byAlias[alias] = append(t.byAlias[alias], name)
		}
	}
	if err := t.readBuiltins(filepath.Join(root, base)); err != nil {
		return nil, fmt.Errorf("read the list of built-in modules: %w", err)
	}
	return t, nil
}

func (t *tree) addModule(file string) error {
	f, err := os.Open(filepath.Join(t.root, file))
	if err != nil {
		return err
	}
	defer f.Close()
	name := modules.Name(strings.TrimSuffix(path.Base(file), ".ko"))
	if t.info[name], err = readModinfo(f); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	t.files[name] = file
	return nil
}

// readBuiltins reads modules.builtin (a path a line) and, where the kernel has
// it, modules.builtin.modinfo ("MODULE.KEY=VALUE", each ended by a zero byte).
func (t *tree) readBuiltins(dir string) error {
	f, err := os.Open(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		t.builtin[modules.Name(strings.TrimSuffix(path.Base(lines.Text()), ".ko"))] = true
	}
	if err := lines.Err(); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "modules.builtin.modinfo"))
	if err != nil {
		return err
	}
	for entry := range strings.SplitSeq(string(text), "\x00") {
		_, assignment, _ := strings.Cut(entry, ".")
		if alias, ok := strings.CutPrefix(assignment, "alias="); ok {
			t.builtin[alias] = true
		}
	}
	return nil
}

// before gives all that must be loaded before the module, in load order.
func (t *tree) before(name string) ([]string, error) {
	if order, ok := t.resolved[name]; ok {
		return order, nil
	}
	t.resolved[name] = nil // ends a circle of soft dependencies
	var order []string
	add := func(need string) error {
		deeper, err := t.before(need)
		if err != nil {
			return err
		}
		for _, n := range append(slices.Clip(deeper), need) {
			if n != name && !slices.Contains(order, n) {
				order = append(order, n)
			}
		}
		return nil
	}
	info := t.info[name]
	for _, wish := range slices.Concat(info.softdep, asked[name]) {
		if need := t.provider(wish); need != "" {
			if err := add(need); err != nil {
				return nil, err
			}
		}
	}
	for _, need := range info.depends {
		need = modules.Name(need)
		if _, ok := t.files[need]; !ok {
			if t.builtin[need] {
				continue
			}
			return nil, fmt.Errorf("module %s depends on %s, which this kernel does not have", name, need)
		}
		if err := add(need); err != nil {
			return nil, err
		}
	}
	t.resolved[name] = order
	return order, nil
}

// provider gives the module to load for a name in a soft dependency: the module
// of that name, or one that has it as an alias. "" means nothing to load: the
// kernel brings it, or nobody does, which a soft dependency allows.
//
// Of several (crc32c comes in one per instruction set) the one that runs on
// every machine is taken.
func (t *tree) provider(wish string) string {
	name := modules.Name(wish)
	if _, ok := t.files[name]; ok {
		return name
	}
	if t.builtin[name] || t.builtin[wish] {
		return ""
	}
	providers := t.byAlias[wish]
	for _, p := range providers {
		if strings.HasSuffix(p, "_generic") || strings.HasSuffix(p, "_common") {
			return p
		}
	}
	if len(providers) > 0 {
		return providers[0]
	}
	return ""
}

// table makes the table of the wanted modules and all that they need. A wanted
// name that the kernel has built in is left out; one it does not know is an
// error.
func (t *tree) table(wanted, always []string) (*modules.Table, error) {
	table := &modules.Table{Modules: map[string]modules.Module{}}
	add := func(name string) error {
		needs, err := t.before(name)
		if err != nil {
			return err
		}
		table.Modules[name] = modules.Module{Path: "/" + t.files[name], Needs: needs}
		return nil
	}
	for _, name := range wanted {
		if t.builtin[name] {
			continue
		}
		if _, ok := t.files[name]; !ok {
			return nil, fmt.Errorf("kernel %s has no module %s", t.release, name)
		}
		if err := add(name); err != nil {
			return nil, err
		}
		for _, need := range table.Modules[name].Needs {
			if err := add(need); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range always {
		if _, ok := table.Modules[name]; ok {
			table.Always = append(table.Always, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(table.Modules)) {
		for _, pattern := range slices.Compact(slices.Sorted(slices.Values(t.info[name].aliases))) {
			table.Aliases = append(table.Aliases, modules.Alias{Pattern: pattern, Module: name})
		}
	}
	return table, nil
}
