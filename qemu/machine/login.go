package machine

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// Who works at the consoles of tests. The name is the one that a new box
// proposes.
const (
	User     = "admin"
	Password = "Wires-and-7-poles"
)

// Users are the lines of a configuration that let User log in.
const Users = `username ` + User + ` create
username ` + User + ` group pfs-privusers
username ` + User + ` password $argon2id$v=19$m=19456,t=2,p=1$2wd3mficoBaQvy0XNx7Jfw$m0Z5tDiolZeWUn5lu8r8v2+ZV2Ze0x+No15qzoc/Cfg
`

// Questions that stand before the prompt, and what they are answered with: at
// the login, at the first boot, which takes what it proposes, and where control
// does not answer yet.
const (
	atLogin   = `^Username: `
	atSecret  = `^(?:Password|Again): `
	atDefault = `^(?:Host name|Name of the administrator|LAN[12] address|Default gateway|DNS servers|Time servers|Time zone|Calls per second|Licence server|Customer ID|Subscription server|Call Home|E-mail address|Put this|Choice)[^\n]*\]: `
)

var (
	login    = regexp.MustCompile(atLogin)
	secret   = regexp.MustCompile(atSecret)
	question = regexp.MustCompile(atDefault)
	before   = regexp.MustCompile(atLogin + "|" + atSecret + "|" + atDefault) // the prompt
)

// arrive answers what stands before the prompt, up to the prompt: it logs in,
// and makes User the first user of a new box.
func (c *Console) arrive(ctx context.Context) (Answer, error) {
	for tries := 0; ; {
		match, err := c.Expect(ctx, before.String()+"|"+prompt)
		if err != nil {
			return Answer{}, err
		}
		switch at := match.Groups[0]; {
		case login.MatchString(at):
			if tries++; tries > 2 { // the first may be left over from somebody else
				return Answer{}, fmt.Errorf("log in as %s: %s", User, strings.TrimSpace(match.Before))
			}
			if err = c.Send(User); err == nil {
				_, err = c.Expect(ctx, echo(User))
			}
		case secret.MatchString(at):
			err = c.Send(Password)
		case question.MatchString(at):
			err = c.Send("")
		default:
			return answerOf(match), nil
		}
		if err != nil {
			return Answer{}, err
		}
	}
}
