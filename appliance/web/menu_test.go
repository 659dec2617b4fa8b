package web

import "testing"

// TestNamesOfParts: a form, and a request for a part alone, means one part.
func TestNamesOfParts(t *testing.T) {
	paths := map[string]bool{}
	for _, section := range menu() {
		for _, p := range section.pages {
			if paths[p.path] {
				t.Errorf("there are two pages %s", p.path)
			}
			paths[p.path] = true
			names := map[string]bool{"bar": true}
			for _, one := range p.parts {
				if names[one.name()] {
					t.Errorf("page %s has two parts %s", p.path, one.name())
				}
				names[one.name()] = true
			}
		}
	}
}
