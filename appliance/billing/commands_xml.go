package billing

import (
	"errors"
	"fmt"

	"causeway/appliance/billing/xmlcdr"
	"causeway/appliance/config"
	"causeway/appliance/model"
)

func xmlCommands() []config.Command {
	return []config.Command{
		{
			Mode: inBilling, Syntax: "xml INDEX", No: "xml INDEX", Opens: inXML,
			Args: []config.Argument{number("INDEX", 0, indexMax, "Number of the instance")},
			Help: "Configure the instance of billing by XML files", Apply: addXML, Negate: removeXML,
			Check: func(c *model.Config, _ config.Args) error {
				if !c.SBC.Billing.MethodXML {
					return config.BadArgument("INDEX", "the instance needs its method: add method %s", methodXML)
				}
				return nil
			},
			Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
				for _, xml := range c.SBC.Billing.XML {
					lines = append(lines, config.Args{"INDEX": xml.Index})
				}
				return lines
			},
		},
		setting(inXML, "cdr path", config.Argument{Name: "PATH", Type: cdrDirectory, Help: "Directory of the files (default harddisk:/cdr/)"},
			func(c *model.Config, _ config.Args) *string { return &xmlOf(c).Path }),
		ldrCheck(inXML,
			func(c *model.Config, _ config.Args) *model.TimeOfDay { return xmlOf(c).LongCheck },
			func(c *model.Config, _ config.Args, at *model.TimeOfDay) { xmlOf(c).LongCheck = at }),
		{
			Mode: inXML, Syntax: "cdr alarm [minor MINOR] [major MAJOR] [critical CRITICAL]", No: "cdr alarm",
			Args: []config.Argument{
				kilobytes("MINOR", "KB that are free (default: no alarm)"),
				kilobytes("MAJOR", "KB that are free (default: no alarm)"),
				kilobytes("CRITICAL", "KB that are free (default: no alarm)"),
			},
			Help: "Set below how much free room alarms are raised",
			Apply: func(c *model.Config, a config.Args) error {
				return setLevels(a, &xmlOf(c).Minor, &xmlOf(c).Major, &xmlOf(c).Critical)
			},
			Negate: func(c *model.Config, _ config.Args) error {
				xmlOf(c).Minor, xmlOf(c).Major, xmlOf(c).Critical = 0, 0, 0
				return nil
			},
			Check: checkCDRAlarms,
			Render: func(c *model.Config, _ config.Args) []config.Args {
				return levels(xmlOf(c).Minor, xmlOf(c).Major, xmlOf(c).Critical)
			},
		},
		setting(inXML, "flipped-interval", number("SECONDS", 10, 86_400, "Seconds after which a file is finished (default 180)"),
			func(c *model.Config, _ config.Args) *int { return &xmlOf(c).Interval }),
		setting(inXML, "flipped-size", number("KB", 1, 1_048_576, "KB at which a file is finished (default 10240)"),
			func(c *model.Config, _ config.Args) *int { return &xmlOf(c).Size }),
		cdrTransfer,
		deactMode(inXML, func(c *model.Config, _ config.Args) *model.DeactMode { return &xmlOf(c).DeactMode }),
		toggle(inXML, "attach", "Put the instance into service", func(c *model.Config, _ config.Args) *bool { return &xmlOf(c).Attached }),
	}
}

// cdrTransfer has finished files sent away.
var cdrTransfer = config.Command{
	Mode: inXML, Syntax: "cdr transfer URL [password PASSWORD] [host-key FINGERPRINT]", No: "cdr transfer",
	Args: []config.Argument{
		{Name: "URL", Type: config.Word{Max: 256}, Help: "Directory on another system, as in sftp://user@192.0.2.1/cdr/"},
		{Name: "PASSWORD", Type: config.Secret{Reader: "billing"}, Help: "Password of the user there"},
		{Name: "FINGERPRINT", Type: config.Word{Max: 50}, Help: "Of the other system's host key, as ssh-keygen -l prints it"},
	},
	Help: "Send finished files to another system, and delete those that arrived whole",
	Apply: func(c *model.Config, a config.Args) error {
		to := model.CDRTransfer{URL: a.Text("URL"), Secret: a.Text("PASSWORD"), HostKey: a.Text("FINGERPRINT")}
		if to.Secret == "" {
			return errors.New("the line is not complete: password is expected")
		}
		if err := xmlcdr.CheckTransfer(to); err != nil {
			return err
		}
		xmlOf(c).Transfer = to
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error { xmlOf(c).Transfer = model.CDRTransfer{}; return nil },
	Render: func(c *model.Config, _ config.Args) []config.Args {
		to := xmlOf(c).Transfer
		return config.When(to.URL != "", config.Args{"URL": to.URL, "PASSWORD": to.Secret, "FINGERPRINT": to.HostKey})
	},
}

// xmlOf is the instance in whose mode a line stands.
func xmlOf(c *model.Config) *model.XMLMethod { return &c.SBC.Billing.XML[0] }

func addXML(c *model.Config, a config.Args) error {
	index := a.Int("INDEX")
	if others := c.SBC.Billing.XML; len(others) > 0 {
		if others[0].Index != index {
			return config.BadArgument("INDEX", "there is the xml instance %d already; there can be one", others[0].Index)
		}
		return nil
	}
	c.SBC.Billing.XML = []model.XMLMethod{{Index: index}}
	return nil
}

func removeXML(c *model.Config, a config.Args) error {
	if xml := c.SBC.Billing.XML; len(xml) == 0 || xml[0].Index != a.Int("INDEX") {
		return config.BadArgument("INDEX", "there is no xml instance %d", a.Int("INDEX"))
	}
	c.SBC.Billing.XML = nil
	return nil
}

// checkCDRAlarms holds that the alarms get worse as free room shrinks.
func checkCDRAlarms(c *model.Config, _ config.Args) error {
	last, room := "", 0
	for _, level := range []struct {
		name string
		at   int
	}{{"critical", xmlOf(c).Critical}, {"major", xmlOf(c).Major}, {"minor", xmlOf(c).Minor}} {
		if level.at == 0 {
			continue
		}
		if level.at <= room {
			return fmt.Errorf("%s (%d KB) must be more than %s (%d KB): they are about free room", level.name, level.at, last, room)
		}
		last, room = level.name, level.at
	}
	return nil
}
