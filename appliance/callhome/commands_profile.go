package callhome

import (
	"cmp"
	"errors"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// What can be configured of profiles.
const (
	profilesMost    = 8
	profileNameMost = 31 // characters
	profileToMost   = 50 // e-mail addresses of one
)

// profileCommands declare destinations beside the vendor and the copies.
func profileCommands() []config.Command {
	return []config.Command{
		{
			Mode: inCallHome, Syntax: "profile PROFILE", No: "profile PROFILE", Opens: inProfile,
			Args: []config.Argument{{Name: "PROFILE", Type: config.Name{Max: profileNameMost}, Help: "Name of the profile"}},
			Help: "Configure one more destination, up to 8", Apply: addProfile, Negate: removeProfile, Check: checkProfile,
			Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
				for _, p := range c.CallHome.Profiles {
					lines = append(lines, config.Args{"PROFILE": p.Name})
				}
				return lines
			},
		},
		{
			Mode: inProfile, Syntax: "active", Help: "Send to this profile (default)",
			Apply: func(c *model.Config, a config.Args) error { profileOf(c, a).Off = false; return nil },
		},
		{
			Mode: inProfile, Syntax: "no active", Help: "Send nothing to it",
			Apply: func(c *model.Config, a config.Args) error { profileOf(c, a).Off = true; return nil },
			Render: func(c *model.Config, in config.Args) []config.Args {
				return config.When(profileOf(c, in).Off, config.Args{})
			},
		},
		profileSetting("destination url", "Send over HTTPS, to this address",
			config.Argument{Name: "URL", Type: config.HTTPS{}, Help: "As https://noc.example.com/callhome"},
			func(p *model.CallHomeProfile) *string { return &p.URL }),
		profileEmail,
		profileFormat(),
		subscription,
	}
}

// profileSetting declares a line of the mode that sets one value.
func profileSetting(words, help string, arg config.Argument, of func(*model.CallHomeProfile) *string) config.Command {
	return config.Command{
		Mode: inProfile, Syntax: words + " " + arg.Name, No: words + " [" + arg.Name + "]", Help: help, Args: []config.Argument{arg},
		Apply:  func(c *model.Config, a config.Args) error { *of(profileOf(c, a)) = a.Text(arg.Name); return nil },
		Negate: func(c *model.Config, a config.Args) error { *of(profileOf(c, a)) = ""; return nil },
		Render: func(c *model.Config, in config.Args) []config.Args {
			value := *of(profileOf(c, in))
			return config.When(value != "", config.Args{arg.Name: value})
		},
	}
}

func profileFormat() config.Command {
	command := profileSetting("format", "What its messages look like (default xml over HTTPS, short-text by e-mail)", config.Argument{
		Name: "FORMAT", Type: config.Choice{model.CallHomeXML, model.CallHomeJSON, model.CallHomeLong, model.CallHomeShort},
		Help: "xml, json: for programs; long-text, short-text: for people, by e-mail only",
	}, func(p *model.CallHomeProfile) *string { return &p.Format })
	command.Check = func(c *model.Config, a config.Args) error {
		if p := profileOf(c, a); p.URL != "" && (p.Format == model.CallHomeLong || p.Format == model.CallHomeShort) {
			return config.BadArgument("FORMAT", "%s goes by e-mail, and this profile has a destination url", p.Format)
		}
		return nil
	}
	return command
}

var profileEmail = config.Command{
	Mode: inProfile, Syntax: "destination email ADDRESS", No: "destination email ADDRESS",
	Args: []config.Argument{{Name: "ADDRESS", Type: email{}, Help: "E-mail address"}},
	Help: "Send by e-mail, to up to 50 addresses",
	Apply: func(c *model.Config, a config.Args) error {
		to := &profileOf(c, a).Emails
		switch {
		case slices.Contains(*to, a.Text("ADDRESS")):
			return nil
		case len(*to) == profileToMost:
			return config.BadArgument("ADDRESS", "a profile can have no more than %d addresses", profileToMost)
		}
		*to = append(*to, a.Text("ADDRESS"))
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		to := &profileOf(c, a).Emails
		i := slices.Index(*to, a.Text("ADDRESS"))
		if i < 0 {
			return config.BadArgument("ADDRESS", "%s is not an address of this profile", a.Text("ADDRESS"))
		}
		*to = slices.Delete(*to, i, i+1)
		return nil
	},
	Check: func(c *model.Config, a config.Args) error {
		if profileOf(c, a).URL != "" {
			return errors.New("this profile has a destination url: messages go there or by e-mail, not both")
		}
		return mailIsThere(c)
	},
	Render: func(c *model.Config, in config.Args) (lines []config.Args) {
		for _, to := range profileOf(c, in).Emails {
			lines = append(lines, config.Args{"ADDRESS": to})
		}
		return lines
	},
}

