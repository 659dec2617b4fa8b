package control

import (
	"context"

	"causeway/appliance/admission"
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
		Elements:    c.elements,
		Connections: ask[[]model.SIPConnection](c, "proxy", "connections"),
	}
}

// callRate asks the proxy how many calls come.
func (c *control) callRate(ctx context.Context) (metrics.CallRate, error) {
	status, err := ask[admission.CPSStatus](c, "proxy", "cps")(ctx)
	return metrics.CallRate{Average: status.Average, Limit: float64(status.Limit), Rejecting: status.Rejecting}, err
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
