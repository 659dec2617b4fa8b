package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// card is a part of the health of the box.
type card struct {
	title   string
	path    string // of the page with more
	command string // that shows it on the console: who may not type it does not see the card
	silent  string // what is wrong when it cannot be told
	fill    func(*visit, *answers) (content, error)
}

// content is what a card says.
type content struct {
	Level   level
	Trouble string // what is wrong, for the sentence; empty: nothing
	Big     string // the figure that counts, with what it is; empty: there is none
	Fields  []field
}

// field is a line of a card.
type field struct {
	Name, Value string
	Level       level
}

func (c *content) add(name, format string, values ...any) {
	c.Fields = append(c.Fields, field{Name: name, Value: fmt.Sprintf(format, values...)})
}

// note adds a line of something that is as well as its level says.
func (c *content) note(l level, name, value string) {
	c.Fields = append(c.Fields, field{name, value, l})
	c.Level = max(c.Level, l)
}

func (c card) permits(rights model.Rights) error { return config.PermitsCommand(rights, c.command) }

// cards are all there are; the first says whether calls are taken.
var cards = []card{
	{"Calls", "/monitor/calls", "show calls summary", "the proxy does not answer", callsCard},
	{"Licence", "/administration/license", "show license summary", "control does not tell of the licence", licenseCard},
	{"COM", "/administration/com", "show com", "control does not tell of COM", comCard},
	{"RADIUS and cache", "/monitor/radius", "show billing status", "billing does not answer", billingCard},
	{"Ports and clock", "/monitor/interfaces", "show interfaces", "control does not answer", portsCard},
	{"Disks", "/system/storage", "show storage", "init does not answer", disksCard},
	{"Alarms", "/monitor/alarms", "show alarms", "control does not answer", alarmsCard},
	{"Firmware", "/administration/firmware", "show firmware", "init does not answer", firmwareCard},
	{"Call Home", "/administration/call-home", "show call-home", "control does not answer", callHomeCard},
}

func callsCard(_ *visit, a *answers) (c content, err error) {
	proxy, err := a.proxy()
	if err != nil {
		return c, err
	}
	c.Big = counted(proxy.OpenCalls, "call", "calls") + " now"
	c.add("Transactions", "%d", proxy.Transactions)
	c.add("Since the proxy started", "%s", counted(int(proxy.Counters["offered"]), "call", "calls"))
	if rate, err := a.rate(); err == nil && rate.Rejecting { // without, the chart says so
		c.Trouble = "more calls come than may, the others are rejected"
		c.note(bad, "Rejecting", "yes")
	}
	return c, nil
}

func licenseCard(_ *visit, a *answers) (c content, err error) {
	license, err := a.license()
	if err != nil {
		return c, err
	}
	c.Big = license.State
	if !license.Calls {
		c.Trouble = "the licence allows none (" + license.State + ")"
		c.note(bad, "Calls", "rejected")
	} else {
		c.add("Calls", "up to %d a second", license.Limit)
	}
	what := "Authorization"
	if license.Eval {
		what = "Evaluation"
	}
	const soon = 14 * 24 * time.Hour
	switch {
	case license.Left >= soon:
		c.add(what, "%s left", spell(license.Left))
	case license.Left > 0:
		c.Trouble = cmp.Or(c.Trouble, "the licence has "+spell(license.Left)+" left")
		c.note(warn, what, spell(license.Left)+" left")
	}
	switch license.State {
	case "OUT_OF_COMPLIANCE", "EVAL_EXPIRED", "AUTHORIZATION_EXPIRED":
		c.Level = max(c.Level, warn)
		c.Trouble = cmp.Or(c.Trouble, "the licence is "+license.State)
	}
	return c, nil
}

func comCard(_ *visit, a *answers) (c content, err error) {
	com, err := a.com()
	if err != nil {
		return c, err
	}
	c.Big = com.State
	const unused = "not set up" // by com customer-id and com server
	if com.Connected || com.State == unused || com.State == "shut down" || com.State == "secondary" {
		if com.Waiting > 0 {
			c.add("To be told", "%d", com.Waiting)
		}
		return c, nil
	}
	c.Trouble = "there is no link to COM (" + com.State + ")"
	c.note(warn, "What is subscribed goes on for", spell(com.GraceLeft))
	c.add("To be told", "%d", com.Waiting)
	return c, nil
}

