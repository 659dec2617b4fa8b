package certificates

import (
	"crypto/x509"

	"causeway/appliance/model"
)

// row is what is special about a purpose.
type row struct {
	name   model.Purpose
	shared bool // another process reads its files, so that no TPM can have the key
	oneBox bool // its identity says which box this is, and goes to no other
	// usage are the extended key usages (RFC 5280 §4.2.1.12) of which a
	// certificate that limits itself must have one.
	usage []x509.ExtKeyUsage
	// self makes what the box cannot be without; nil: it waits for the
	// operator. before is the identity that it takes the place of, or nil.
	self func(s *Store, p *purpose, before *identity) (*identity, error)
}

// What a certificate is shown as.
var (
	server = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	client = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	both   = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
)

// table has all purposes, in the order in which they are shown.
var table = []row{
	{name: model.ForSIP, shared: true, usage: both, self: (*Store).signSelf},
	{name: model.ForRADIUS, shared: true, usage: client},
	{name: model.ForSSH, oneBox: true, self: (*Store).makeHostKey},
	{name: model.ForWeb, usage: server, self: (*Store).signSelf},
	{name: model.ForCOM, oneBox: true, usage: client, self: (*Store).signSelf},
	{name: model.ForLicense, oneBox: true, usage: client},
	{name: model.ForCallHome, usage: client},
	{name: model.ForSyslog, usage: client},
	{name: model.ForFiles, usage: client},
}
