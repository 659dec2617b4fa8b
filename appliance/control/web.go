package control

import (
	"crypto/tls"
	"errors"

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
		Call:        c.consoles.call,
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
