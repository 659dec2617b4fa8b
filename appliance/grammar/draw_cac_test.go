package grammar_test

import (
	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// drawCAC draws the tables of call admission control.
func drawCAC(t *rapid.T, s *model.SBC) {
	for _, set := range rising(t, number, "policy sets") {
		p := model.CACPolicySet{Number: set}
		for _, table := range rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "tables") {
			p.Tables = append(p.Tables, model.CACTable{Name: table})
		}
		for i := range p.Tables {
			for _, entry := range rising(t, number, "entries") {
				p.Tables[i].Entries = append(p.Tables[i].Entries, model.CACEntry{Number: entry})
			}
		}
		s.CACPolicySets = append(s.CACPolicySets, p)
	}
}
