package control

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"causeway/appliance/clock"
	"causeway/appliance/config/change"
	"causeway/appliance/logging"
	"causeway/appliance/model"
	"causeway/appliance/routing/servergroup"
	"causeway/appliance/sip/hop"
	"causeway/appliance/update"
)

// buildUpdate makes what brings new firmware.
func (c *control) buildUpdate(image model.BuildInfo) {
	c.update = update.New(update.Options{
		Volumes: c.options.Volumes,
		Keys:    c.options.ReleaseKeys,
		Build:   image,
		State:   filepath.Join(c.options.ConfigDir, "upgrade"),
		Boot:    logging.BootID(),
		Files:   c.files,
		Init: func(ctx context.Context, method string, params, result any) error {
			return c.call(ctx, "init", method, params, result)
		},
		Look: c.lookAtHealth,
		Calls: func(ctx context.Context) (int, error) {
			var status model.ProxyStatus
			err := c.call(ctx, "proxy", "status", nil, &status)
			return status.OpenCalls, err
		},
		Drain:  func(ctx context.Context) error { return c.call(ctx, "proxy", "drain", nil, nil) },
		Now:    c.now,
		Uptime: clock.BootTime,
		Log:    c.log,
	})
}

// abandon gives up a revision that proxy or billing does not serve with. On trial
// the firmware is what is new: the revision stays, and the trial fails.
func (c *control) abandon(f change.InForce, reason error) {
	var health model.SystemHealth
	if err := c.call(context.Background(), "init", "health", nil, &health); err == nil && health.Trial {
		c.log.Error("the firmware on trial does not serve with the configuration", "revision", f.ID, "error", reason)
		return
	}
	c.configuration.Abandon(f, reason)
}

// lookAtHealth gives what says whether the firmware serves.
func (c *control) lookAtHealth(ctx context.Context) (l update.Look, err error) {
	for _, ask := range []struct {
		process, method string
		answer          any
	}{{"init", "health", &l.Health}, {"proxy", "status", &l.Proxy}, {"billing", "status", &l.Billing}} {
		if err := c.call(ctx, ask.process, ask.method, nil, ask.answer); err != nil {
			return l, fmt.Errorf("%s does not answer: %w", ask.process, err)
		}
	}
	history, err := c.configuration.History(ctx)
	if err != nil {
		return l, err
	}
	l.Saved = slices.ContainsFunc(history.Revisions, change.Revision.Stands)
	l.Config, l.Control = c.configuration.InForce().Config, c.status()
	l.SIP = answers(ctx, l.Config)
	return l, nil
}

// answers asks the proxy for an answer at each address over UDP that is on the
// box; elsewhere nobody can. Of those that are denied it has none to give.
func answers(ctx context.Context, c *model.Config) error {
	const limit = time.Second
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("list the addresses of the box: %w", err)
	}
	for _, network := range c.SIP.Networks {
		for _, listen := range network.Listens {
			own := listen.Address.Addr()
			if listen.Transport != model.UDP || !onBox(own, addresses) || slices.ContainsFunc(c.Admission.Denied, func(p netip.Prefix) bool { return p.Contains(own.Unmap()) }) {
				continue
			}
			place := hop.Place{Transport: model.UDP, Address: listen.Address}
			if _, err := servergroup.Ask(ctx, own, place, limit); err != nil {
				return fmt.Errorf("OPTIONS to %v: %w", listen.Address, err)
			}
		}
	}
	return nil
}

func onBox(a netip.Addr, addresses []net.Addr) bool {
	return slices.ContainsFunc(addresses, func(has net.Addr) bool {
		prefix, err := netip.ParsePrefix(has.String())
		return err == nil && prefix.Addr() == a.WithZone("")
	})
}
