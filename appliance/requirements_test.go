package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRequirements: every number that code and docs cite is told of in
// docs/requirements.md, and the folders named there exist.
func TestRequirements(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "requirements.md"))
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	one := regexp.MustCompile(`^([A-Z]+-T?)(\d+)(?: to [A-Z]+-(\d+))?$`)
	row := regexp.MustCompile(`(?m)^\| ([A-Z]+-.+?) \| .+ \| (.+) \|$`)
	for _, cells := range row.FindAllStringSubmatch(string(page), -1) {
		for number := range strings.SplitSeq(cells[1], ", ") {
			m := one.FindStringSubmatch(number)
			if m == nil {
				t.Fatalf("%q is no requirement", number)
			}
			first, _ := strconv.Atoi(m[2])
			last := first
			if m[3] != "" {
				last, _ = strconv.Atoi(m[3])
			}
			for n := first; n <= last; n++ {
				told[m[1]+strconv.Itoa(n)] = true
			}
		}
		for _, place := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[2], -1) {
			if !slices.ContainsFunc([]string{".", ".."}, func(below string) bool {
				_, err := os.Stat(filepath.Join(below, place[1]))
				return err == nil
			}) {
				t.Errorf("%s holds in %s, which does not exist", cells[1], place[1])
			}
		}
	}
	cited := 0
	number := regexp.MustCompile(`\b(?:L|CP|CH|COM|NET|X)-T?\d+\b`)
	err = filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "out" || entry.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" && filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		for _, found := range number.FindAllString(string(text), -1) {
			cited++
			if !told[found] {
				t.Errorf("%s cites %s, of which docs/requirements.md does not tell", path, found)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if cited < 300 || len(told) < 170 {
		t.Errorf("%d numbers are cited of %d; want more: this test reads them wrongly", cited, len(told))
	}
}