// subscription says what a profile gets.
var subscription = config.Command{
	Mode: inProfile, Syntax: "subscribe-to-alert-group GROUP [severity SEVERITY]", No: "subscribe-to-alert-group GROUP",
	Args: []config.Argument{
		{Name: "GROUP", Type: config.Choice(model.CallHomeGroups()), Help: "inventory, telemetry, configuration: every month; the others: alerts"},
		{
			Name: "SEVERITY", Type: config.Choice{string(model.Critical), string(model.Major), string(model.Minor), string(model.Warning)},
			Help: "Alerts so severe or worse (default all)",
		},
	},
	Help: "Send the messages of an alert group",
	Apply: func(c *model.Config, a config.Args) error {
		s := model.CallHomeSubscription{Group: a.Text("GROUP"), Severity: model.Severity(a.Text("SEVERITY"))}
		if s.Severity != "" && monthly(s.Group) {
			return config.BadArgument("SEVERITY", "messages of %s have no severity", s.Group)
		}
		groups := &profileOf(c, a).Groups
		i, found := findSubscription(*groups, s.Group)
		if found {
			(*groups)[i] = s
			return nil
		}
		*groups = slices.Insert(*groups, i, s)
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		groups := &profileOf(c, a).Groups
		i, found := findSubscription(*groups, a.Text("GROUP"))
		if !found {
			return config.BadArgument("GROUP", "this profile does not get %s", a.Text("GROUP"))
		}
		*groups = slices.Delete(*groups, i, i+1)
		return nil
	},
	Render: func(c *model.Config, in config.Args) (lines []config.Args) {
		for _, s := range profileOf(c, in).Groups {
			a := config.Args{"GROUP": s.Group}
			if s.Severity != "" {
				a["SEVERITY"] = string(s.Severity)
			}
			lines = append(lines, a)
		}
		return lines
	},
}

// monthly says whether a group is one of the messages that are due every month.
func monthly(group string) bool { return slices.Contains(periodic, group) }

func findSubscription(groups []model.CallHomeSubscription, group string) (int, bool) {
	return slices.BinarySearchFunc(groups, group, func(s model.CallHomeSubscription, name string) int { return cmp.Compare(s.Group, name) })
}

// profileOf is the profile in whose mode a line stands.
func profileOf(c *model.Config, a config.Args) *model.CallHomeProfile {
	return c.CallHome.Profile(a.Text("PROFILE"))
}

func findProfile(c *model.Config, name string) (int, bool) {
	return slices.BinarySearchFunc(c.CallHome.Profiles, name, func(p model.CallHomeProfile, name string) int { return cmp.Compare(p.Name, name) })
}

func addProfile(c *model.Config, a config.Args) error {
	name := a.Text("PROFILE")
	i, found := findProfile(c, name)
	switch {
	case found:
		return nil
	case name == model.ProfileVendor || name == model.ProfileCopies:
		return config.BadArgument("PROFILE", "%s is always there, made of the other lines", name)
	case len(c.CallHome.Profiles) == profilesMost:
		return config.BadArgument("PROFILE", "there can be no more than %d profiles", profilesMost)
	}
	c.CallHome.Profiles = slices.Insert(c.CallHome.Profiles, i, model.CallHomeProfile{Name: name})
	return nil
}

func removeProfile(c *model.Config, a config.Args) error {
	i, found := findProfile(c, a.Text("PROFILE"))
	if !found {
		return config.BadArgument("PROFILE", "there is no profile %s", a.Text("PROFILE"))
	}
	c.CallHome.Profiles = slices.Delete(c.CallHome.Profiles, i, i+1)
	return nil
}

func checkProfile(c *model.Config, a config.Args) error {
	if p := profileOf(c, a); !p.Off && p.URL == "" && len(p.Emails) == 0 {
		return config.BadArgument("PROFILE", "profile %s has no destination url or email; without one: no active", p.Name)
	}
	return nil
}
