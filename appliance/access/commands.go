package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// The bounds of what can be configured.
const (
	usersMax   = 64
	keysMax    = 8 // of one user
	groupsMax  = 32
	rulesMax   = 64 // of one group
	serversMax = 4
	idleMax    = 24 * 60 // minutes
)

// Commands declares the commands of this subject. begins says whether words are
// the beginning of a command of a kind of rules, by the keywords of its syntax.
func Commands(begins func(kind, words string) bool) []config.Command {
	return slices.Concat(groupCommands(begins), userCommands(), []config.Command{loginServers, idleTime}, sshCommands(), webCommands())
}

var userArg = config.Argument{Name: "USER", Type: config.Name{}, Help: "Name of the user; a letter first"}

// userCommands declares who may log in, in the words of CUSP (L-49, L-50).
func userCommands() []config.Command {
	return []config.Command{createUser, userPassword, userGroups, userKeys}
}

var createUser = config.Command{
	Mode: config.Global, Syntax: "username USER create", No: "username USER [create]",
	Args: []config.Argument{userArg},
	Help: "Create a user, who may log in once there is a password or a key, and a group",
	Apply: func(c *model.Config, a config.Args) error {
		name := a.Text("USER")
		switch first := name[0] | 0x20; { // in small letters
		case strings.EqualFold(name, model.COMAdmin):
			return errCOMAdmin
		case first < 'a' || first > 'z':
			return config.BadArgument("USER", "%s does not begin with a letter", name)
		case c.Access.User(name) != nil:
			return nil
		case len(c.Access.Users) == usersMax:
			return fmt.Errorf("there can be no more than %d users", usersMax)
		}
		c.Access.Users = append(c.Access.Users, model.User{Name: name})
		slices.SortFunc(c.Access.Users, func(a, b model.User) int { return strings.Compare(a.Name, b.Name) })
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		if _, err := userOf(c, a); err != nil {
			return err
		}
		c.Access.Users = slices.DeleteFunc(c.Access.Users, func(u model.User) bool { return u.Name == a.Text("USER") })
		return nil
	},
	Check: checkPrivileged,
	Locked: func(before, after *model.Config, _ config.Args) error {
		if len(before.Access.Users) > 0 && len(after.Access.Users) == 0 {
			return fmt.Errorf("the last user cannot be removed: nobody could log in any more")
		}
		return nil
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, u := range c.Access.Users {
			lines = append(lines, config.Args{"USER": u.Name})
		}
		return lines
	},
}

// errCOMAdmin says why a line about COMAdmin is refused (COM-17).
var errCOMAdmin = config.BadArgument("USER",
	"%s is built in: it has no password and no key, and logs in over the remote management alone", model.COMAdmin)

// userOf gives the user that the line is about.
func userOf(c *model.Config, a config.Args) (*model.User, error) {
	name := a.Text("USER")
	if strings.EqualFold(name, model.COMAdmin) {
		return nil, errCOMAdmin
	}
	if u := c.Access.User(name); u != nil {
		return u, nil
	}
	return nil, config.BadArgument("USER", "there is no user %s: username %s create makes one", name, name)
}

// checkPrivileged refuses users of whom none may do all at every door: keys are
// for SSH alone. The first one's line tells it.
func checkPrivileged(c *model.Config, a config.Args) error {
	users := c.Access.Users
	privileged := func(u model.User) bool {
		return slices.Contains(u.Groups, model.GroupPrivileged) && u.Password != ""
	}
	if a.Text("USER") != users[0].Name || slices.ContainsFunc(users, privileged) {
		return nil
	}
	return fmt.Errorf("there must be a user in group %s with a password: nobody could change anything at the serial port any more",
		model.GroupPrivileged)
}

var userPassword = config.Command{
	Mode: config.Global, Syntax: "username USER password PASSWORD", No: "username USER password",
	Args: []config.Argument{userArg, {
		Name: "PASSWORD", Type: config.Password{Allowed: allowed},
		Help: "At least 8 characters of three kinds, or 16; only its hash is stored",
	}},
	Help: "Set the password of a user",
	Apply: func(c *model.Config, a config.Args) error {
		u, err := userOf(c, a)
		if err != nil {
			return err
		}
		u.Password = a.Text("PASSWORD")
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		u, err := userOf(c, a)
		if err != nil {
			return err
		}
		u.Password = ""
		return nil
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, u := range c.Access.Users {
			if u.Password != "" {
				lines = append(lines, config.Args{"USER": u.Name, "PASSWORD": u.Password})
			}
		}
		return lines
	},
}