func billingCard(v *visit, a *answers) (c content, err error) {
	billing, err := a.billing()
	if err != nil {
		return c, err
	}
	var down []string
	for _, client := range billing.RADIUS {
		up := 0
		for _, server := range client.Servers {
			if server.Up {
				up++
			}
		}
		l, text := good, fmt.Sprintf("%d of %s up", up, counted(len(client.Servers), "server", "servers"))
		switch {
		case !client.Up:
			l, down = bad, append(down, client.Name)
		case up < len(client.Servers):
			l = warn
		}
		c.note(l, client.Name, text)
	}
	if len(billing.RADIUS) == 0 {
		c.add("RADIUS", "no client runs")
	}
	cache := billing.Cache
	c.Big = counted(int(cache.Records), "record waits", "records wait")
	if !cache.Oldest.IsZero() {
		c.add("The oldest since", "%s", v.clock(cache.Oldest))
	}
	c.add("Cache", "%s", octets(cache.Bytes))
	if len(down) > 0 {
		c.Trouble = "no RADIUS server of " + strings.Join(down, ", ") + " answers"
	}
	if cdr := billing.CDR; cdr != nil && cdr.Problem != "" {
		c.note(bad, "CDR files", cdr.Problem)
		c.Trouble = cmp.Or(c.Trouble, "CDR files cannot be written")
	}
	switch {
	case cache.Fault != "":
		c.note(bad, "Disk", cache.Fault)
		c.Trouble = cmp.Or(c.Trouble, "the billing cache cannot use its disk")
	case cache.Full:
		c.note(bad, "Disk", "full: records wait in memory")
		c.Trouble = cmp.Or(c.Trouble, "the billing cache is full")
	}
	if c.Level == warn {
		c.Trouble = cmp.Or(c.Trouble, "a RADIUS server does not answer")
	}
	return c, nil
}

func portsCard(_ *visit, a *answers) (c content, err error) {
	control, err := a.control()
	if err != nil {
		return c, err
	}
	for _, port := range control.Interfaces {
		l, text := good, cmp.Or(port.Link, "not looked at yet")
		switch {
		case port.Shutdown:
			text = "shut down"
		case port.Problem != "":
			l, text = warn, port.Problem
			c.Trouble = cmp.Or(c.Trouble, port.LAN+" is not as it should be")
		case port.Link == "down" || port.Link == "missing":
			l = warn
			c.Trouble = cmp.Or(c.Trouble, port.LAN+" has no link")
		case port.Address != "":
			text += ", " + port.Address
		}
		c.note(l, port.LAN, text)
	}
	c.add("Clock", "%s", control.Clock)
	c.add("DNS", "%s", control.Resolver)
	for _, problem := range control.Problems {
		c.note(warn, "Configuration", problem)
		c.Trouble = cmp.Or(c.Trouble, "the configuration has a problem")
	}
	return c, nil
}

func disksCard(_ *visit, a *answers) (c content, err error) {
	system, err := a.system()
	if err != nil {
		return c, err
	}
	const fullAt = 90 // percent
	for _, volume := range system.Volumes {
		name := volume.Name + ":"
		switch {
		case volume.TotalKB == 0 && volume.Problem == "" && strings.HasPrefix(volume.Name, "usb"):
			c.add(name, "%s", volume.State) // it may come and go
			continue
		case volume.TotalKB == 0 || volume.Problem != "" || volume.Device == "memory":
			c.note(bad, name, cmp.Or(volume.Problem, volume.State))
			c.Trouble = cmp.Or(c.Trouble, name+" is not as it should be")
			continue
		}
		used := int(100 * (volume.TotalKB - min(volume.FreeKB, volume.TotalKB)) / volume.TotalKB)
		l := good
		if used >= fullAt {
			l = warn
			c.Trouble = cmp.Or(c.Trouble, fmt.Sprintf("%s is full to %d %%", name, used))
		}
		c.note(l, name, fmt.Sprintf("%d %% of %s used", used, octets(int64(volume.TotalKB)*1024)))
	}
	return c, nil
}

