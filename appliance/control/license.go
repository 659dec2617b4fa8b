package control

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"causeway/appliance/certificates"
	"causeway/appliance/clock"
	"causeway/appliance/config"
	"causeway/appliance/license"
	"causeway/appliance/model"
)

// GrantSource says what the proxy may do: the licence agent. It is asked every
// few seconds; what it gives replaces what the proxy has when the two differ.
type GrantSource interface {
	// Grant gives the grant in force. A new one has a larger generation
	// than every one before it since boot.
	Grant() model.Grant
}

// buildLicense makes the licence agent, which says what the proxy may do.
func (c *control) buildLicense(key *config.BoxKey) {
	o := c.options
	c.license = license.New(license.Options{
		File:         filepath.Join(o.LicenseDir, "state"),
		Copy:         filepath.Join(o.ConfigDir, "license-state"),
		Key:          key.Derive("licence state"),
		Serial:       filepath.Join(o.Run, "init", "serial"),
		Clock:        c.trusted,
		Uptime:       clock.BootTime,
		Synchronised: c.clock.Synchronised,
		Identity:     licenseIdentity{c.certificates, o.LicenseRoot},
		Dial:         c.dial,
		HostName:     func() string { return c.configuration.InForce().Config.HostName },
		Files:        c.files,
		Changed:      func() { c.proxy.wake() },
		Subscription: c.subscription.Prospect,
		Journal:      license.NewLog(filepath.Join(o.Volumes, "harddisk", "log"), time.Now, clock.BootTime, o.Log),
		Log:          o.Log,
	})
	if c.proxy.grants = o.Grants; o.Grants == nil {
		c.proxy.grants = c.license
	}
}

// licenseIdentity is who the box is to the licence server.
type licenseIdentity struct {
	store *certificates.Store
	root  string // file of the image with authorities, if it has one
}

// Request implements license.Identity.
func (i licenseIdentity) Request(subject string) (der []byte, key crypto.Signer, err error) {
	text, err := i.store.Request(model.ForLicense, certificates.Wanted{Subject: "CN=" + subject, Names: []string{subject}})
	if err != nil {
		return nil, nil, err
	}
	if key, err = i.store.WaitingKey(model.ForLicense); err != nil || key == nil {
		return nil, nil, errors.Join(errors.New("the key for the licence server is gone"), err)
	}
	block, _ := pem.Decode([]byte(text))
	return block.Bytes, key, nil
}

// Import implements license.Identity.
func (i licenseIdentity) Import(text []byte) error {
	_, err := i.store.Import(model.ForLicense, text)
	return err
}

// Certificate implements license.Identity.
func (i licenseIdentity) Certificate() (*tls.Certificate, error) {
	credentials, err := i.store.Credentials(model.ForLicense)
	return credentials.Certificate, err
}

// InTPM implements license.Identity.
func (i licenseIdentity) InTPM() bool { return i.store.KeyInTPM(model.ForLicense) }

// Forget implements license.Identity.
func (i licenseIdentity) Forget() error { return i.store.Zeroize(model.ForLicense) }

// Roots implements license.Identity. The authorities that an operator has
// brought take the place of the image's.
func (i licenseIdentity) Roots() ([]*x509.Certificate, error) {
	roots, err := i.store.Authorities(model.ForLicense)
	if err != nil || len(roots) > 0 {
		return roots, err
	}
	return imageAuthorities(i.root)
}

// dial connects with a host that the box's own DNS knows, by one address after
// the other.
func (c *control) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := c.resolver.LookupHost(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	const limit = 10 * time.Second // for one address
	dialer := net.Dialer{Timeout: limit}
	for _, a := range addresses {
		connection, dialErr := dialer.DialContext(ctx, network, net.JoinHostPort(a.String(), port))
		if dialErr == nil {
			return connection, nil
		}
		err = errors.Join(err, dialErr)
	}
	return nil, err
}
