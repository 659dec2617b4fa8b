package callhome

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The modes of Call Home.
const (
	inCallHome config.Mode = "config-call-home"
	inProfile  config.Mode = "config-call-home-profile"
)

// What can be configured (CH-34 has the first three and the list of copies).
const (
	companyMost = 255 // characters
	nameMost    = 128
	streetMost  = 1024
	phoneMost   = 64
	idMost      = 64
)

// Commands declares what the vendor is told, and how: IOS's words where it has
// them, and the settings of CH-34.
func Commands() []config.Command {
	return slices.Concat([]config.Command{mode, settings}, contactCommands(), wayCommands(), mailCommands(), profileCommands())
}

var mode = config.Command{
	Mode: config.Global, Syntax: "call-home", No: "call-home", Opens: inCallHome, Help: "Configure Call Home: what the vendor is told of the box",
	Apply:  func(*model.Config, config.Args) error { return nil },
	Negate: func(c *model.Config, _ config.Args) error { c.CallHome = model.CallHome{}; return nil },
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(!isNew(c.CallHome), config.Args{})
	},
}

// isNew says whether Call Home is that of a new box.
func isNew(h model.CallHome) bool {
	lists := len(h.Copies) + len(h.MailServers) + len(h.Profiles)
	h.Copies, h.MailServers, h.Profiles = nil, nil, nil // lines that were removed may have left empty ones
	return lists == 0 && reflect.ValueOf(h).IsZero()
}

var settings = setting("mode", "What Call Home does (default smart)", config.Argument{
	Name: "MODE", Type: config.Choice{model.CallHomeNone, model.CallHomeDisabled, model.CallHomeSmart, model.CallHomeAnonymous},
	Help: "smart: all messages, with alerts; anonymous: inventory and telemetry that name nobody; disabled: nothing; none: nothing, with a reminder at the login",
}, model.CallHomeSmart, func(c *model.CallHome) *string { return &c.Mode })

// contactCommands declare who is asked about the box. In Anonymous mode they
// stay as they are and are not sent.
func contactCommands() []config.Command {
	return []config.Command{
		setting("contact-email-addr", "Whom the vendor asks; Smart Call Home needs it", config.Argument{Name: "ADDRESS", Type: email{}, Help: "E-mail address of the contact"},
			"", func(c *model.CallHome) *string { return &c.ContactEmail }),
		setting("contact-name", "Name of the contact", config.Argument{Name: "NAME", Type: config.Name{Max: nameMost}, Help: fmt.Sprintf("At most %d characters", nameMost)},
			"", func(c *model.CallHome) *string { return &c.ContactName }),
		text("company", "Name of the company", companyMost, func(c *model.CallHome) *string { return &c.Company }),
		text("street-address", "Where the box is", streetMost, func(c *model.CallHome) *string { return &c.StreetAddress }),
		text("phone-number", "Phone number of the contact", phoneMost, func(c *model.CallHome) *string { return &c.Phone }),
		word("contract-user-id", "User ID of the service contract", func(c *model.CallHome) *string { return &c.ContractUser }),
		word("customer-id", "ID of the customer", func(c *model.CallHome) *string { return &c.CustomerID }),
		word("contract-id", "ID of the contract", func(c *model.CallHome) *string { return &c.ContractID }),
		word("site-id", "ID of the site", func(c *model.CallHome) *string { return &c.SiteID }),
		toggle("eula accept", "Accept the agreement: show call-home eula; nothing is sent without it", func(c *model.CallHome) *bool { return &c.Accepted }),
	}
}

