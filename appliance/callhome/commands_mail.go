package callhome

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// What can be configured of e-mail.
const (
	mailServersMost = 5
	priorityMost    = 100
	mailUserMost    = 128  // octets
	copiesMost      = 1024 // characters of all addresses with the commas (CH-34)
)

// mailCommands declare how e-mails are sent, and who gets copies.
func mailCommands() []config.Command {
	copies := config.Command{
		Mode: inCallHome, Syntax: "copy-email-addr LIST", No: "copy-email-addr [LIST]",
		Args:   []config.Argument{{Name: "LIST", Type: emails{}, Help: fmt.Sprintf("E-mail addresses with commas between, at most %d characters", copiesMost)}},
		Help:   "Send a copy of all messages to these addresses",
		Apply:  func(c *model.Config, a config.Args) error { c.CallHome.Copies = a["LIST"].([]string); return nil },
		Negate: func(c *model.Config, _ config.Args) error { c.CallHome.Copies = nil; return nil },
		Check:  func(c *model.Config, _ config.Args) error { return mailIsThere(c) },
		Render: func(c *model.Config, _ config.Args) []config.Args {
			return config.When(len(c.CallHome.Copies) > 0, config.Args{"LIST": c.CallHome.Copies})
		},
	}
	return []config.Command{
		copies, mailServer,
		setting("sender from", "Who e-mails are from (default the contact)", config.Argument{Name: "ADDRESS", Type: email{}, Help: "E-mail address"},
			"", func(c *model.CallHome) *string { return &c.From }),
		setting("sender reply-to", "Who gets the answers to e-mails", config.Argument{Name: "ADDRESS", Type: email{}, Help: "E-mail address"},
			"", func(c *model.CallHome) *string { return &c.ReplyTo }),
	}
}

// mailIsThere is the rule of all that goes by e-mail (CH-32).
func mailIsThere(c *model.Config) error {
	if len(c.CallHome.MailServers) == 0 {
		return errors.New("there is no mail-server, which e-mail needs")
	}
	return nil
}

var mailServer = config.Command{
	Mode: inCallHome, Syntax: "mail-server HOST [port PORT] [security SECURITY] [username USER password PASSWORD] priority PRIORITY", No: "mail-server HOST",
	Args: []config.Argument{
		{Name: "HOST", Type: config.Host{}, Help: "Address or host name"},
		{Name: "PORT", Type: config.Port, Help: "TCP port (default 587, with tls 465, with none 25)"},
		{Name: "SECURITY", Type: config.Choice{model.MailSTARTTLS, model.MailTLS, model.MailPlain}, Help: "starttls: it must offer that (default); tls: from the beginning; none: in the clear"},
		{Name: "USER", Type: config.Word{Max: mailUserMost}, Help: "Name of the user there"},
		{Name: "PASSWORD", Type: config.Secret{}, Help: "Password of the user"},
		{Name: "PRIORITY", Type: config.Integer{Min: 1, Max: priorityMost}, Help: "The smallest is tried first"},
	},
	Help: "A server that takes e-mails, up to 5", Apply: addMailServer, Negate: removeMailServer,
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, s := range c.CallHome.MailServers {
			a := config.Args{"HOST": s.Host, "PRIORITY": s.Priority}
			if s.Port != 0 {
				a["PORT"] = s.Port
			}
			if s.Security != "" {
				a["SECURITY"] = s.Security
			}
			if s.User != "" {
				a["USER"], a["PASSWORD"] = s.User, s.Password
			}
			lines = append(lines, a)
		}
		return lines
	},
}

// addMailServer keeps the servers in the order in which they are tried.
func addMailServer(c *model.Config, a config.Args) error {
	s := model.MailServer{
		Host: a.Text("HOST"), Port: a.Int("PORT"), Security: a.Text("SECURITY"), Priority: a.Int("PRIORITY"),
		User: a.Text("USER"), Password: a.Text("PASSWORD"),
	}
	if s.Security == model.MailPlain && s.User != "" {
		return config.BadArgument("SECURITY", "a password is not sent in the clear: security is starttls or tls")
	}
	if s.Security == model.MailSTARTTLS {
		s.Security = ""
	}
	all := &c.CallHome.MailServers
	if i := mailServerIndex(*all, s.Host); i >= 0 && (*all)[i].Priority == s.Priority {
		(*all)[i] = s
		return nil
	} else if i >= 0 {
		*all = slices.Delete(*all, i, i+1)
	}
	if len(*all) == mailServersMost {
		return config.BadArgument("HOST", "there can be no more than %d mail servers", mailServersMost)
	}
	at := slices.IndexFunc(*all, func(other model.MailServer) bool { return other.Priority > s.Priority })
	if at < 0 {
		at = len(*all)
	}
	*all = slices.Insert(*all, at, s)
	return nil
}

func removeMailServer(c *model.Config, a config.Args) error {
	i := mailServerIndex(c.CallHome.MailServers, a.Text("HOST"))
	if i < 0 {
		return config.BadArgument("HOST", "there is no mail server %s", a.Text("HOST"))
	}
	c.CallHome.MailServers = slices.Delete(c.CallHome.MailServers, i, i+1)
	return nil
}

func mailServerIndex(all []model.MailServer, host string) int {
	return slices.IndexFunc(all, func(s model.MailServer) bool { return strings.EqualFold(s.Host, host) })
}
