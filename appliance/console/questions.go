package console

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// question is one row of the dialogue.
type question struct {
	name, prompt string // in the summary, and to ask with
	help         string // what ? says
	proposal     string // where neither the configuration nor an earlier answer is one
	forNewBox    bool   // asked at the first boot only
	secret       bool   // typed twice, and not shown
	shows        string // a command of EXEC whose output is shown first
	// needed says whether there is anything to ask; nil: always.
	needed func(c *model.Config) bool
	// now is the answer that the configuration gives. It changes nothing;
	// empty: there is none.
	now func(c *model.Config) string
	// lines are those that make another answer hold, from the beginning of the
	// configuration. Its error is a *config.Error.
	lines func(c *model.Config, a answers, answer string) ([]string, error)
}

// What some answers are.
const (
	none      = "none"
	automatic = "automatic" // those of DHCP, else the box's own default
	byDHCP    = "dhcp"
)

// administrator is the name of a question that another one needs.
const administrator = "Administrator"

// questions are asked in this order.
var questions = []question{
	{
		name: "Host name", prompt: "Host name",
		help:  "The name of this box: letters, digits and \"-\". It stands in the prompt and in what the box sends.\n",
		now:   func(c *model.Config) string { return c.HostName },
		lines: line("hostname %s"),
	},
	{
		name: administrator, prompt: "Name of the administrator", proposal: "admin", forNewBox: true,
		help: "The first user, who may do all: letters, digits, \"-\", \"_\" and \".\".\n",
		now:  func(*model.Config) string { return "" },
		lines: func(_ *model.Config, _ answers, name string) ([]string, error) {
			return []string{"username " + name + " create", "username " + name + " group " + model.GroupPrivileged}, nil
		},
	},
	{
		name: "Password", prompt: "Password", forNewBox: true, secret: true,
		now: func(*model.Config) string { return "" },
		lines: func(_ *model.Config, a answers, password string) ([]string, error) {
			if strings.ContainsAny(password, " \t") {
				return nil, wrong("a password has no blanks")
			}
			return []string{"username " + a[administrator] + " password " + password}, nil
		},
	},
	lanQuestion(model.LAN1),
	lanQuestion(model.LAN2),
	{
		name: "Default gateway", prompt: "Default gateway, or none",
		help: "The router that leads to all other networks, as 192.0.2.1; with the LAN behind\n" +
			"it if no LAN above has its network: 192.0.2.1 LAN1. DHCP brings its own.\n",
		now:   gateway,
		lines: gatewayLines,
	},
	{
		name: "DNS servers", prompt: "DNS servers, or automatic",
		help: "Up to 4 addresses; automatic: those that DHCP brings, else public ones.\n",
		now:  func(c *model.Config) string { return listOr(automatic, c.NameServers) },
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) {
			return replace(len(c.NameServers) > 0, "ip name-server", automatic, strings.Join(fields(answer), " ")), nil
		},
	},
	{
		name: "Time servers", prompt: "Time servers, or automatic",
		help: "Names or addresses of NTP servers; automatic: those that DHCP brings, else public ones.\n",
		now:  func(c *model.Config) string { return listOr(automatic, c.TimeServers) },
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) {
			return replace(len(c.TimeServers) > 0, "ntp server", automatic, fields(answer)...), nil
		},
	},
	{
		name: "Time zone", prompt: "Time zone",
		help: "The zone that times are shown in: UTC, Europe/Berlin, America/New_York; or a name\nand hours east of UTC: CET 1.\n",
		now:  zone,
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) {
			return replace(c.Time.Zone != model.TimeZone{}, "clock timezone", "UTC", answer), nil
		},
	},
	{
		name: "Calls per second", prompt: "Calls per second",
		help:  "How many the licence is to allow, a multiple of 5.\n",
		now:   func(c *model.Config) string { return strconv.Itoa(c.License.LimitCPS()) },
		lines: line("license smart activate cusp %s"),
	},
	{
		name: "Licence server", prompt: "Licence server, or none",
		help: "Its address, as https://licences.example.com; none: calls go on for the 90 days\nof the evaluation. The box is registered later: license smart register.\n",
		now:  func(c *model.Config) string { return cmp.Or(c.License.URL, none) },
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) {
			return replace(c.License.URL != "", "license smart url", none, answer), nil
		},
	},
	{
		name: "Customer ID", prompt: "Customer ID of the remote management, or none",
		help: "It came by e-mail, with the name of the subscription server; none: the box has no\nlink to the remote management (COM).\n",
		now:  func(c *model.Config) string { return cmp.Or(c.COM.CustomerID, none) },
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) {
			return replace(c.COM.CustomerID != "", "com customer-id", none, answer), nil
		},
	},
	{
		name: "COM server", prompt: "Subscription server, or none",
		help: "Its name, as the e-mail has it: com.example.com; none: the box has no link to the\nremote management. It is reached over TCP 443 or 8443, and nothing but heartbeats\nand subscriptions goes there until com service says so.\n",
		now:  func(c *model.Config) string { return cmp.Or(c.COM.Server, none) },
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) {
			return replace(c.COM.Server != "", "com server", none, answer), nil
		},
	},
	{
		name: "Call Home", prompt: "Call Home: smart, anonymous, disabled or none",
		help: "What the vendor is told of this box. smart: inventory and telemetry every month, and\nalerts; anonymous: inventory and telemetry that name nobody, with the serial number;\ndisabled: nothing; none: nothing, and who logs in is reminded of it.\n",
		now:  func(c *model.Config) string { return c.CallHome.Does() },
		lines: func(_ *model.Config, _ answers, answer string) ([]string, error) {
			return inCallHome("mode " + answer), nil
		},
	},
	{
		name: "Contact e-mail", prompt: "E-mail address of the contact, or none",
		help:   "Whom the vendor asks about the box, as noc@example.com; none: nothing is sent\nuntil there is one.\n",
		needed: func(c *model.Config) bool { return c.CallHome.Does() == model.CallHomeSmart },
		now:    func(c *model.Config) string { return cmp.Or(c.CallHome.ContactEmail, none) },
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) {
			return inCallHome(replace(c.CallHome.ContactEmail != "", "contact-email-addr", none, answer)...), nil
		},
	},
	{
		name: "Call Home to", prompt: "Call Home to, or none",
		help: "The address that the vendor has given, as https://callhome.example.com; none:\nnothing is sent until there is one. E-mail and proxies: mode call-home.\n",
		needed: func(c *model.Config) bool {
			return c.CallHome.Enabled() && c.CallHome.By() != model.CallHomeEmail
		},
		now: func(c *model.Config) string { return cmp.Or(c.CallHome.URL, none) },
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) {
			return inCallHome(replace(c.CallHome.URL != "", "destination url", none, answer)...), nil
		},
	},
	{
		name: "Agreement", prompt: "Do you accept the agreement (yes/no)?", shows: "show call-home eula",
		help: "Nothing is sent before somebody has accepted it.\n",
		// It is the last that is missing, so that nobody has to accept what is not
		// going to be.
		needed: func(c *model.Config) bool { return !c.CallHome.Accepted && len(c.CallHome.Pending()) == 1 },
		now:    func(*model.Config) string { return "no" },
		lines: func(_ *model.Config, _ answers, answer string) ([]string, error) {
			switch strings.ToLower(answer) {
			case "yes", "y":
				return inCallHome("eula accept"), nil
			case "no", "n":
				return nil, nil
			}
			return nil, wrong("type yes or no")
		},
	},
}

