package callhome

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/callhome/message"
	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// monthlyText is what messages of the groups tell that have no alerts.
var monthlyText = map[string]string{
	model.GroupInventory:     "hardware, versions, partitions, services; monthly",
	model.GroupTelemetry:     "neighbours by type, calls, how busy the box is; monthly",
	model.GroupConfiguration: "how many rows each table has; monthly",
}

// printGroups prints the alert groups as IOS does: whether they are sent, who
// gets them, and below each its alerts.
func printGroups(s exec.Session, status *model.CallHomeStatus) {
	const row = "%-13s  %-8s  %s\n"
	fmt.Fprintf(s, row, "Alert group", "State", "Profiles")
	for _, group := range model.CallHomeGroups() {
		kind := message.Alert
		if monthly(group) {
			kind = message.Kind(group)
		}
		state := "disabled"
		if message.May(kind, status.Mode) {
			state = "enabled"
		}
		fmt.Fprintf(s, row, group, state, strings.Join(profilesWith(&status.Settings, group), ", "))
		if text := monthlyText[group]; text != "" {
			fmt.Fprintln(s, "  "+text)
		}
		for _, alert := range Alerts() {
			switch {
			case alert.Group != group:
			case alert.Reserved != "":
				fmt.Fprintln(s, "  "+alert.Name+", reserved")
			default:
				fmt.Fprintln(s, "  "+alert.Name)
			}
		}
	}
}

// profilesWith are the profiles that get a group.
func profilesWith(c *model.CallHome, group string) []string {
	all := []string{model.ProfileVendor}
	if len(c.Copies) > 0 {
		all = append(all, model.ProfileCopies)
	}
	for _, p := range c.Profiles {
		if _, found := findSubscription(p.Groups, group); found && !p.Off {
			all = append(all, p.Name)
		}
	}
	return all
}

func showProfiles(ctx context.Context, s exec.Session, a config.Args) error {
	status, err := statusOf(ctx, s)
	if err != nil {
		return err
	}
	name := a.Text("NAME")
	if name == "" {
		printProfiles(s, status)
		return nil
	}
	if !slices.Contains(profileNames(status), name) {
		return fmt.Errorf("there is no profile %s", name)
	}
	printProfile(s, status, name)
	return nil
}

// profileNames are those of all profiles, whether they are used or not.
func profileNames(status *model.CallHomeStatus) []string {
	names := []string{model.ProfileVendor, model.ProfileCopies}
	for _, p := range status.Settings.Profiles {
		names = append(names, p.Name)
	}
	return names
}

func printProfiles(s exec.Session, status *model.CallHomeStatus) {
	for i, name := range profileNames(status) {
		if i > 0 {
			fmt.Fprintln(s)
		}
		printProfile(s, status, name)
	}
}

func printProfile(s exec.Session, status *model.CallHomeStatus, name string) {
	c := &status.Settings
	p := c.Profile(name)
	switch name {
	case model.ProfileVendor:
		p = &model.CallHomeProfile{URL: c.URL, Format: cmp.Or(c.Format, model.CallHomeXML)}
		if c.By() == model.CallHomeEmail {
			p.URL, p.Emails = "", slices.DeleteFunc([]string{c.Email}, func(to string) bool { return to == "" })
		}
	case model.ProfileCopies:
		p = &model.CallHomeProfile{Emails: c.Copies, Format: model.CallHomeLong + ", with xml"}
	}
	to := cmp.Or(p.URL, strings.Join(p.Emails, ", "))
	exec.Field(s, "Profile name", name)
	exec.Field(s, "  Profile status", map[bool]string{true: "ACTIVE", false: "INACTIVE"}[to != "" && !p.Off])
	exec.Field(s, "  Destination", cmp.Or(to, "none"))
	format := p.Format
	if format == "" && p.URL != "" {
		format = model.CallHomeXML
	}
	exec.Field(s, "  Message format", cmp.Or(format, model.CallHomeShort))
	exec.Field(s, "  Alert groups", groupsText(name, p))
	printTally(s, status, name)
}

// groupsText is as "crash (minor or worse), inventory".
func groupsText(name string, p *model.CallHomeProfile) string {
	if name == model.ProfileVendor || name == model.ProfileCopies {
		return "all of the mode"
	}
	var all []string
	for _, subscription := range p.Groups {
		text := subscription.Group
		if subscription.Severity != "" {
			text += fmt.Sprintf(" (%s or worse)", subscription.Severity)
		}
		all = append(all, text)
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

// printTally prints what went to a profile.
func printTally(s exec.Session, status *model.CallHomeStatus, name string) {
	i := slices.IndexFunc(status.Profiles, func(t model.CallHomeTally) bool { return t.Name == name })
	if i < 0 {
		return
	}
	t := status.Profiles[i]
	exec.Field(s, "  Last sent", at(s, t.LastSent, "never"))
	if t.Error != "" {
		exec.Field(s, "  Last failure", t.Error)
	}
}