func alarmsCard(v *visit, a *answers) (c content, err error) {
	answer, err := a.alarms()
	if err != nil {
		return c, err
	}
	count := map[model.Severity]int{}
	for _, one := range answer.Active {
		count[one.Severity]++
	}
	c.Big = counted(len(answer.Active), "alarm", "alarms")
	const most = 4 // that a card shows; they come the worst first
	for i, one := range answer.Active {
		if i == most {
			c.add("And", "%d more", len(answer.Active)-most)
			break
		}
		c.note(levelOf(one.Severity), string(one.Severity), one.Text)
	}
	for _, severity := range []model.Severity{model.Critical, model.Major, model.Minor} {
		if n := count[severity]; n > 0 {
			c.Trouble = counted(n, string(severity)+" alarm is", string(severity)+" alarms are") + " active"
			break
		}
	}
	return c, nil
}

// levelOf is how bad an alarm is at a glance.
func levelOf(s model.Severity) level {
	switch s {
	case model.Critical, model.Major:
		return bad
	case model.Minor:
		return warn
	}
	return good
}

func firmwareCard(v *visit, a *answers) (c content, err error) {
	c.Big = v.Build.Version
	system, err := a.system()
	if err != nil {
		return c, err
	}
	for _, slot := range system.Slots {
		state := slot.State
		if slot.Version != "" && slot.Version != v.Build.Version {
			state += ", " + slot.Version
		}
		if slot.Name == system.Slot {
			state += ", runs"
		}
		l := good
		if slot.State == model.SlotDamaged {
			l = warn
			c.Trouble = cmp.Or(c.Trouble, "slot "+slot.Name+" is damaged")
		}
		c.note(l, "Slot "+slot.Name, state)
	}
	if system.Trial {
		c.Trouble = "the firmware is on trial"
		c.note(warn, "On trial", "the box goes back unless it proves itself")
	}
	c.add("Up for", "%s", spell(system.Uptime))
	c.add("Memory free", "%s of %s", octets(int64(system.MemAvailable)*1024), octets(int64(system.MemTotalKB)*1024))
	var down []string
	for _, service := range system.Services {
		if service.PID == 0 {
			down = append(down, service.Name)
		}
	}
	if len(down) > 0 {
		slices.Sort(down)
		c.Trouble = strings.Join(down, ", ") + " does not run"
		c.note(bad, "Does not run", strings.Join(down, ", "))
	}
	return c, nil
}

func callHomeCard(v *visit, a *answers) (c content, err error) {
	home, err := a.callHome()
	if err != nil {
		return c, err
	}
	c.Big = home.Mode
	if !home.LastSent.IsZero() {
		c.add("Sent last", "%s", v.clock(home.LastSent))
	}
	if !home.Next.IsZero() {
		c.add("Next", "%s", v.clock(home.Next))
	}
	c.add("Waiting", "%s", counted(len(home.Waiting), "message", "messages"))
	for _, missing := range home.Pending {
		c.note(warn, "Missing", missing)
	}
	if home.Problem != "" {
		c.note(warn, "Problem", home.Problem)
		c.Trouble = "messages of Call Home are not safe from a cut"
	}
	return c, nil
}

// counted is a number of things.
func counted(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// spell is a time as people say it, in its two largest units at most.
func spell(d time.Duration) string {
	const day = 24 * time.Hour
	d = d.Round(time.Second)
	switch {
	case d >= 3*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= day:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// octets is a size as people say it, in powers of 1024.
func octets(n int64) string {
	size, unit := float64(n), "octets"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if size < 1024 {
			break
		}
		size, unit = size/1024, next
	}
	if unit == "octets" || size >= 10 {
		return fmt.Sprintf("%.0f %s", size, unit)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}
