package control

import (
	"slices"
	"testing"

	"causeway/appliance/config/change"
	"causeway/appliance/model"
	"causeway/appliance/network/firewall"
)

// wanted is a kernel that keeps the rules that it should have.
type wanted struct {
	noTables
	rules firewall.Ruleset
}

func (w *wanted) Compare(rules firewall.Ruleset) (string, firewall.Counters, error) {
	w.rules = rules
	return "", nil, nil
}

// TestDoors: SSH is open to whoever may log in, even where the configuration in
// force has no users and those of an earlier revision count; never on a new box.
func TestDoors(t *testing.T) {
	users := model.Access{Users: []model.User{{Name: "alice"}}}
	elsewhere := model.Access{Users: users.Users, SSH: model.SSH{LANs: []int{2}}}
	for name, test := range map[string]struct {
		config, access model.Access
		want           []string // where it is open
	}{
		"new box":                      {},
		"users":                        {users, users, []string{"lan1"}},
		"users elsewhere":              {elsewhere, elsewhere, []string{"lan2"}},
		"users of an earlier revision": {model.Access{}, elsewhere, []string{"lan1"}},
		"off, users of an earlier one": {model.Access{SSH: model.SSH{Off: true}}, users, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b, kernel := newBox(t), &wanted{}
			b.options.Tables = kernel
			c := build(b.options, b.pace)
			defer c.alarms.Close()
			defer c.reports.Close()
			lans := []model.LAN{model.NewLAN(model.Port{LAN: model.LAN1}), model.NewLAN(model.Port{LAN: model.LAN2})}
			c.adopt(change.InForce{Config: &model.Config{LANs: lans, Access: test.config}, Access: test.access})
			if _, err := c.firewall.Report(); err != nil {
				t.Fatal(err)
			}
			var open []string
			for _, chain := range kernel.rules.Chains {
				if slices.ContainsFunc(chain.Rules, func(r firewall.Rule) bool { return r.What == "SSH, tcp port 22" }) {
					open = append(open, chain.Name)
				}
			}
			if !slices.Equal(open, test.want) {
				t.Errorf("SSH is open on %v; want %v", open, test.want)
			}
		})
	}
}
