package control

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"causeway/appliance/admission"
	"causeway/appliance/certificates"
	"causeway/appliance/clock"
	"causeway/appliance/com"
	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/logging"
	"causeway/appliance/model"
)

// buildCOM makes the link to COM.
func (c *control) buildCOM(image model.BuildInfo) {
	c.com = com.New(com.Options{
		Serial:       filepath.Join(c.options.Run, "init", "serial"),
		Identity:     comIdentity{c.certificates, c.options.COMRoot, c.trusted.Now},
		Gate:         c.gate,
		Lookup:       c.resolver.LookupHost,
		Now:          c.trusted.Now,
		Synchronised: c.moved.synchronised(c.clock.Synchronised),
		Uptime:       clock.BootTime,
		Hello: func() wire.Hello {
			f := c.configuration.InForce()
			return wire.Hello{
				HostName: f.Config.HostName, Firmware: image.Version, Model: "CAUSEWAY " + image.Board,
				Boot: logging.BootID(), Revision: f.Number, Alarms: c.outbox.Newest(), Time: time.Now().UTC(),
			}
		},
		Heartbeat:      c.heartbeat,
		LicenseChanged: c.subscription.Check,
		Line:           c.line.Status,
		Companions: []com.Companion{
			func(ctx context.Context, s gate.Session, p com.Peer) error {
				return c.subscription.Connected(ctx, s, p)
			},
			func(ctx context.Context, s gate.Session, p com.Peer) error { return c.outbox.Connected(ctx, s, p) },
			func(ctx context.Context, s gate.Session, p com.Peer) error { return c.line.Connected(ctx, s, p) },
			func(ctx context.Context, s gate.Session, _ com.Peer) error {
				return c.comChanges.Connected(ctx, s)
			},
			c.seeOff,
		},
		Log: c.log,
	})
}

// seeOff has the sessions of COM's operators end with the link.
func (c *control) seeOff(ctx context.Context, s gate.Session, _ com.Peer) error {
	<-ctx.Done()
	c.gate.Disconnected(s)
	return nil
}

// heartbeat tells COM how the box does. A process that does not answer is one
// that is not up.
func (c *control) heartbeat(ctx context.Context) wire.Heartbeat {
	const limit = 4 * time.Second // for all that are asked
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	h := wire.Heartbeat{Uptime: int64(clock.BootTime() / time.Second)}
	if proxy, err := ask[model.ProxyStatus](c, "proxy", "status")(ctx); err == nil {
		h.State |= wire.StateProxyUp
		h.Calls = int64(proxy.OpenCalls)
	}
	if rate, err := ask[admission.CPSStatus](c, "proxy", "cps")(ctx); err == nil {
		h.CPS, h.Limit = rate.Average, rate.Limit
		if rate.Licensed {
			h.State |= wire.StateCalls
		}
	}
	if _, err := ask[model.BillingStatus](c, "billing", "status")(ctx); err == nil {
		h.State |= wire.StateBillingUp
	}
	if slices.ContainsFunc(c.alarms.Active(), func(a model.Alarm) bool { return a.Severity == model.Critical || a.Severity == model.Major }) {
		h.State |= wire.StateAlarms
	}
	if c.gate.SupportLeft() > 0 {
		h.State |= wire.StateSupport
	}
	return h
}

// comIdentity is who the box is to COM, and whom it trusts there.
type comIdentity struct {
	store *certificates.Store
	root  string           // file of the authority that the image brings
	now   func() time.Time // that certificates are held against
}

// Certificates implements com.Identity. The ID certificate of the licence serves
// where there is one.
func (i comIdentity) Certificates() (list []com.Certificate, err error) {
	license, err := i.store.Credentials(model.ForLicense)
	if own := license.Certificate; err == nil && own != nil && i.now().Before(own.Leaf.NotAfter) {
		list = append(list, com.Certificate{Name: string(model.ForLicense), Certificate: own})
	}
	status, err := i.store.Status(model.ForCOM)
	if err != nil {
		return list, err
	}
	credentials, err := i.store.Credentials(model.ForCOM)
	if credentials.Certificate == nil {
		return list, err
	}
	name := string(model.ForCOM)
	if status.SelfSigned {
		name += ", self-signed"
	}
	return append(list, com.Certificate{Name: name, Certificate: credentials.Certificate}), nil
}

// Request implements com.Identity.
func (i comIdentity) Request(name string) ([]byte, error) {
	text, err := i.store.Request(model.ForCOM, certificates.Wanted{Subject: "CN=" + name, Names: []string{name}})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(text))
	return block.Bytes, nil
}

// Import implements com.Identity.
func (i comIdentity) Import(text []byte) error {
	_, err := i.store.Import(model.ForCOM, text)
	return err
}

// Roots implements com.Identity. The authorities that an operator has brought
// take the place of the image's.
func (i comIdentity) Roots() (roots *x509.CertPool, name string, err error) {
	if roots, err = i.store.Roots(model.ForCOM); roots != nil || err != nil {
		return roots, "authorities of com", err
	}
	found, err := imageAuthorities(i.root)
	if len(found) == 0 {
		return nil, "", err
	}
	roots = x509.NewCertPool()
	for _, root := range found {
		roots.AddCert(root)
	}
	return roots, "authority of the image", nil
}

// imageAuthorities reads the authorities that the vendor has put into the image,
// PEM as the image builder has checked it; none where there is no such file.
func imageAuthorities(file string) (authorities []*x509.Certificate, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the authorities of the image: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		authority, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the authorities of the image: %s: %w", file, err)
		}
		authorities = append(authorities, authority)
	}
	return authorities, nil
}
