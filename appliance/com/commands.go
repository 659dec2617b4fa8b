package com

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"causeway/appliance/config"
	"causeway/appliance/model"
)

// What can be configured.
const (
	customerMost      = 64 // characters of a customer ID
	operatorsMost     = 32
	keyMost           = 200 // characters of a key in base64; the longest allowed type has 140
	shortestHeartbeat = 10  // seconds
	longestHeartbeat  = 300
)

// Commands declares the link to COM: who the box is there, where it dials, and
// what may be done through it. The names of COM that must resolve are
// package resolver's.
func Commands() []config.Command {
	return []config.Command{
		config.Setting("com customer-id", "Who the customer is to COM",
			config.Argument{Name: "ID", Type: customerID{}, Help: "Customer ID, as the e-mail has it"}, "",
			func(c *model.Config) *string { return &c.COM.CustomerID }),
		config.Setting("com server", "The subscription server; without one there is no link",
			config.Argument{Name: "HOST", Type: config.Host{}, Help: "Name of the subscription server, as the e-mail has it"}, "",
			func(c *model.Config) *string { return &c.COM.Server }),
		{
			Mode: config.Global, Syntax: "com shutdown", No: "com shutdown", Help: "Have no link",
			Apply:  func(c *model.Config, _ config.Args) error { c.COM.Off = true; return nil },
			Negate: func(c *model.Config, _ config.Args) error { c.COM.Off = false; return nil },
			Render: func(c *model.Config, _ config.Args) []config.Args { return config.When(c.COM.Off, config.Args{}) },
		},
		either("com role", "ROLE", [2]string{"primary", "secondary"}, "Which system of the solution has the link",
			"primary: this one (default); secondary: another one", func(c *model.COM) *bool { return &c.Secondary }),
		config.Setting("com proxy address", "HTTP proxy on the way to COM",
			config.Argument{Name: "HOST", Type: config.Host{}, Help: "Address or host name"}, "",
			func(c *model.Config) *string { return &c.COM.ProxyHost }),
		config.Setting("com proxy port", fmt.Sprintf("TCP port of the HTTP proxy (default %d)", model.DefaultCOMProxyPort),
			config.Argument{Name: "PORT", Type: config.Port, Help: "TCP port"}, model.DefaultCOMProxyPort,
			func(c *model.Config) *int { return &c.COM.ProxyPort }),
		config.Setting("com heartbeat", "How often the box is heard of (default as COM asks)",
			config.Argument{Name: "SECONDS", Type: config.Integer{Min: shortestHeartbeat, Max: longestHeartbeat}, Help: "Between two heartbeats"}, 0,
			func(c *model.Config) *int { return &c.COM.HeartbeatSeconds }),
		either("com tls max", "VERSION", [2]string{"1.2", "1.3"}, "The newest version of TLS that is offered",
			"1.2: exactly that (default); 1.3: that too", func(c *model.COM) *bool { return &c.TLS13 }),
		config.Setting("com grace-end", "What ends when the link was away for 30 days",
			config.Argument{
				Name: "WHAT", Type: config.Choice{model.GraceEndsFeatures, model.GraceEndsCalls},
				Help: "features: what needs a subscription (default); calls: new calls, too, where the subscription governs them",
			}, model.GraceEndsFeatures, func(c *model.Config) *string { return &c.COM.GraceEnd }),
		groupCommand, operatorCommand, serviceCommand,
	}
}

// either declares a line with one of two words, of which the first is the
// default; the flag is that it is the second.
func either(words, arg string, choice [2]string, help, argHelp string, of func(*model.COM) *bool) config.Command {
	return config.Command{
		Mode: config.Global, Syntax: words + " " + arg, No: words + " [" + arg + "]", Help: help,
		Args:   []config.Argument{{Name: arg, Type: config.Choice(choice[:]), Help: argHelp}},
		Apply:  func(c *model.Config, a config.Args) error { *of(&c.COM) = a.Text(arg) == choice[1]; return nil },
		Negate: func(c *model.Config, _ config.Args) error { *of(&c.COM) = false; return nil },
		Render: func(c *model.Config, _ config.Args) []config.Args {
			return config.When(*of(&c.COM), config.Args{arg: choice[1]})
		},
	}
}

// groupCommand says whose rights COMAdmin has (COM-17).
var groupCommand = config.Command{
	Mode: config.Global, Syntax: "com group GROUP", No: "com group [GROUP]",
	Args: []config.Argument{{Name: "GROUP", Type: config.Name{}, Help: "A group; " + model.GroupPrivileged + " by default"}},
	Help: "What COMAdmin may do, under whom all works that comes over the link",
	Apply: func(c *model.Config, a config.Args) error {
		if c.COM.Group = a.Text("GROUP"); c.COM.Group == model.GroupPrivileged {
			c.COM.Group = ""
		}
		return nil
	},
	Negate: func(c *model.Config, _ config.Args) error { c.COM.Group = ""; return nil },
	Check: func(c *model.Config, a config.Args) error {
		if name := a.Text("GROUP"); name != model.GroupReadOnly && c.Access.Group(name) == nil {
			return config.BadArgument("GROUP", "there is no group %s", name)
		}
		return nil
	},
	Render: func(c *model.Config, _ config.Args) []config.Args {
		return config.When(c.COM.Group != "", config.Args{"GROUP": c.COM.Group})
	},
}

