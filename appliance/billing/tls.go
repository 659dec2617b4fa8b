package billing

import (
	"crypto/tls"
	"errors"
	"fmt"

	"causeway/appliance/certificates"
)

// radiusTLS gives who the box is towards RADIUS servers over TLS (RFC 6614 §2.3:
// both ends have certificates) and whom it trusts, as control keeps it now.
func radiusTLS(files *certificates.Reader) func() (*tls.Config, error) {
	return func() (*tls.Config, error) {
		found, err := files.Load()
		switch {
		case err != nil:
			return nil, fmt.Errorf("certificate for RADIUS over TLS: %w", err)
		case found.Certificate == nil:
			return nil, errors.New("there is no certificate for RADIUS over TLS: see crypto pki enroll")
		case found.Roots == nil:
			return nil, errors.New("no authority is trusted for RADIUS over TLS: see crypto pki authenticate")
		}
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*found.Certificate}, RootCAs: found.Roots}, nil
	}
}
