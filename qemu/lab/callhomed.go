package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"causeway/qemu/lab/callhomed"
)

// Names of the server that boxes of the lab call home to: the lab's name server
// has them on LAN1.
const (
	CallHomeName = "callhome.example.com"
	MailName     = "mail.example.com"
)

// The ports of it: HTTPS beside COM's, submission (RFC 6409) and the same within
// TLS (RFC 8314).
const (
	callHomePort = 8444
	mailPort     = 587
	mailTLSPort  = 465
)

// CallHomed is what boxes of a lab call home to, in this process. Tests drive it
// by the methods of callhomed.Server, before and while boxes use it.
type CallHomed struct {
	*callhomed.Server
	URL string // for `destination url`

	where *Namespace
	at    netip.Addr
	stop  context.CancelFunc // nil: stopped
	ended chan error
}

// CallHomed starts a new server in the namespace. Both names stand in its
// certificate, with the address.
func (n *Namespace) CallHomed(at netip.Addr, options callhomed.Options) (*CallHomed, error) {
	options.Names = append(options.Names, CallHomeName, MailName, at.String())
	server, err := callhomed.New(options)
	if err != nil {
		return nil, err
	}
	c := &CallHomed{Server: server, URL: fmt.Sprintf("https://%s:%d%s", CallHomeName, callHomePort, callhomed.Path), where: n, at: at}
	return c, c.Start()
}

// Start has it answer again after Stop, as if it had never been away.
func (c *CallHomed) Start() error {
	var doors callhomed.Doors
	for _, d := range []struct {
		port uint16
		door *net.Listener
	}{{callHomePort, &doors.HTTPS}, {mailPort, &doors.Mail}, {mailTLSPort, &doors.MailTLS}} {
		err := c.where.Do(func() (err error) {
			*d.door, err = net.Listen("tcp", netip.AddrPortFrom(c.at, d.port).String())
			return err
		})
		if err != nil {
			return errors.Join(fmt.Errorf("start callhomed: %w", err), doors.Close())
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop, c.ended = stop, make(chan error, 1)
	go func() { c.ended <- c.Serve(ctx, doors) }()
	return nil
}

// Stop ends all connections; new ones are refused.
func (c *CallHomed) Stop() error {
	if c.stop == nil {
		return errors.New("callhomed is stopped already")
	}
	c.stop()
	c.stop = nil
	return <-c.ended
}
