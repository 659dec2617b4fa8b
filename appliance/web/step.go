package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// step is the way from what is in force to another configuration, for somebody who
// is about to go it.
type step struct {
	Seen     string // as change.CommitRequest has it
	Lines    []diffLine
	Left     int      // lines that are not among them
	More     string   // where all are
	Warnings []string // a sentence each
	Moves    bool     // the pages have other addresses afterwards
	Then     []place  // where
	Away     bool     // the one that who goes it has come to is none of them
	Careful  bool     // it may cut off who goes it: it should be confirmed
}

// diffLine is a line of config.Diff, without secrets.
type diffLine struct{ Class, Text string }

// stepLines is how many lines of a step a page shows that is not asked for all.
const stepLines = 800

// stepTo says what becomes of what is in force with another text.
func (v *visit) stepTo(from, to string) step {
	s := step{Seen: change.Step(from, to)}
	for line := range strings.Lines(config.Diff(from, to)) {
		class := map[byte]string{'+': "added", '-': "removed"}[line[0]]
		s.Lines = append(s.Lines, diffLine{class, config.Redact(strings.TrimSuffix(line, "\n"))})
	}
	if most := stepLines; len(s.Lines) > most && v.request.Form.Get("whole") == "" {
		query := v.request.URL.Query()
		query.Set("whole", "yes")
		s.Left, s.Lines, s.More = len(s.Lines)-most, s.Lines[:most], "?"+query.Encode()
	}
	var before, after model.Config // lines that this version does not know change nothing
	v.Grammar.Merge(&before, from)
	v.Grammar.Merge(&after, to)
	var changed []string
	for _, r := range risks {
		if !reflect.DeepEqual(r.of(&before), r.of(&after)) {
			changed = append(changed, r.what)
		}
	}
	if len(changed) > 0 {
		s.Careful = true
		s.Warnings = append(s.Warnings, "It changes "+strings.Join(changed, ", ")+
			". If it cuts you off, a commit that is to be confirmed comes undone by itself.")
	}
	if user := v.operator().User; before.Access.User(user) != nil && !reflect.DeepEqual(mayOf(&before, user), mayOf(&after, user)) {
		s.Warnings = append(s.Warnings, "What "+user+" may do is another thing afterwards: this session ends, and you have to log in again.")
	}
	s.Then = placesOf(&after)
	s.Moves = !reflect.DeepEqual(placesOf(&before), s.Then)
	s.Away = s.Moves && !v.staysAt(s.Then)
	if s.Moves && len(s.Then) == 0 {
		s.Warnings = append(s.Warnings, "These pages are nowhere afterwards: the box is reached at its serial port and where else it may be logged in.")
	}
	return s
}

// risks are the parts of a configuration with which somebody on the pages can lock
// himself out.
var risks = []struct {
	what string
	of   func(c *model.Config) any
}{
	{"LAN1 or LAN2", func(c *model.Config) any { return c.LANs }},
	{"the routes", func(c *model.Config) any { return c.Routes }},
	{"the firewall", func(c *model.Config) any { return c.FirewallOff }},
	{"where these pages are (ip http)", func(c *model.Config) any { return c.Access.Web }},
	{"the users", func(c *model.Config) any { return c.Access.Users }},
	{"their groups", func(c *model.Config) any { return c.Access.Groups }},
	{"the servers that know who may log in", func(c *model.Config) any { return c.Access.RADIUS }},
	{"the link to COM", func(c *model.Config) any { return c.COM }},
}

// mayOf is what a session of a user stands on: his groups, and what those permit.
func mayOf(c *model.Config, user string) (groups []model.Group) {
	u := c.Access.User(user)
	if u == nil {
		return nil
	}
	groups = []model.Group{}
	for _, name := range u.Groups {
		groups = append(groups, model.Group{Name: name})
		if g := c.Access.Group(name); g != nil {
			groups = append(groups, *g)
		}
	}
	return groups
}

// place is where the pages are. Without a URL its address is one that a DHCP server
// gives.
type place struct{ Port, URL string }

// placesOf are those of a configuration.
func placesOf(c *model.Config) (list []place) {
	access := c.Access
	access.Users = []model.User{{}} // who looks is one, and some stay: those of the newest revision that has any
	for _, l := range c.LANs {
		if l.Shutdown || !access.WebAt(l.Port) {
			continue
		}
		if l.DHCP.Mode == model.DHCPClient {
			list = append(list, place{Port: l.Port.String()})
		}
		for _, prefix := range []netip.Prefix{l.Address, l.Address6} {
			if prefix.IsValid() {
				list = append(list, place{l.Port.String(), urlAt(prefix.Addr(), access.Web.TCPPort())})
			}
		}
	}
	return list
}

// urlAt is that of the pages at an address.
func urlAt(address netip.Addr, port uint16) string {
	host := netip.AddrPortFrom(address, port).String()
	return "https://" + strings.TrimSuffix(host, fmt.Sprintf(":%d", model.DefaultWebPort)) + "/"
}

// staysAt reports whether who looks has come to one of the places, or through the
// tunnel of COM, which ends where it ended.
func (v *visit) staysAt(places []place) bool {
	if strings.HasPrefix(v.operator().Origin, "web com") {
		return true
	}
	local, _ := v.request.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local == nil {
		return false
	}
	here, err := netip.ParseAddrPort(local.String())
	return err == nil && slices.ContainsFunc(places, func(p place) bool { return p.URL == urlAt(here.Addr().Unmap(), here.Port()) })
}
