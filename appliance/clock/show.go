package clock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// Synchronisation is the answer of control.ntp.
type Synchronisation struct {
	Status       string        `json:"status"`    // as Clock.Status
	Origin       string        `json:"origin"`    // of the servers: "configured", "DHCP", "default" or "none"
	Smeared      bool          `json:"smeared"`   // they smear leap seconds
	Source       netip.Addr    `json:"source"`    // the system peer last followed; invalid: none
	Stratum      uint8         `json:"stratum"`   // of it
	Reference    string        `json:"reference"` // what it follows itself
	Offset       time.Duration `json:"offset"`    // of this clock, when it was followed
	Distance     time.Duration `json:"distance"`  // by which that may be wrong
	Jitter       time.Duration `json:"jitter"`    //
	Since        time.Duration `json:"since"`     // how long ago that was
	Poll         time.Duration `json:"poll"`      // between two exchanges with a server
	Leap         string        `json:"leap"`      // what the kernel will do at the end of the day
	Witness      string        `json:"witness"`   // on whose word, when the servers had no majority
	Refused      time.Duration `json:"refused"`   // the step that was refused
	Problem      string        `json:"problem"`   // why the clock is not corrected
	Associations []Association `json:"associations"`
	Trusted      *TrustedTime  `json:"trusted"` // nil: none is kept
}

// Association is one server.
type Association struct {
	Server     string        `json:"server"`  // as configured
	Address    netip.Addr    `json:"address"` // the one asked; invalid: not known yet
	Mark       string        `json:"mark"`    // "*", "+", "-", "x" or empty
	Prefer     bool          `json:"prefer"`
	Reference  string        `json:"reference"`
	Stratum    uint8         `json:"stratum"` // 16: never heard
	When       time.Duration `json:"when"`    // since its last answer; negative: never
	Poll       time.Duration `json:"poll"`
	Reach      uint8         `json:"reach"`
	Delay      time.Duration `json:"delay"`
	Offset     time.Duration `json:"offset"`
	Dispersion time.Duration `json:"dispersion"`
	Jitter     time.Duration `json:"jitter"`
	Sent       int           `json:"sent"`
	Received   int           `json:"received"`
	Rejected   int           `json:"rejected"`
	Problem    string        `json:"problem"` // of the last exchange
}

// stratumUnheard is that of a server without an answer (RFC 5905, MAXSTRAT).
const stratumUnheard = 16

func (c *Clock) synchronisation() Synchronisation {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := Synchronisation{
		Status: c.status(), Origin: c.origin, Smeared: c.smeared, Source: c.source,
		Offset: c.offset, Distance: c.distance, Jitter: c.jitter, Poll: c.poll, Leap: leapName(c.leap),
		Witness: c.chosen.witness, Refused: c.refused, Problem: c.problem,
	}
	if c.source.IsValid() {
		now.Since = time.Since(c.at)
		now.Stratum, now.Reference = c.peer.last.Stratum, c.peer.last.ReferenceString()
	}
	for _, a := range c.associations {
		now.Associations = append(now.Associations, a.show())
	}
	if t := c.options.Trusted; t != nil {
		trusted := t.status()
		now.Trusted = &trusted
	}
	return now
}

func leapName(leap int32) string {
	switch leap {
	case unix.STA_INS:
		return "a second is inserted at the end of this day (UTC)"
	case unix.STA_DEL:
		return "a second is left out at the end of this day (UTC)"
	}
	return "none"
}

func (a *association) show() Association {
	shown := Association{
		Server: a.server, Address: a.address, Mark: string(a.mark), Prefer: a.prefer,
		Stratum: stratumUnheard, When: -1, Poll: a.poll, Reach: a.reach,
		Sent: a.sent, Received: a.received, Rejected: a.rejected, Problem: a.problem,
	}
	if a.burst > 0 {
		shown.Poll = burstInterval
	}
	if a.stopped {
		shown.Problem, shown.Poll = "does not want to be asked", 0
	}
	if a.last != nil && len(a.filter) > 0 {
		m := a.filter.measure(time.Now())
		shown.Reference, shown.Stratum, shown.When = a.last.ReferenceString(), a.last.Stratum, time.Since(a.heard)
		shown.Delay, shown.Offset, shown.Dispersion, shown.Jitter = m.delay, m.offset, m.spread, m.jitter
	}
	return shown
}

// ExecCommands declares what an operator may ask about the time and do to it.
func ExecCommands() []exec.Command { return kernelClock(unix.Adjtimex).commands() }

func (k kernelClock) commands() []exec.Command {
	return append([]exec.Command{
		{Syntax: "show clock [detail]", Help: "The time and where it comes from", Run: k.showClock},
		{Syntax: "show ntp", Help: "Where the time comes from", Run: k.showNTP},
		{Syntax: "show ntp status", Help: "How the clock is kept right", Run: k.showStatus},
		{Syntax: "show ntp associations", Help: "Time servers and what became of asking them", Run: showAssociations},
	}, settingCommands()...)
}

func (k kernelClock) showClock(ctx context.Context, s exec.Session, a config.Args) error {
	now := time.Now()
	local := now.In(s.Zone())
	exec.Field(s, "Time", fmt.Sprintf("%s (%s)", local.Format("2006-01-02 15:04:05 MST"), offsetFromUTC(local)))
	exec.Field(s, "UTC", now.UTC().Format(time.RFC3339))
	var status model.ControlStatus
	err := s.Call(ctx, "control", "control.status", nil, &status)
	if err == nil {
		exec.Field(s, "Source", status.Clock)
	}
	if !a.Has("detail") {
		return err
	}
	exec.Field(s, "Time zone", s.Zone())
	exec.Field(s, "Daylight saving", daylightSaving(local))
	kernel := k.show(s) // it answers without control
	if err != nil {
		return errors.Join(err, kernel)
	}
	sync, err := ask(ctx, s)
	if err == nil && sync.Trusted != nil {
		sync.Trusted.show(s)
	}
	return errors.Join(err, kernel)
}

