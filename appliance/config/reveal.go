package config

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"

	"causeway/appliance/model"
)

// Reveal is Print with the secrets in plain text, so that another box can seal
// them under its own key: for a backup, which is encrypted as a whole. Passwords
// stay the hashes that they are, and lines that are kept aside as they are:
// which of their words are secrets is not known here.
func (g *Grammar) Reveal(c *model.Config, aside []string, key *BoxKey) (string, error) {
	var failed error
	text := g.render(c, func(l printed) string {
		line, err := l.revealed(key)
		if err != nil && failed == nil {
			failed = fmt.Errorf("%q: %w", l.text, err)
		}
		return line
	})
	return withAside(text, aside), failed
}

// revealed is the text of the line with its secrets in plain text.
func (l printed) revealed(key *BoxKey) (string, error) {
	return l.replacing(func(t Type, stored string) (string, error) {
		if _, isSecret := t.(Secret); isSecret {
			return key.Open(stored)
		}
		return stored, nil
	})
}

// replacing is the text of the line with other values of what is text.
func (l printed) replacing(other func(t Type, value string) (string, error)) (string, error) {
	if l.command == nil {
		return l.text, nil
	}
	args := maps.Clone(l.args)
	for _, arg := range l.command.Args {
		value, _ := args[arg.Name].(string)
		if value == "" {
			continue
		}
		value, err := other(arg.Type, value)
		if err != nil {
			return l.text, err
		}
		args[arg.Name] = value
	}
	return l.command.form.line(args), nil
}

// Withhold is Render for a process that shall not know more than it needs: in
// the place of passwords, and of secrets that it does not read, stand those of
// nobody.
func (g *Grammar) Withhold(c *model.Config, process string) string {
	return g.render(c, func(l printed) string {
		text, _ := l.replacing(func(t Type, stored string) (string, error) {
			switch t := t.(type) {
			case Password:
				return hash{}.String(), nil
			case Secret:
				if t.Reader != process {
					return secretOfNobody, nil
				}
			}
			return stored, nil
		})
		return text
	})
}

// secretOfNobody has the stored form of a secret, and no key opens it.
var secretOfNobody = sealedPrefix + base64.RawURLEncoding.EncodeToString(make([]byte, gcmOverhead+1))

// storedForm is a secret or a password as a text has it.
var storedForm = regexp.MustCompile(`(` + regexp.QuoteMeta(sealedPrefix) + `|` + regexp.QuoteMeta(hashMark) + `)\S+`)

// Redact gives a text for who shall not even have the stored forms of secrets and
// passwords: there are asterisks in their place. It cannot be read again.
func Redact(text string) string { return storedForm.ReplaceAllString(text, "********") }
