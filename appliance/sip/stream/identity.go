package stream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// Identity is what we show and whom we trust over TLS.
type Identity struct {
	Certificate *tls.Certificate // with its chain; nil: none, then only servers without VerifyClients take us and nobody can connect to us
	Roots       *x509.CertPool   // that certificates of peers must lead to
}

// identity is who a peer is by a certificate that we verified.
type identity struct {
	names []string // SIP domains and addresses, in lower case
}

func (c *Conn) startTLS() error       { return errors.ErrUnsupported }
func (c *Conn) startWebSocket() error { return errors.ErrUnsupported }
func (c *Conn) readWebSocket() error  { return errors.ErrUnsupported }