// daylightSaving says whether it is on and when that changes.
func daylightSaving(local time.Time) string {
	state := "off"
	if local.IsDST() {
		state = "on"
	}
	change, ok := nextChange(local)
	if !ok {
		return state + ", no change ahead"
	}
	return fmt.Sprintf("%s until %s, then %s", state, change.UTC().Format("2006-01-02 15:04 UTC"), change.In(local.Location()).Format("MST (UTC-07:00)"))
}

func (t *TrustedTime) show(s exec.Session) {
	exec.Field(s, "Trusted time", t.Time.UTC().Format(time.RFC3339))
	exec.Field(s, "Hours in service", strconv.FormatFloat(t.Elapsed.Hours(), 'f', 1, 64))
	if t.Tampered != "" {
		exec.Field(s, "Tampered", t.Tampered)
	}
}

// show prints how far the kernel trusts its clock (adjtimex(2)).
func (k kernelClock) show(s exec.Session) error {
	state, err := k.read()
	if err != nil {
		return err
	}
	synchronised := "yes"
	if !state.synchronised {
		synchronised = "no"
	}
	exec.Field(s, "Kernel synchronised", synchronised)
	exec.Field(s, "Frequency correction (ppm)", fmt.Sprintf("%.3f", state.ppm))
	exec.Field(s, "Estimated error (ms)", milliseconds(state.estError))
	exec.Field(s, "Maximum error (ms)", milliseconds(state.maxError))
	return nil
}

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// ask asks control how the servers do.
func ask(ctx context.Context, s exec.Session) (now Synchronisation, err error) {
	err = s.Call(ctx, "control", "control.ntp", nil, &now)
	return now, err
}

func (k kernelClock) showNTP(ctx context.Context, s exec.Session, a config.Args) error {
	if err := k.showStatus(ctx, s, a); err != nil {
		return err
	}
	fmt.Fprintln(s)
	return showAssociations(ctx, s, a)
}

func (k kernelClock) showStatus(ctx context.Context, s exec.Session, _ config.Args) error {
	now, err := ask(ctx, s)
	if err != nil {
		return errors.Join(err, k.show(s))
	}
	exec.Field(s, "Status", now.Status)
	if now.Problem != "" {
		exec.Field(s, "Problem", now.Problem)
	}
	exec.Field(s, "Servers", now.servers())
	if now.Source.IsValid() {
		exec.Field(s, "System peer", fmt.Sprintf("%v, stratum %d, reference %s", now.Source, now.Stratum, now.Reference))
		exec.Field(s, "Last followed", now.Since.Round(time.Second).String()+" ago")
		exec.Field(s, "Offset then (ms)", milliseconds(now.Offset))
		exec.Field(s, "Root distance (ms)", milliseconds(now.Distance))
		exec.Field(s, "Jitter (ms)", milliseconds(now.Jitter))
		exec.Field(s, "Poll interval (s)", int64(now.Poll/time.Second))
		exec.Field(s, "Leap second", now.Leap)
	}
	if now.Witness != "" {
		exec.Field(s, "Without a majority, decided by", now.Witness)
	}
	if now.Refused != 0 {
		exec.Field(s, "Refused step", now.Refused.Round(time.Second).String()+"; clock step takes it")
	}
	return k.show(s)
}

// servers says where they are from.
func (now Synchronisation) servers() string {
	if now.Smeared {
		return now.Origin + ", they smear leap seconds"
	}
	return now.Origin
}

// showAssociations prints a row for each server, as IOS does: reach is octal,
// delay, offset and dispersion are milliseconds.
func showAssociations(ctx context.Context, s exec.Session, _ config.Args) error {
	now, err := ask(ctx, s)
	if err != nil {
		return err
	}
	if len(now.Associations) == 0 {
		fmt.Fprintln(s, "NTP is off")
		return nil
	}
	table := tabwriter.NewWriter(s, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, " \taddress\tref clock\tst\twhen\tpoll\treach\tdelay\toffset\tdisp")
	for _, a := range now.Associations {
		a.row(table)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(s, "* system peer, + counts, - too far from the others, x falseticker")
	for _, a := range now.Associations {
		a.remarks(s)
	}
	return nil
}

func (a Association) row(table *tabwriter.Writer) {
	address, reference, when := a.Server, a.Reference, "-"
	if a.Address.IsValid() {
		address = a.Address.String()
	}
	if reference == "" {
		reference = "-"
	}
	if a.When >= 0 {
		when = strconv.Itoa(int(a.When / time.Second))
	}
	fmt.Fprintf(table, "%1s\t%s\t%s\t%d\t%s\t%d\t%o\t%.1f\t%.1f\t%.1f\n", a.Mark, address, reference, a.Stratum, when,
		int(a.Poll/time.Second), a.Reach, ms(a.Delay), ms(a.Offset), ms(a.Dispersion))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// remarks are what the row has no room for.
func (a Association) remarks(s exec.Session) {
	text := ""
	if a.Address.IsValid() && a.Server != a.Address.String() {
		text = a.Address.String() + ", "
	}
	if a.Prefer {
		text += "preferred, "
	}
	text += fmt.Sprintf("%d sent, %d received, %d rejected", a.Sent, a.Received, a.Rejected)
	exec.Field(s, a.Server, text)
	if a.Problem != "" {
		exec.Field(s, a.Server, a.Problem)
	}
}