// wrong is a fault of an answer.
func wrong(format string, args ...any) error {
	return &config.Error{Column: 1, Rule: fmt.Sprintf(format, args...)}
}

// line answers with a line that takes the place of the one before.
func line(format string) func(*model.Config, answers, string) ([]string, error) {
	return func(_ *model.Config, _ answers, answer string) ([]string, error) {
		return []string{fmt.Sprintf(format, answer)}, nil
	}
}

// inCallHome puts lines into their mode.
func inCallHome(lines ...string) []string {
	return append(append([]string{"call-home"}, lines...), "exit")
}

// replace gives the lines that put values in the place of those that there are,
// if any; the word for no value gives none.
func replace(any bool, command, noValue string, values ...string) (lines []string) {
	if any {
		lines = append(lines, "no "+command)
	}
	for _, value := range values {
		if value != noValue {
			lines = append(lines, command+" "+value)
		}
	}
	return lines
}

// fields are what stands between blanks and commas.
func fields(answer string) []string {
	return strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' })
}

func listOr[T any](other string, list []T) string {
	if len(list) == 0 {
		return other
	}
	return strings.Trim(fmt.Sprint(list), "[]")
}

// lanQuestion asks for the address of a port.
func lanQuestion(lan model.LANName) question {
	port := model.Port{LAN: lan}
	return question{
		name: port.String(), prompt: fmt.Sprintf("%v address, %s or %s", port, byDHCP, none),
		help: "Address and length of the prefix, as 192.0.2.10/24; " + byDHCP + ": a server gives it, and SIP\n" +
			"is to be configured by hand; " + none + ": no address.\n",
		now: func(c *model.Config) string {
			switch lan := c.LAN(port); {
			case lan == nil:
			case lan.DHCP.Mode == model.DHCPClient:
				return byDHCP
			case lan.Address.IsValid():
				return lan.Address.String()
			}
			return none
		},
		lines: func(c *model.Config, _ answers, answer string) ([]string, error) { return lanLines(c, port, answer) },
	}
}