var userGroups = config.Command{
	Mode: config.Global, Syntax: "username USER group GROUP", No: "username USER group GROUP",
	Args: []config.Argument{userArg, {
		Name: "GROUP", Type: config.Name{}, Help: "A group; pfs-privusers may do all, pfs-readonly may look",
	}},
	Help: "Make a user a member of a group",
	Apply: func(c *model.Config, a config.Args) error {
		u, err := userOf(c, a)
		if err != nil {
			return err
		}
		switch group := a.Text("GROUP"); {
		case slices.Contains(u.Groups, group):
		case len(u.Groups) == groupsMax:
			return fmt.Errorf("%s can be a member of no more than %d groups", u.Name, groupsMax)
		default:
			u.Groups = slices.Sorted(slices.Values(append(u.Groups, group)))
		}
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		u, err := userOf(c, a)
		if err != nil {
			return err
		}
		i := slices.Index(u.Groups, a.Text("GROUP"))
		if i < 0 {
			return config.BadArgument("GROUP", "%s is no member of %s", u.Name, a.Text("GROUP"))
		}
		u.Groups = slices.Delete(u.Groups, i, i+1)
		return nil
	},
	Check: func(c *model.Config, a config.Args) error {
		if len(known(&c.Access, []string{a.Text("GROUP")})) == 0 {
			return config.BadArgument("GROUP", "there is no group %s", a.Text("GROUP"))
		}
		return nil
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, u := range c.Access.Users {
			for _, group := range u.Groups {
				lines = append(lines, config.Args{"USER": u.Name, "GROUP": group})
			}
		}
		return lines
	},
}

// loginServers are asked before the users of the box.
var loginServers = config.Command{
	Mode: config.Global, Syntax: "aaa login radius HOST [port PORT] key KEY", No: "aaa login radius HOST",
	Args: []config.Argument{
		{Name: "HOST", Type: config.Host{}, Help: "Address or name of a RADIUS server; up to 4 are asked in their order"},
		{Name: "PORT", Type: config.Port, Default: model.DefaultLoginPort, Help: "Its port"},
		{Name: "KEY", Type: config.Secret{}, Help: "Secret that the box shares with the server"},
	},
	Help: "Ask a RADIUS server who may log in; the users of the box count when none answers",
	Apply: func(c *model.Config, a config.Args) error {
		server := model.LoginServer{Host: a.Text("HOST"), Port: a.Int("PORT"), Key: a.Text("KEY")}
		if i := findServer(c, server.Host); i >= 0 {
			c.Access.RADIUS[i] = server
			return nil
		}
		if len(c.Access.RADIUS) == serversMax {
			return fmt.Errorf("there can be no more than %d RADIUS servers", serversMax)
		}
		c.Access.RADIUS = append(c.Access.RADIUS, server)
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		i := findServer(c, a.Text("HOST"))
		if i < 0 {
			return config.BadArgument("HOST", "%s is not a RADIUS server of logins", a.Text("HOST"))
		}
		c.Access.RADIUS = slices.Delete(c.Access.RADIUS, i, i+1)
		return nil
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, s := range c.Access.RADIUS {
			line := config.Args{"HOST": s.Host, "KEY": s.Key}
			if s.Port != model.DefaultLoginPort {
				line["PORT"] = s.Port
			}
			lines = append(lines, line)
		}
		return lines
	},
}

func findServer(c *model.Config, host string) int {
	return slices.IndexFunc(c.Access.RADIUS, func(s model.LoginServer) bool { return s.Host == host })
}

var idleTime = config.Command{
	Mode: config.Global, Syntax: "exec-timeout MINUTES", No: "exec-timeout [MINUTES]",
	Args: []config.Argument{{
		Name: "MINUTES", Type: config.Integer{Min: 0, Max: idleMax}, Help: "Minutes without a key being pressed (default 10); 0: never",
	}},
	Help: "When a session ends in which nobody types",
	Apply: func(c *model.Config, a config.Args) error {
		minutes := cmp.Or(a.Int("MINUTES"), -1)
		if minutes == model.DefaultIdleMinutes {
			minutes = 0
		}
		c.Access.IdleMinutes = minutes
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error { c.Access.IdleMinutes = 0; return nil },
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(c.Access.IdleMinutes != 0, config.Args{"MINUTES": c.Access.Idle()})
	},
}
