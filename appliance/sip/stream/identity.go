package stream

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Identity is what we show and whom we trust over TLS.
type Identity struct {
	Certificate *tls.Certificate // with its chain; nil: we have none, and nobody can connect to us
	Roots       *x509.CertPool   // that certificates of peers must lead to; nil: none is trusted
}

var (
	errNoIdentity    = errors.New("TLS is not set up")
	errNoCertificate = errors.New("the peer shows no certificate")
	errNoRoots       = errors.New("no authority is trusted")
	errUsage         = errors.New("the certificate is not for SIP")
)

// identity is who a peer is by a certificate that we verified.
type identity struct {
	names []string // SIP domains and IP addresses, in lower case
}

// Peer gives the SIP domains and addresses that the peer's certificate names,
// in lower case; none if there is no certificate that we trust.
func (c *Conn) Peer() []string {
	if identity := c.identity.Load(); identity != nil {
		return identity.names
	}
	return nil
}

// startTLS does the handshake and finds out who the peer is.
func (c *Conn) startTLS() error {
	options := c.listener.options.Load()
	if options.Identity == nil {
		return errNoIdentity
	}
	own, err := options.Identity()
	if err != nil {
		return fmt.Errorf("own certificate: %w", err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Connections live long, so tickets would be written for nothing.
		SessionTicketsDisabled: true,
		// Records of a few octets save nothing where whole messages are needed.
		DynamicRecordSizingDisabled: true,
	}
	if own.Certificate != nil {
		config.Certificates = []tls.Certificate{*own.Certificate}
	}
	verify := func(state tls.ConnectionState) error {
		peer, err := identify(state.PeerCertificates, own.Roots)
		if err == nil && c.outbound {
			err = peer.speaksFor(c.domain, c.remote.Addr())
		}
		if err == nil {
			c.identity.Store(peer)
		}
		return err
	}
	if c.outbound {
		config.ServerName = c.domain     // Server Name Indication; the library leaves an address out
		config.InsecureSkipVerify = true // verify does it, by the rules of SIP and not of the web
		config.VerifyConnection = verify
		c.secure = tls.Client(c.wire, config)
	} else {
		if options.VerifyClients {
			config.ClientAuth = tls.RequireAnyClientCert
			config.VerifyConnection = verify
		}
		c.secure = tls.Server(c.wire, config)
	}
	return c.secure.Handshake()
}

// identify verifies a chain, the peer's own certificate first, and says whose
// it is. The chain must lead to one of roots, as servers' and clients' alike:
// whoever connects in SIP is a server at other times.
func identify(chain []*x509.Certificate, roots *x509.CertPool) (*identity, error) {
	switch {
	case len(chain) == 0:
		return nil, errNoCertificate
	case roots == nil:
		return nil, errNoRoots
	}
	options := x509.VerifyOptions{
		Roots:         roots,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	for _, c := range chain[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(options); err != nil {
		return nil, err
	}
	if !isForSIP(chain[0]) {
		return nil, errUsage
	}
	return &identity{names: namesOf(chain[0])}, nil
}

// sipDomainUsage is id-kp-sipDomain (RFC 5924).
var sipDomainUsage = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 20}

// isForSIP says whether the extended key usage lets SIP use the certificate:
// none is given, any, that of SIP (RFC 5924 §4) or that of TLS.
func isForSIP(c *x509.Certificate) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	for _, usage := range c.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageAny, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth:
			return true
		}
	}
	return slices.ContainsFunc(c.UnknownExtKeyUsage, sipDomainUsage.Equal)
}

// namesOf gives the SIP domains of a certificate (RFC 5922 §7.1): hosts of sip
// URIs without a user; DNS names only if there are none. Wildcards stand for
// nothing. IP addresses are for peers that are named by their address.
func namesOf(c *x509.Certificate) []string {
	var names []string
	for _, uri := range c.URIs {
		host, _, _ := strings.Cut(uri.Opaque, ";")
		if strings.EqualFold(uri.Scheme, "sip") && host != "" && !strings.Contains(uri.Opaque, "@") {
			names = append(names, strings.ToLower(host))
		}
	}
	if len(names) == 0 {
		for _, name := range c.DNSNames {
			if !strings.Contains(name, "*") {
				names = append(names, strings.ToLower(name))
			}
		}
	}
	for _, ip := range c.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, address.Unmap().String())
		}
	}
	return names
}

// speaksFor says whether the peer is domain, or what is at address if that is
// empty (RFC 5922 §7.3).
func (i *identity) speaksFor(domain string, address netip.Addr) error {
	want := strings.ToLower(domain)
	if want == "" {
		want = address.String()
	}
	if slices.Contains(i.names, want) {
		return nil
	}
	return fmt.Errorf("the certificate is for %q and not for %s", i.names, want)
}
