package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/console"
	"causeway/appliance/grammar"
)

// syntaxes are those of all commands, as far as a line from global configuration
// mode or of EXEC goes.
func syntaxes() (exec, configuration []string) {
	for _, c := range append(grammar.Exec(), console.Commands()...) {
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
	typed, declared := strings.Fields(line), strings.Fields(strings.NewReplacer("[", "", "]", "", "{", "", "}", "").Replace(syntax))
	for i, word := range typed {
		if i == len(declared) || !slices.ContainsFunc(strings.Split(declared[i], "|"), func(choice string) bool {
			return word == choice || choice == strings.ToUpper(choice)
		}) {
			return false
		}
	}
	return true
}

// TestCOMAsDocumented: what docs/com.md shows to be typed is taken, and what it and
// the other pages name of COM is there.
func TestCOMAsDocumented(t *testing.T) {
	exec, configuration := syntaxes()
	known := func(line string, among []string) bool {
		return slices.ContainsFunc(among, func(syntax string) bool { return fits(line, syntax) })
	}
	files, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	block, named := regexp.MustCompile(`(?m)(?:^ {4,}\S.*\n)+`), regexp.MustCompile("`((?:no |show |clear )?com [^`]+|license (?:source|profile)[^`]*)`")
	blocks, names := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range named.FindAllStringSubmatch(string(text), -1) {
			names++
			if line := strings.TrimSuffix(found[1], " …"); !known(line, exec) && !known(line, configuration) {
				t.Errorf("%s names %q, which is no command", file, found[1])
			}
		}
		if filepath.Base(file) != "com.md" {
			continue
		}
		for _, typed := range block.FindAllString(string(text), -1) {
			blocks++
			if known(strings.TrimSpace(typed), exec) {
				continue
			}
			if _, err := grammar.All().Parse(regexp.MustCompile(`(?m)^ +`).ReplaceAllString(typed, "")); err != nil {
				t.Errorf("%s has typed\n%s: %v", file, typed, err)
			}
		}
	}
	if blocks < 4 || names < 30 {
		t.Errorf("there are %d examples and %d names of commands; want more", blocks, names)
	}
}
