package lab

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"causeway/appliance/model"
	"causeway/qemu/lab/comd"
)

// COM is a COM server in a lab, in this process. Tests drive it by the methods of
// comd.Server, before and while boxes use it.
type COM struct {
	*comd.Server

	where *Namespace
	at    netip.Addr
	http  *http.Server // nil: no port is open

	serving sync.WaitGroup
}

// COM starts a new COM server in the namespace, on both ports of the link. The
// names stand in its certificate, with the address.
func (n *Namespace) COM(at netip.Addr, options comd.Options) (*COM, error) {
	options.Names = append(options.Names, at.String())
	server, err := comd.New(options)
	if err != nil {
		return nil, err
	}
	c := &COM{Server: server, where: n, at: at}
	if err := c.Listen(model.COMPorts[:]...); err != nil {
		return nil, errors.Join(err, server.Close(0))
	}
	return c, nil
}

// Listen has it take links on these ports and no others; without any, on none.
// Links that are up stay.
func (c *COM) Listen(ports ...uint16) error {
	if err := c.unlisten(); err != nil || len(ports) == 0 {
		return err
	}
	var listeners []net.Listener
	for _, port := range ports {
		err := c.where.Do(func() error {
			tcp, err := net.Listen("tcp", netip.AddrPortFrom(c.at, port).String())
			if err == nil {
				listeners = append(listeners, c.Gateway.Listener(tcp))
			}
			return err
		})
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return fmt.Errorf("start the COM server: %w", err)
		}
	}
	c.http = c.Gateway.Server()
	c.http.ErrorLog = log.New(io.Discard, "", 0) // boxes that break a handshake off are no news here
	for _, l := range listeners {
		c.serving.Go(func() { c.http.Serve(l) })
	}
	return nil
}

// unlisten closes the ports.
func (c *COM) unlisten() error {
	if c.http == nil {
		return nil
	}
	err := c.http.Close()
	c.serving.Wait()
	c.http = nil
	return err
}

// Stop ends it, with all links. Boxes are asked to come back within spread.
func (c *COM) Stop(spread time.Duration) error {
	return errors.Join(c.unlisten(), c.Close(spread))
}
