package proxy

import (
	"crypto/tls"
	"crypto/x509"

	"causeway/appliance/certificates"
	"causeway/appliance/sip/stream"
)

// identity is who the box is over TLS and whom it trusts, as control keeps it
// now: it is asked for at every handshake, so that a new certificate needs no
// restart.
type identity struct{ *certificates.Reader }

func (i identity) load() (stream.Identity, error) {
	found, err := i.Load()
	return stream.Identity(found), err
}

// client is the configuration of connections that we open to try a server.
func (i identity) client(string) *tls.Config {
	found, err := i.Load()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: found.Roots}
	if err != nil || found.Roots == nil {
		config.RootCAs = x509.NewCertPool() // nobody
	}
	if found.Certificate != nil {
		config.Certificates = []tls.Certificate{*found.Certificate}
	}
	return config
}
