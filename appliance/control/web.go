package control

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/web"
)

// buildWeb makes the server of the administration pages. It asks control over its
// socket, too, as the consoles do.
func (c *control) buildWeb(image model.BuildInfo) {
	c.web = web.New(web.Options{
		Certificate: c.webCertificate,
		HostName:    func() string { return c.configuration.InForce().Config.HostName },
		Zone:        c.zone,
		Login:       c.access,
		Grammar:     c.options.Grammar,
		Commands:    c.options.Commands,
		Call:        c.ask,
		Sources:     c.webSources(),
		Files:       c.files,
		Build:       image,
		Log:         c.log,
	})
}

// webCertificate is that of the pages.
func (c *control) webCertificate() (*tls.Certificate, error) {
	own, err := c.certificates.Credentials(model.ForWeb)
	switch {
	case err != nil:
		return nil, err
	case own.Certificate == nil:
		return nil, errors.New("there is no certificate for web")
	}
	return own.Certificate, nil
}

// ask asks a process for the pages. Its error tells one that refused from one that
// is down, and names no socket: people read it.
func (c *control) ask(ctx context.Context, process, method string, params, result any) error {
	err := c.consoles.call(ctx, process, method, params, result)
	var refused *link.RemoteError
	var dial *net.OpError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return fmt.Errorf("%s refused: %w", process, err)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fmt.Errorf("%s does not run", process)
	default:
		return fmt.Errorf("%s does not answer: %w", process, err)
	}
}