// lanLines give a port an address. Where SIP was heard on the old one it is
// then heard on the new one.
func lanLines(c *model.Config, port model.Port, answer string) ([]string, error) {
	lan := c.LAN(port)
	if lan == nil {
		lan = &model.LAN{}
	}
	lines := []string{"lan " + port.String()}
	undo := func(set bool, line string) {
		if set {
			lines = append(lines, line)
		}
	}
	switch answer {
	case byDHCP:
		undo(lan.Address.IsValid(), "no ip address")
		return append(lines, "dhcp mode client", "exit"), nil
	case none:
		undo(lan.Address.IsValid(), "no ip address")
		undo(lan.DHCP.Mode == model.DHCPClient, "no dhcp mode")
		return append(lines, "exit"), nil
	}
	address, err := prefix(answer)
	if err != nil {
		return nil, err
	}
	undo(lan.DHCP.Mode == model.DHCPClient, "no dhcp mode")
	mask := config.Mask{}.Format(address.Bits())
	lines = append(lines, fmt.Sprintf("ip address %v %s", address.Addr(), mask), "exit")
	for _, network := range c.SIP.Networks {
		for _, l := range network.Listens {
			if l.Address.Addr() == lan.Address.Addr() && l.Address.Addr() != address.Addr() {
				at := fmt.Sprintf("sip listen %s %v ", network.Name, l.Transport)
				lines = append(lines,
					fmt.Sprintf("no %s%v %d", at, l.Address.Addr(), l.Address.Port()),
					fmt.Sprintf("%s%v %d", at, address.Addr(), l.Address.Port()))
			}
		}
	}
	return lines, nil
}

// prefix reads an address of IPv4 with the length of its prefix, or its mask.
func prefix(answer string) (netip.Prefix, error) {
	address, mask, hasMask := strings.Cut(strings.Join(fields(answer), " "), " ")
	if hasMask {
		if bits, err := (config.Mask{}).Parse(mask); err == nil {
			address = fmt.Sprintf("%s/%v", address, bits)
		}
	}
	p, err := netip.ParsePrefix(address)
	if err != nil || !p.Addr().Is4() {
		return p, wrong("%s is not an address and the length of its prefix, as 192.0.2.10/24", answer)
	}
	return p, nil
}

// defaultRoute is the first to all networks of IPv4; nil: there is none.
func defaultRoute(c *model.Config) *model.IPRoute {
	i := slices.IndexFunc(c.Routes, func(r model.IPRoute) bool { return r.Destination.Bits() == 0 && r.Gateway.Is4() })
	if i < 0 {
		return nil
	}
	return &c.Routes[i]
}

func gateway(c *model.Config) string {
	if r := defaultRoute(c); r != nil {
		return fmt.Sprintf("%v %v", r.Gateway, r.Port)
	}
	return none
}

func gatewayLines(c *model.Config, _ answers, answer string) ([]string, error) {
	router, lan, _ := strings.Cut(strings.Join(fields(answer), " "), " ")
	addr, err := netip.ParseAddr(router)
	switch {
	case router == none:
	case err != nil || !addr.Is4():
		return nil, wrong("%s is not an address of IPv4", router)
	case lan == "":
		i := slices.IndexFunc(c.LANs, func(l model.LAN) bool { return l.Address.Contains(addr) })
		if i < 0 {
			return nil, wrong("no LAN has the network of %s: add the LAN that it is on: %s LAN1", router, router)
		}
		lan = c.LANs[i].Port.String()
	}
	const route = "ip route 0.0.0.0 0.0.0.0"
	return replace(defaultRoute(c) != nil, route, none, strings.TrimSpace(router+" "+lan)), nil
}

func zone(c *model.Config) string {
	z := c.Time.Zone
	switch {
	case z == model.TimeZone{}:
		return "UTC"
	case z.Fixed:
		return fmt.Sprintf("%s %d %d", z.Name, z.Minutes/60, max(z.Minutes%60, -(z.Minutes%60)))
	}
	return z.Name
}
