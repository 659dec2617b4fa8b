package firewall

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

// everything is a configuration in which each rule has its place.
func everything() *model.Config {
	c := builtIn()
	c.LANs[0].DHCP.Mode = model.DHCPServer
	c.LANs[0].Address6 = netip.MustParsePrefix("2001:db8:42::1/64")
	c.LANs[0].NoPing = true
	c.LANs[1].NAT = true
	c.LANs = []model.LAN{c.LANs[0], configured(model.Port{LAN: model.LAN1, VLAN: 100}, "192.0.2.1/24"), c.LANs[1]}
	c.SIP = listeners("192.168.42.1:5060", "192.168.43.1:5060", "192.0.2.1:5070", "[2001:db8:42::1]:5060", "198.51.100.1:5060")
	c.SIP.Networks = append(c.SIP.Networks, streams("192.168.42.1:5060", "192.0.2.1:5061", "192.168.43.1:80", "[2001:db8:42::1]:443", "198.51.100.1:5061"))
	c.Metrics = model.Metrics{On: true, Port: 9100}
	c.Access = model.Access{Users: []model.User{{Name: "alice"}}, SSH: model.SSH{LANs: []int{1, 2}, Port: 2222}}
	return c
}

func firewallOff(c *model.Config) *model.Config {
	c.FirewallOff = true
	return c
}

// TestTable holds what the kernel has made of a ruleset against the text that
// nft(8) prints of it.
func TestTable(t *testing.T) {
	lease := []model.Lease{{Port: lan2, Address: netip.MustParsePrefix("203.0.113.9/24")}}
	for _, test := range []struct {
		name  string
		rules Ruleset
	}{
		{"built-in", plan(builtIn(), nil)},
		{"everything", plan(everything(), nil)},
		{"everything-closed", plan(everything(), nil).closed()},
		{"off", plan(firewallOff(everything()), nil)},
		{"leased", plan(&model.Config{LANs: []model.LAN{configured(lan1, "192.168.42.1/24"), model.NewLAN(lan2)}, SIP: listeners("203.0.113.9:5060")}, lease)},
		{"nothing-configured", plan(&model.Config{}, nil)},
	} {
		t.Run(test.name, func(t *testing.T) {
			box := newNetwork(t)
			if difference, _, err := box.tables.Compare(test.rules); err != nil || difference == "" {
				t.Errorf("Compare before Replace = %q, %v; want a difference", difference, err)
			}
			for range 2 { // the second takes the place of the first
				if err := box.tables.Replace(test.rules); err != nil {
					t.Fatal(err)
				}
				if difference, _, err := box.tables.Compare(test.rules); err != nil || difference != "" {
					t.Errorf("Compare after Replace = %q, %v; want no difference", difference, err)
				}
			}
			got := regexp.MustCompile(`packets \d+ bytes \d+`).ReplaceAllString(box.run(t, "nft", "--stateless", "list", "ruleset"), "")
			golden := filepath.Join("testdata", test.name+".golden")
			if flag.Lookup("update").Value.String() == "true" { // exectest declares it
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("nft list ruleset, -want +got:\n%s", diff)
			}
		})
	}
}

// A firewall that is off, with nothing to do, is right as it is: it is not
// written again and again.
func TestEmptyTable(t *testing.T) {
	box := newNetwork(t)
	empty := plan(&model.Config{FirewallOff: true}, nil)
	if err := box.tables.Replace(plan(builtIn(), nil)); err != nil {
		t.Fatal(err)
	}
	if difference, _, err := box.tables.Compare(empty); err != nil || difference == "" {
		t.Errorf("Compare with the rules before = %q, %v; want a difference", difference, err)
	}
	if err := box.tables.Replace(empty); err != nil {
		t.Fatal(err)
	}
	if difference, _, err := box.tables.Compare(empty); err != nil || difference != "" {
		t.Errorf("Compare after Replace = %q, %v; want no difference", difference, err)
	}
}

// A rule that the kernel cannot do fails all of them, with one reason.
func TestReplaceFails(t *testing.T) {
	box := newNetwork(t)
	rules := plan(builtIn(), nil)
	if err := box.tables.Replace(rules); err != nil {
		t.Fatal(err)
	}
	broken := plan(everything(), nil)
	for i := range broken.Chains {
		broken.Chains[i].Rules = append(broken.Chains[i].Rules, Rule{What: "to nowhere", Verdict: GoTo, Goto: "nowhere"})
	}
	if err := box.tables.Replace(broken); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("Replace = %v; want an error of one line", err)
	}
	if difference, _, err := box.tables.Compare(rules); err != nil || difference != "" {
		t.Errorf("Compare with the rules before = %q, %v; want no difference", difference, err)
	}
}

// TestManyListeners: as many as there may be, on ports that many.
func TestManyListeners(t *testing.T) {
	box := newNetwork(t)
	c := builtIn()
	addresses := []string{}
	for i := range 1000 {
		addresses = append(addresses, fmt.Sprintf("10.%d.%d.1:5060", i/250, i%250), fmt.Sprintf("[2001:db8::%x]:5060", i+1))
	}
	c.SIP = listeners(addresses...)
	for vlan := range 62 {
		c.LANs = append(c.LANs, configured(model.Port{LAN: model.LAN2, VLAN: vlan + 1}, fmt.Sprintf("172.16.%d.1/24", vlan)))
	}
	rules := plan(c, nil)
	if err := box.tables.Replace(rules); err != nil {
		t.Fatal(err)
	}
	if difference, _, err := box.tables.Compare(rules); err != nil || difference != "" {
		t.Errorf("Compare after Replace = %q, %v; want no difference", difference, err)
	}
}
