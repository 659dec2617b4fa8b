package grammar_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/config"
	"causeway/appliance/grammar"
)

// TestEveryWordHasHelp walks all that ? can be asked in the configuration and
// in EXEC, and finds the keywords that no one explains.
func TestEveryWordHasHelp(t *testing.T) {
	vocabularies := map[string][]config.Form{"EXEC": execForms()}
	g := grammar.All()
	for _, mode := range modes(g) {
		vocabularies[string(mode)] = g.Forms(mode)
	}
	asked := make(map[string]bool)
	for name, forms := range vocabularies {
		v, err := config.NewVocabulary(forms, grammar.Words())
		if err != nil {
			t.Fatalf("commands of %s: %v", name, err)
		}
		for _, form := range forms {
			var line string
			for _, word := range strings.Fields(fill(t, form.Syntax, form.Args, "", "")) {
				for _, choice := range v.Expand(line).Choices {
					if question := fmt.Sprintf("%s: %q ? %s", name, line, choice.Word); choice.Help == "" && !asked[question] {
						asked[question] = true
						t.Errorf("%s has no help; Words has none either", question)
					}
				}
				line += word + " "
			}
			if got := v.Expand(line); got.Fault != nil || !got.Complete {
				t.Errorf("%s: %q is %+v; want a complete line", name, line, got)
			}
		}
	}
}

// modes gives the modes of the configuration.
func modes(g *config.Grammar) []config.Mode {
	all := []config.Mode{config.Global}
	for _, command := range g.Commands() {
		if command.Opens != "" && !slices.Contains(all, command.Opens) {
			all = append(all, command.Opens)
		}
	}
	return all
}

func execForms() []config.Form {
	var forms []config.Form
	for _, c := range grammar.Exec() {
		forms = append(forms, config.Form{Syntax: c.Syntax, Args: c.Args, Help: c.Help})
	}
	return forms
}
