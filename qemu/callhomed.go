package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"causeway/qemu/lab/callhomed"
)

// callHomedNames are what a box reaches this host by: from a machine of `run`, on
// either LAN, and from this host itself.
const callHomedNames = "callhome.example.com,mail.example.com,192.168.42.2,192.168.43.2,127.0.0.1,localhost"

// boxHost is this host for a box of `make run`.
const boxHost = "192.168.42.2"

// runCallHomed is what boxes call home to until it is interrupted.
func runCallHomed(ctx context.Context, args []string) error {
	var listen, mail, mailTLS, api, dir, names, schema, user string
	err := parse("callhomed", args, func(set *flag.FlagSet) {
		set.StringVar(&listen, "listen", "127.0.0.1:8444", "`address` for boxes, HTTPS")
		set.StringVar(&mail, "mail", "127.0.0.1:8587", "`address` for e-mails, SMTP with STARTTLS or without")
		set.StringVar(&mailTLS, "mail-tls", "127.0.0.1:8465", "`address` for e-mails, SMTP within TLS")
		set.StringVar(&api, "api", "127.0.0.1:8482", "`address` for whoever looks at it or drives it, HTTP")
		set.StringVar(&dir, "dir", "", "`folder` for its authority, root certificate and what it takes; without one it forgets all in the end")
		set.StringVar(&names, "names", callHomedNames, "`hosts` and addresses that boxes reach it by")
		set.StringVar(&schema, "schema", "docs/callhome.xsd", "`file` that XML is held against; empty: none")
		set.StringVar(&user, "user", "", "`USER:PASSWORD` that e-mails are taken from; empty: from anybody")
	})
	if err != nil {
		return err
	}
	options := callhomed.Options{Names: strings.Split(names, ","), Dir: dir, Schema: schema}
	if name, password, found := strings.Cut(user, ":"); found {
		options.Users = map[string]string{name: password}
	} else if user != "" {
		return errors.New("-user: want USER:PASSWORD")
	}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	server, err := callhomed.New(options)
	if err != nil {
		return err
	}
	if dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "root.pem"), server.Root(), 0o644); err != nil {
			return err
		}
	}
	var doors callhomed.Doors
	for _, d := range []struct {
		address string
		door    *net.Listener
	}{{listen, &doors.HTTPS}, {mail, &doors.Mail}, {mailTLS, &doors.MailTLS}, {api, &doors.API}} {
		if *d.door, err = net.Listen("tcp", d.address); err != nil {
			return errors.Join(err, doors.Close())
		}
	}
	explainCallHomed(os.Stdout, server, doors)
	return server.Serve(ctx, doors)
}

// explainCallHomed prints what to type into a box of `make run`.
func explainCallHomed(out io.Writer, server *callhomed.Server, doors callhomed.Doors) {
	port := func(l net.Listener) string {
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return cmp.Or(port, "0")
	}
	fmt.Fprintf(out, `for boxes: https://%s, e-mails on %s and %s
to look at it: http://%s/messages

    box# crypto pki authenticate callhome
%s
    box(config)# call-home
    box(config-call-home)# contact-email-addr noc@example.com
    box(config-call-home)# destination url https://%s%s
    box(config-call-home)# mail-server %s port %s priority 1
    box(config-call-home)# eula accept
    box(config-call-home)# commit call-home
`, doors.HTTPS.Addr(), doors.Mail.Addr(), doors.MailTLS.Addr(), doors.API.Addr(),
		server.Root(), net.JoinHostPort(boxHost, port(doors.HTTPS)), callhomed.Path, boxHost, port(doors.Mail))
}
