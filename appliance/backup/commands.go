package backup

import (
	"errors"
	"slices"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/storage/files"
	"causeway/appliance/storage/remote"
)

// keepMax bounds how many backups a schedule keeps, well below madeMax: what is
// not in the list any more is not removed.
const keepMax = 100

// recipientsMax bounds who can open a backup.
const recipientsMax = 10

// days are those of a weekly schedule, in the order of time.Weekday.
var days = config.Choice{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// Commands declares when backups are made, and who can open them.
func Commands() []config.Command {
	return []config.Command{
		schedule("backup schedule daily TIME TO [keep FILES] [password PASSWORD] [host-key FINGERPRINT]", "Make a backup every day", false),
		schedule("backup schedule weekly DAY TIME TO [keep FILES] [password PASSWORD] [host-key FINGERPRINT]", "Make a backup every week", true),
		recipients,
		passphrase,
	}
}

func schedule(syntax, help string, weekly bool) config.Command {
	args := []config.Argument{
		{Name: "TIME", Type: config.TimeOfDay{}, Help: "Time of day, in the zone of the box"},
		{Name: "TO", Type: files.PlaceType{}, Help: "A directory: usb0:/backup, or sftp://user@192.0.2.1/backup/"},
		{Name: "FILES", Type: config.Integer{Min: 1, Max: keepMax}, Help: "How many stay; without it all do"},
		{Name: "PASSWORD", Type: config.Secret{}, Help: "Of the user on another system"},
		{Name: "FINGERPRINT", Type: config.Word{Max: 50}, Help: "Of the other system's host key, as ssh-keygen -l prints it"},
	}
	if weekly {
		args = append(args, config.Argument{Name: "DAY", Type: days, Help: "Day of the week"})
	}
	command := config.Command{
		Mode: config.Global, Syntax: syntax, Args: args, Help: help,
		Apply: func(c *model.Config, a config.Args) error { return setSchedule(c, a, weekly) },
		Render: func(c *model.Config, _ config.Args) []config.Args {
			if s := c.Backup.Schedule; s.To != "" && s.Weekly == weekly {
				return []config.Args{scheduleArgs(s)}
			}
			return nil
		},
	}
	if !weekly {
		command.No = "backup schedule"
		command.Negate = func(c *model.Config, _ config.Args) error { c.Backup.Schedule = model.BackupSchedule{}; return nil }
	}
	return command
}

func setSchedule(c *model.Config, a config.Args, weekly bool) error {
	to := files.PlaceOf(a, "TO")
	s := model.BackupSchedule{
		To: to.String(), At: a.Int("TIME"), Keep: a.Int("FILES"),
		Password: a.Text("PASSWORD"), HostKey: a.Text("FINGERPRINT"), Weekly: weekly,
	}
	if weekly {
		s.Day = time.Weekday(slices.Index(days, a.Text("DAY")))
	}
	switch {
	case !to.IsRemote() && s.Password+s.HostKey != "":
		return errors.New("password and host-key are for another system")
	case to.IsRemote() && s.Password == "":
		return errors.New("the line is not complete: password is expected")
	case to.IsRemote():
		if err := remote.CheckHostKey(s.HostKey); err != nil {
			return config.BadArgument("FINGERPRINT", "%v", err)
		}
	}
	c.Backup.Schedule = s
	return nil
}

func scheduleArgs(s model.BackupSchedule) config.Args {
	a := config.Args{"TIME": s.At, "TO": s.To}
	if s.Weekly {
		a["DAY"] = days[s.Day]
	}
	if s.Keep > 0 {
		a["FILES"] = s.Keep
	}
	if s.Password != "" {
		a["PASSWORD"], a["FINGERPRINT"] = s.Password, s.HostKey
	}
	return a
}

// recipients are public keys of those who can open a backup.
var recipients = config.Command{
	Mode: config.Global, Syntax: "backup recipient KEY", No: "backup recipient [KEY]", Many: true,
	Args: []config.Argument{{Name: "KEY", Type: config.Line{}, Help: "Public key of age (age1…) or SSH (ssh-ed25519 …, ssh-rsa …)"}},
	Help: "Have backups opened with a private key",
	Apply: func(c *model.Config, a config.Args) error {
		key := keyOf(a)
		if _, err := parseRecipient(key); err != nil {
			return config.BadArgument("KEY", "this is not a public key of age (age1…) or SSH (ssh-ed25519, ssh-rsa)")
		}
		if slices.Contains(c.Backup.Recipients, key) {
			return nil
		}
		if len(c.Backup.Recipients) == recipientsMax {
			return config.BadArgument("KEY", "there are %d recipients already, the most", recipientsMax)
		}
		c.Backup.Recipients = append(c.Backup.Recipients, key)
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		if !a.Has("KEY") {
			c.Backup.Recipients = nil
			return nil
		}
		i := slices.Index(c.Backup.Recipients, keyOf(a))
		if i < 0 {
			return config.BadArgument("KEY", "there is no such recipient")
		}
		c.Backup.Recipients = slices.Delete(c.Backup.Recipients, i, i+1)
		return nil
	},
	Check: func(c *model.Config, _ config.Args) error {
		if c.Backup.Passphrase != "" {
			return errors.New("there is a backup passphrase, too: a backup is opened with a passphrase or with keys")
		}
		return nil
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, key := range c.Backup.Recipients {
			lines = append(lines, config.Args{"KEY": key})
		}
		return lines
	},
}

// keyOf is a key without the comment behind it.
func keyOf(a config.Args) string {
	words := strings.Fields(a.Text("KEY"))
	if len(words) > 0 && strings.HasPrefix(words[0], "ssh-") {
		return strings.Join(words[:min(2, len(words))], " ")
	}
	return strings.Join(words, " ")
}

// passphrase opens backups where there are no recipients.
var passphrase = config.Command{
	Mode: config.Global, Syntax: "backup passphrase PASSPHRASE", No: "backup passphrase",
	Args: []config.Argument{{
		Name: "PASSPHRASE", Type: config.Secret{Min: passphraseMin}, Help: "At least 12 characters; keep it elsewhere, too: without it no backup is opened",
	}},
	Help:   "Have backups opened with a passphrase",
	Apply:  func(c *model.Config, a config.Args) error { c.Backup.Passphrase = a.Text("PASSPHRASE"); return nil },
	Negate: func(c *model.Config, _ config.Args) error { c.Backup.Passphrase = ""; return nil },
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(c.Backup.Passphrase != "", config.Args{"PASSPHRASE": c.Backup.Passphrase})
	},
}
