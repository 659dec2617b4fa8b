package billing

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"causeway/appliance/model"
)

// radiusTLS is who the box is towards RADIUS servers over TLS (RFC 6614 §2.3:
// both ends have certificates) and whom it trusts; nil for a client that has none.
func (p *process) radiusTLS(client model.RADIUSClient) (*tls.Config, error) {
	if !slices.ContainsFunc(client.Servers, func(s model.RADIUSServer) bool { return s.TLS }) {
		return nil, nil
	}
	file := func(name string) string { return filepath.Join(p.options.TLS, name) }
	own, err := tls.LoadX509KeyPair(file("certificate.pem"), file("key.pem"))
	if err != nil {
		return nil, fmt.Errorf("certificate for RADIUS over TLS: %w", err)
	}
	text, err := os.ReadFile(file("trust.pem"))
	if err != nil {
		return nil, fmt.Errorf("authorities for RADIUS over TLS: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("authorities for RADIUS over TLS: no certificate in %s", file("trust.pem"))
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{own}, RootCAs: trusted}, nil
}
