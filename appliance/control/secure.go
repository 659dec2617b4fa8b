package control

import (
	"crypto/tls"
	"fmt"
	"strings"

	"causeway/appliance/certificates"
	"causeway/appliance/model"
)

// syslogTLS is how control reaches a syslog server over TLS (RFC 5425).
func (c *control) syslogTLS(host string) (*tls.Config, error) {
	config, err := c.clientTLS(model.ForSyslog)
	if err != nil {
		return nil, err
	}
	config.ServerName = host
	return config, nil
}

// filesTLS is how control reaches the web servers that files are fetched from.
func (c *control) filesTLS() (*tls.Config, error) { return c.clientTLS(model.ForFiles) }

// clientTLS is how control reaches a server for a purpose: it must be who it says
// it is, by an authority that is trusted for that; the box shows a certificate if
// it has one for it.
func (c *control) clientTLS(purpose model.Purpose) (*tls.Config, error) {
	credentials, err := c.certificates.Credentials(purpose)
	if err != nil {
		return nil, err
	}
	if credentials.Roots == nil {
		return nil, fmt.Errorf("no authority is trusted for %[1]s: see crypto pki authenticate %[1]s", purpose)
	}
	config := &tls.Config{RootCAs: credentials.Roots, MinVersion: tls.VersionTLS12}
	if credentials.Certificate != nil {
		config.Certificates = []tls.Certificate{*credentials.Certificate}
	}
	return config, nil
}

// keys is where the keys of certificates are made, nil for in files.
func (c *control) keys() certificates.KeyProvider {
	if c.tpm == nil {
		return nil // an interface that holds a nil *tpm.TPM would not be
	}
	return c.tpm
}

// names are the host name and the addresses of the box, for certificates.
func (c *control) names() (list []string) {
	if name := c.configuration.InForce().Config.HostName; name != "" {
		list = append(list, name)
	}
	for _, port := range c.network.Status() {
		for address := range strings.SplitSeq(port.Address, ", ") {
			if host, _, found := strings.Cut(address, "/"); found {
				list = append(list, host)
			}
		}
	}
	return list
}
