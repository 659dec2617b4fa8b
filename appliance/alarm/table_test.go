package alarm

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	last := ""
	for _, row := range Table() {
		if !name.MatchString(row.Name) || len(row.Name) > 32 || row.Name <= last {
			t.Errorf("%s after %s: names are words with hyphens, of 32 characters at most, in their order", row.Name, last)
		}
		last = row.Name
		for _, text := range []string{row.Raise, row.Clear, row.Text, row.Remedy} {
			if text == "" || len(text) > 120 {
				t.Errorf("%s: a text of %d octets: %q", row.Name, len(text), text)
			}
		}
		if rank(row.Severity) < 0 {
			t.Errorf("%s: there is no severity %q", row.Name, row.Severity)
		}
		if found, known := Find(row.Name); !known || found.Raise != row.Raise {
			t.Errorf("Find(%s) = %+v, %t", row.Name, found, known)
		}
		if row.Levels == nil {
			if row.Setting != "" {
				t.Errorf("%s has a setting and no levels", row.Name)
			}
			continue
		}
		if row.Levels[0].Severity != row.Severity {
			t.Errorf("%s: its mildest level is %s; want %s", row.Name, row.Levels[0].Severity, row.Severity)
		}
		for i, l := range row.Levels {
			if l.Clear >= l.Raise || l.Raise > 99 || i > 0 && (l.Raise <= row.Levels[i-1].Raise || l.Clear < row.Levels[i-1].Raise || rank(l.Severity) >= rank(row.Levels[i-1].Severity)) {
				t.Errorf("%s: level %+v does not go with the one before", row.Name, l)
			}
		}
	}
	if _, known := Find("made-up"); known {
		t.Error("Find(made-up) finds something")
	}
}

// source is one file of the appliance, tests left out.
type source struct {
	path string
	*ast.File
}

func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
		list = append(list, source{path, parsed})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// constants are the names declared in names.go, by identifier.
func constants(files []source) map[string]string {
	found := map[string]string{}
	for _, file := range files {
		if file.path != filepath.Join("..", "alarm", "names.go") {
			continue
		}
		for _, spec := range file.Decls[0].(*ast.GenDecl).Specs {
			value := spec.(*ast.ValueSpec)
			found[value.Names[0].Name], _ = strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
		}
	}
	return found
}

// TestEveryNameIsARow: what the tree reports is named by a constant, every
// constant is a row, and every row is reported somewhere.
func TestEveryNameIsARow(t *testing.T) {
	files := sources(t)
	names := constants(files)
	if len(names) != len(Table()) {
		t.Errorf("%d constants for %d rows", len(names), len(Table()))
	}
	for identifier, name := range names {
		if _, known := Find(name); !known {
			t.Errorf("%s = %q is not a row", identifier, name)
		}
	}
	reported := map[string]bool{}
	for _, file := range files {
		for _, literal := range conditions(file.File) {
			name, found := nameOf(literal), false
			for identifier := range names {
				found = found || name == identifier
			}
			if !found {
				t.Errorf("%s: a condition is named by %s; want a constant of alarm", file.path, name)
			}
			reported[name] = true
		}
	}
	for identifier := range names {
		if !reported[identifier] {
			t.Errorf("nothing reports %s", identifier)
		}
	}
}

// conditions gives the literals of model.Condition in a file.
func conditions(file *ast.File) []*ast.CompositeLit {
	var list []*ast.CompositeLit
	ast.Inspect(file, func(n ast.Node) bool {
		literal, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if isCondition(literal.Type) && len(literal.Elts) > 0 {
			list = append(list, literal)
		}
		if array, ok := literal.Type.(*ast.ArrayType); ok && isCondition(array.Elt) {
			for _, element := range literal.Elts {
				if inner, ok := element.(*ast.CompositeLit); ok && inner.Type == nil {
					list = append(list, inner)
				}
			}
		}
		return true
	})
	return list
}

func isCondition(e ast.Expr) bool {
	selector, ok := e.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == "Condition"
}

// nameOf is the identifier that stands for a condition's name.
func nameOf(literal *ast.CompositeLit) string {
	i := slices.IndexFunc(literal.Elts, func(e ast.Expr) bool {
		pair, ok := e.(*ast.KeyValueExpr)
		return ok && pair.Key.(*ast.Ident).Name == "Name"
	})
	if i < 0 {
		return "nothing"
	}
	switch value := literal.Elts[i].(*ast.KeyValueExpr).Value.(type) {
	case *ast.SelectorExpr:
		return value.Sel.Name
	case *ast.Ident:
		return value.Name
	}
	return "a literal"
}