// keyTypes are the keys that operators may sign with: those that JWS has
// (RFC 7518 §3.4, RFC 8037 §3.1).
var keyTypes = config.Choice{ssh.KeyAlgoECDSA256, ssh.KeyAlgoED25519}

// operatorCommand says whose signatures count.
var operatorCommand = config.Command{
	Mode: config.Global, Syntax: "com trust operator NAME TYPE KEY", No: "com trust operator NAME [TYPE KEY]",
	Args: []config.Argument{
		{Name: "NAME", Type: config.Name{}, Help: "Name of the operator, as the signatures have it"},
		{Name: "TYPE", Type: keyTypes, Help: "Type of the key, as its file begins"},
		{Name: "KEY", Type: config.Word{Max: keyMost}, Help: "The public key in base64"},
	},
	Help: "Heed the signature of an operator behind COM; nothing is changed over the link without one",
	Apply: func(c *model.Config, a config.Args) error {
		operator := model.COMOperator{Name: a.Text("NAME"), Key: a.Text("TYPE") + " " + a.Text("KEY")}
		if err := checkKey(a.Text("TYPE"), a.Text("KEY")); err != nil {
			return config.BadArgument("KEY", "%v", err)
		}
		if known := c.COM.Operator(operator.Name); known != nil {
			known.Key = operator.Key
			return nil
		}
		if len(c.COM.Operators) == operatorsMost {
			return fmt.Errorf("there can be no more than %d operators", operatorsMost)
		}
		c.COM.Operators = append(c.COM.Operators, operator)
		slices.SortFunc(c.COM.Operators, func(a, b model.COMOperator) int { return cmp.Compare(a.Name, b.Name) })
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		known := c.COM.Operator(a.Text("NAME"))
		switch {
		case known == nil:
			return config.BadArgument("NAME", "there is no operator %s", a.Text("NAME"))
		case a.Has("KEY") && known.Key != a.Text("TYPE")+" "+a.Text("KEY"):
			return config.BadArgument("KEY", "%s has another key", known.Name)
		}
		c.COM.Operators = slices.DeleteFunc(c.COM.Operators, func(o model.COMOperator) bool { return o.Name == known.Name })
		return nil
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, o := range c.COM.Operators {
			typ, key, _ := strings.Cut(o.Key, " ")
			lines = append(lines, config.Args{"NAME": o.Name, "TYPE": typ, "KEY": key})
		}
		return lines
	},
}

// checkKey says what is wrong with a public key of the type.
func checkKey(typ, encoded string) error {
	blob, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return errors.New("this is not the base64 of a key")
	}
	if key, err := ssh.ParsePublicKey(blob); err != nil || key.Type() != typ {
		return fmt.Errorf("this is not a public key of type %s", typ)
	}
	return nil
}

// serviceCommand has the switches of what COM may do (COM-11).
var serviceCommand = config.Command{
	Mode: config.Global, Syntax: "com service SERVICE", No: "com service SERVICE",
	Args: []config.Argument{{Name: "SERVICE", Type: config.Choice(model.COMServices()), Help: "What it may do"}},
	Help: "Let COM do something beside heartbeats and subscriptions; nothing by default",
	Apply: func(c *model.Config, a config.Args) error {
		if !c.COM.Serves(a.Text("SERVICE")) {
			c.COM.Services = slices.Sorted(slices.Values(append(c.COM.Services, a.Text("SERVICE"))))
		}
		return nil
	},
	Negate: func(c *model.Config, a config.Args) error {
		c.COM.Services = slices.DeleteFunc(slices.Clone(c.COM.Services), func(s string) bool { return s == a.Text("SERVICE") })
		if len(c.COM.Services) == 0 {
			c.COM.Services = nil
		}
		return nil
	},
	Render: func(c *model.Config, _ config.Args) (lines []config.Args) {
		for _, service := range c.COM.Services {
			lines = append(lines, config.Args{"SERVICE": service})
		}
		return lines
	},
}

// customerID is the name that a customer has at COM: printable characters of
// ASCII without blanks. Its value is a string.
type customerID struct{}

// Parse takes the word as it is.
func (customerID) Parse(word string) (any, error) {
	foreign := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(word) > customerMost || strings.ContainsFunc(word, foreign) {
		return nil, fmt.Errorf("%s is not a customer ID of 1 to %d printable characters", word, customerMost)
	}
	return word, nil
}

// Format prints the ID.
func (customerID) Format(value any) string { return fmt.Sprint(value) }

// String gives the placeholder.
func (customerID) String() string { return "ID" }
