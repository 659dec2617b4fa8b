package drawn

import (
	"slices"
	"strings"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// StoredPassword is any octets where those of a password's hash stand.
const StoredPassword = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// publicKeys are keys that users may have, without comments.
var publicKeys = []string{
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUgmEaAXxRUFkZbZ1EmWhlg6KVgYsxmjyO4ZgQEjvrg",
}

// drawAccess draws who may log in.
func drawAccess(t *rapid.T, c *model.Config) {
	a := &c.Access
	for _, name := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(name, 0, 3, rapid.ID).Draw(t, "groups"))) {
		a.Groups = append(a.Groups, drawGroup(t, name))
	}
	groups := []string{model.GroupPrivileged, model.GroupReadOnly}
	for _, g := range a.Groups {
		groups = append(groups, g.Name)
	}
	slices.Sort(groups)
	userName := rapid.StringMatching(`[A-Za-z][A-Za-z0-9._-]{0,31}`)
	for i, name := range slices.Sorted(slices.Values(rapid.SliceOfNDistinct(userName, 0, 3, rapid.ID).Draw(t, "users"))) {
		if strings.EqualFold(name, model.COMAdmin) {
			continue
		}
		u := model.User{Name: name}
		for _, g := range groups {
			if i == 0 && g == model.GroupPrivileged || rapid.Bool().Draw(t, "member") {
				u.Groups = append(u.Groups, g)
			}
		}
		for _, key := range publicKeys {
			if rapid.Bool().Draw(t, "has key") {
				u.Keys = append(u.Keys, key+rapid.SampledFrom([]string{"", " a@example.com", " two  words"}).Draw(t, "comment"))
			}
		}
		if i == 0 || rapid.Bool().Draw(t, "has password") {
			u.Password = StoredPassword
		}
		a.Users = append(a.Users, u)
	}
	a.IdleMinutes = rapid.SampledFrom([]int{0, -1, 1, 1440}).Draw(t, "idle minutes")
	for _, host := range rapid.SliceOfNDistinct(label, 0, 4, rapid.ID).Draw(t, "login servers") {
		a.RADIUS = append(a.RADIUS, model.LoginServer{Host: host, Port: int(port.Draw(t, "port")), Key: Sealed})
	}
	a.SSH = model.SSH{
		Off:  rapid.Bool().Draw(t, "SSH is off"),
		LANs: rapid.SampledFrom([][]int{nil, {2}, {1, 2}}).Draw(t, "LANs"),
		Port: rapid.SampledFrom([]int{0, 1, 2222, 65535}).Draw(t, "SSH port"),
	}
	a.Web = model.Web{
		On:   rapid.Bool().Draw(t, "the pages are on"),
		LANs: rapid.SampledFrom([][]int{nil, {2}, {1, 2}}).Draw(t, "LANs of the pages"),
		Port: rapid.SampledFrom([]int{0, 2, 8443, 65535}).Draw(t, "port of the pages"),
	}
	free := func(port uint16, asker string) bool {
		for _, n := range c.SIP.Networks {
			for _, l := range n.Listens {
				if l.Address.Port() == port {
					return false
				}
			}
		}
		return c.TCPServiceAt(port, asker) == ""
	}
	if !free(a.SSH.TCPPort(), model.ServiceSSH) {
		a.SSH = model.SSH{Off: true}
	}
	a.Web.On = a.Web.On && free(a.Web.TCPPort(), model.ServiceWeb)
}

// ruledWords are what rules of each kind are about.
var ruledWords = map[string][]string{
	model.RuleExec: {"", "show billing", "terminal monitor"}, model.RuleConfigure: {"", "sbc sbe billing", "username"},
}

func drawGroup(t *rapid.T, name string) model.Group {
	g := model.Group{Name: name, FilesRead: rapid.Bool().Draw(t, "reads files")}
	g.FilesWrite = g.FilesRead && rapid.Bool().Draw(t, "writes files")
	for _, kind := range []string{model.RuleExec, model.RuleConfigure} { // in the order of the text
		for _, words := range ruledWords[kind] {
			if rapid.Bool().Draw(t, "rule") {
				g.Rules = append(g.Rules, model.Rule{Permit: rapid.Bool().Draw(t, "permit"), Kind: kind, Words: words})
			}
		}
	}
	if len(g.Rules) == 0 {
		g.FilesRead = true // one that says nothing is no group
	}
	return g
}
