package certificates

import (
	"context"
	"fmt"
	"strings"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/model"
)

// stamp is how times are shown.
const stamp = "2006-01-02 15:04:05 -0700"

func showCertificates(ctx context.Context, s exec.Session, a config.Args) error {
	for _, row := range table {
		if a.Has("PURPOSE") && a.Text("PURPOSE") != string(row.name) {
			continue
		}
		var status Status
		if err := ask(ctx, s, "status", Request{Purpose: row.name}, &status); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(s, "%s\n", row.name); err != nil {
			return err
		}
		printStatus(s, status)
	}
	return nil
}

func printStatus(s exec.Session, status Status) {
	field := func(name string, value any) { exec.Field(s, " "+name, value) }
	if status.Problem != "" {
		field("Problem", status.Problem)
	}
	if c := status.Certificate; c != nil {
		printCertificate(s, " ", *c)
		field("Chain", status.chain())
		for _, c := range status.Chain {
			printCertificate(s, "  ", c)
		}
	} else if status.HostKey == "" {
		field("Certificate", "none")
	}
	if status.Key != "" {
		field("Key", status.Key)
	}
	if status.HostKey != "" {
		field("Fingerprint", status.HostKey)
	}
	if status.Waiting != "" {
		field("Request", fmt.Sprintf("%s, waits since %s", status.Waiting, exec.Time(s, status.Since, stamp)))
	}
	for _, c := range status.Trusted {
		fmt.Fprintln(s, " Trusted authority")
		printCertificate(s, "  ", c)
	}
}

// chain says in words how far the chain reaches.
func (s Status) chain() string {
	switch {
	case s.SelfSigned:
		return "self-signed"
	case s.Complete:
		return "complete"
	}
	last := *s.Certificate
	if len(s.Chain) > 0 {
		last = s.Chain[len(s.Chain)-1]
	}
	return "not complete, it ends below " + last.Issuer
}

// printCertificate prints the fields of a certificate behind an indent.
func printCertificate(s exec.Session, indent string, c Certificate) {
	field := func(name string, value any) { exec.Field(s, indent+name, value) }
	field("Certificate", c.Subject)
	field("Issuer", c.Issuer)
	field("Serial", c.Serial)
	if len(c.Names) > 0 {
		field("Names", strings.Join(c.Names, ", "))
	}
	field("Valid from", exec.Time(s, c.NotBefore, stamp))
	field("Valid until", exec.Time(s, c.NotAfter, stamp))
	field("SHA-256", c.SHA256)
}

func showHostKey(ctx context.Context, s exec.Session, _ config.Args) error {
	var status Status
	if err := ask(ctx, s, "status", Request{Purpose: model.ForSSH}, &status); err != nil {
		return err
	}
	if status.HostKey == "" {
		return fmt.Errorf("there is no host key: %s", status.Problem)
	}
	exec.Field(s, "Key", status.Key)
	exec.Field(s, "Fingerprint", status.HostKey)
	return nil
}