// wayCommands declare how messages get to the vendor.
func wayCommands() []config.Command {
	transport := setting("transport", "How messages go to the vendor (default https)", config.Argument{
		Name: "TRANSPORT", Type: config.Choice{model.CallHomeHTTPS, model.CallHomeEmail, model.CallHomeProxy},
		Help: "https: to destination url; https-proxy: there through http-proxy; email: to destination email",
	}, model.CallHomeHTTPS, func(c *model.CallHome) *string { return &c.Transport })
	transport.Check = func(c *model.Config, _ config.Args) error {
		switch {
		case c.CallHome.By() == model.CallHomeProxy && c.CallHome.ProxyHost == "":
			return config.BadArgument("TRANSPORT", "there is no http-proxy, which https-proxy needs")
		case c.CallHome.By() == model.CallHomeEmail:
			return mailIsThere(c)
		}
		return nil
	}
	traces := toggle("include-traces", "Send trace logs and diagnostic information with alerts; in Smart mode only",
		func(c *model.CallHome) *bool { return &c.Traces })
	traces.Check = func(c *model.Config, _ config.Args) error {
		if c.CallHome.Does() == model.CallHomeAnonymous {
			return errors.New("trace logs and diagnostic information are not sent in mode anonymous")
		}
		return nil
	}
	return []config.Command{
		transport,
		setting("destination url", "The vendor's address, for https and https-proxy",
			config.Argument{Name: "URL", Type: config.HTTPS{}, Help: "As https://callhome.example.com/messages"},
			"", func(c *model.CallHome) *string { return &c.URL }),
		setting("destination email", "The vendor's address, for email",
			config.Argument{Name: "ADDRESS", Type: email{}, Help: "E-mail address of the vendor"},
			"", func(c *model.CallHome) *string { return &c.Email }),
		{
			Mode: inCallHome, Syntax: "http-proxy HOST port PORT", No: "http-proxy [HOST port PORT]",
			Args: []config.Argument{
				{Name: "HOST", Type: config.Host{}, Help: "Address or host name"},
				{Name: "PORT", Type: config.Port, Help: "TCP port"},
			},
			Help: "The HTTPS proxy, one that asks for no password",
			Apply: func(c *model.Config, a config.Args) error {
				c.CallHome.ProxyHost, c.CallHome.ProxyPort = a.Text("HOST"), a.Int("PORT")
				return nil
			},
			Negate: func(c *model.Config, _ config.Args) error {
				c.CallHome.ProxyHost, c.CallHome.ProxyPort = "", 0
				return nil
			},
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return config.When(c.CallHome.ProxyHost != "", config.Args{"HOST": c.CallHome.ProxyHost, "PORT": c.CallHome.ProxyPort})
			},
		},
		setting("format", "What messages to the vendor look like (default xml)",
			config.Argument{Name: "FORMAT", Type: config.Choice{model.CallHomeXML, model.CallHomeJSON}, Help: "Both say the same"},
			model.CallHomeXML, func(c *model.CallHome) *string { return &c.Format }),
		traces,
	}
}

// setting declares a line of the mode that sets one value.
func setting[V comparable](words, help string, arg config.Argument, byDefault V, of func(*model.CallHome) *V) config.Command {
	command := config.Setting(words, help, arg, byDefault, func(c *model.Config) *V { return of(&c.CallHome) })
	command.Mode = inCallHome
	return command
}

// word declares a line with an ID.
func word(words, help string, of func(*model.CallHome) *string) config.Command {
	return setting(words, help, config.Argument{Name: "WORD", Type: config.Word{Max: idMost}, Help: fmt.Sprintf("At most %d octets", idMost)}, "", of)
}

// text declares a line of free text, of so many characters at the most.
func text(words, help string, most int, of func(*model.CallHome) *string) config.Command {
	command := setting(words, help, config.Argument{Name: "LINE", Type: config.Line{}, Help: fmt.Sprintf("At most %d characters", most)}, "", of)
	apply := command.Apply
	command.Apply = func(c *model.Config, a config.Args) error {
		switch length := utf8.RuneCountInString(a.Text("LINE")); {
		case length > most:
			return config.BadArgument("LINE", "it has %d characters, more than %d", length, most)
		case strings.Contains(a.Text("LINE"), "\t"): // no other control character is let in
			return config.BadArgument("LINE", "there is a tab in it")
		}
		return apply(c, a)
	}
	return command
}

// toggle declares a line without arguments that is there or not.
func toggle(words, help string, of func(*model.CallHome) *bool) config.Command {
	return config.Command{
		Mode: inCallHome, Syntax: words, No: words, Help: help,
		Apply:  func(c *model.Config, _ config.Args) error { *of(&c.CallHome) = true; return nil },
		Negate: func(c *model.Config, _ config.Args) error { *of(&c.CallHome) = false; return nil },
		Render: func(c *model.Config, _ config.Args) []config.Args {
			return config.When(*of(&c.CallHome), config.Args{})
		},
	}
}
