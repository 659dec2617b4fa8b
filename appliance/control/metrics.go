package control

import (
	"context"
	"time"

	"causeway/appliance/admission"
	"causeway/appliance/com"
	"causeway/appliance/license"
	"causeway/appliance/metrics"
	"causeway/appliance/model"
	"causeway/appliance/routing/servergroup"
)

// sources are what scrapers of the metrics learn, asked of the processes.
func (c *control) sources() metrics.Sources {
	return metrics.Sources{
		Proxy:       ask[model.ProxyStatus](c, "proxy", "status"),
		Billing:     ask[model.BillingStatus](c, "billing", "status"),
		System:      ask[model.SystemHealth](c, "init", "health"),
		CallRate:    c.callRate,
		License:     c.licence,
		COM:         c.comMetrics,
		CallHome:    func(context.Context) (model.CallHomeStatus, error) { return c.callhome.Status(), nil },
		Elements:    c.elements,
		Connections: ask[[]model.SIPConnection](c, "proxy", "connections"),
	}
}

// callRate asks the proxy how many calls come.
func (c *control) callRate(ctx context.Context) (metrics.CallRate, error) {
	status, err := ask[admission.CPSStatus](c, "proxy", "cps")(ctx)
	return metrics.CallRate{Average: status.Average, Limit: float64(status.Limit), Rejecting: status.Rejecting}, err
}

// licence says how the box stands with its licence.
func (c *control) licence(context.Context) (metrics.License, error) {
	s := c.license.Status()
	return metrics.License{
		State: s.State.String(), Calls: s.Calls, Limit: float64(s.LimitCPS),
		Left: licenceLeft(s), IDLeft: max(s.Registration.Expires.Sub(s.Now), 0),
	}, nil
}

// licenceLeft is how long the evaluation, or the authorization, goes on.
func licenceLeft(s license.Status) time.Duration {
	if s.Evaluation.Running {
		return max(s.Evaluation.Left, 0)
	}
	return max(s.Authorization.Deadline.Sub(s.Now), 0)
}

// comMetrics says how the link to COM stands.
func (c *control) comMetrics(context.Context) (metrics.COM, error) {
	link, subscription, outbox := c.com.Status(), c.subscription.Status(), c.outbox.Status()
	left := model.COMGrace
	if subscription.Grace.Running {
		left = max(subscription.Grace.Left, 0)
	}
	return metrics.COM{
		Connected: link.State == com.Connected, GraceLeft: left, Sessions: len(c.gate.Sessions()), RoundTrip: link.Line.RoundTrip,
		OutboxEntries: outbox.Entries, OutboxOctets: outbox.Octets,
	}, nil
}

// elements asks the proxy for the elements of all server groups.
func (c *control) elements(ctx context.Context) (list []metrics.Element, err error) {
	groups, err := ask[[]servergroup.GroupStatus](c, "proxy", "server-groups")(ctx)
	for _, group := range groups {
		for _, e := range group.Elements {
			list = append(list, metrics.Element{Network: group.Network, Group: group.Name, Element: e.Element, Up: e.State == "up"})
		}
	}
	return list, err
}
