package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/console"
	"causeway/appliance/grammar"
)

// syntaxes are those of all commands, as far as a line from global configuration
// mode or of EXEC goes.
func syntaxes() (exec, configuration []string) {
	for _, c := range slices.Concat(grammar.Exec(), console.Commands(), console.ConfigurationCommands()) {
		exec = append(exec, c.Syntax)
	}
	for _, c := range grammar.All().Commands() {
		configuration = append(configuration, c.Syntax, "no "+c.No)
	}
	return exec, configuration
}

// fits says whether a line is typed as a syntax has it, or begins like that.
// Words in capitals stand for anything.
func fits(line, syntax string) bool {
	plain := strings.NewReplacer("[", "", "]", "", "{", "", "}", "")
	typed, declared := strings.Fields(plain.Replace(line)), strings.Fields(plain.Replace(syntax))
	for i, word := range typed {
		if i == len(declared) || !slices.ContainsFunc(strings.Split(declared[i], "|"), func(choice string) bool {
			return word == choice || choice == strings.ToUpper(choice)
		}) {
			return false
		}
	}
	return true
}

// pages are those whose examples are typed here, and what of their subject all
// pages name.
var pages = []struct {
	file          string
	named         *regexp.Regexp
	blocks, names int // at least
}{
	{"com.md", regexp.MustCompile("`((?:no |show |clear )?com [^`]+|license (?:source|profile)[^`]*)`"), 4, 30},
	{"callhome.md", regexp.MustCompile("`((?:commit |show |clear )?call-home[^`]*|(?:mode|transport|eula|include-traces|mail-server|sender|copy-email-addr|destination) [^`]+)`"), 6, 20},
	{"firmware.md", regexp.MustCompile("`((?:upgrade|show firmware|show security|mount usb0:|unmount usb0:)[^`]*)`"), 1, 25},
}

// TestAsDocumented: what these pages show to be typed is taken, and what they and
// the others name of their subjects is there.
func TestAsDocumented(t *testing.T) {
	exec, configuration := syntaxes()
	known := func(line string, among []string) bool {
		return slices.ContainsFunc(among, func(syntax string) bool { return fits(line, syntax) })
	}
	files, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		blocks, names := 0, 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if filepath.Base(file) == "commands.md" { // made of the declarations
				continue
			}
			for _, found := range page.named.FindAllStringSubmatch(string(text), -1) {
				names++
				if line := strings.TrimSuffix(found[1], " …"); !known(line, exec) && !known(line, configuration) {
					t.Errorf("%s names %q, which is no command", file, found[1])
				}
			}
			if filepath.Base(file) != page.file {
				continue
			}
			for _, typed := range regexp.MustCompile(`(?m)(?:^ {4,}\S.*\n)+`).FindAllString(string(text), -1) {
				blocks++
				isConfiguration := func(line string) bool { return !known(line, exec) }
				if !slices.ContainsFunc(strings.Split(strings.TrimSpace(typed), "\n"), isConfiguration) {
					continue
				}
				if _, err := grammar.All().Sealing(boxKey(t)).Parse(regexp.MustCompile(`(?m)^ +`).ReplaceAllString(typed, "")); err != nil {
					t.Errorf("%s has typed\n%s: %v", file, typed, err)
				}
			}
		}
		if blocks < page.blocks || names < page.names {
			t.Errorf("of %s there are %d examples and %d names of commands; want more", page.file, blocks, names)
		}
	}
}

// boxKey seals the secrets of examples.
func boxKey(t *testing.T) *config.BoxKey {
	key, err := config.NewBoxKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
