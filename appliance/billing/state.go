package billing

import (
	"context"
	"maps"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// methods are what the other processes may ask.
func (p *process) methods() link.Methods {
	methods := p.revision.Methods()
	maps.Copy(methods, p.options.Debug)
	methods["billing.status"] = func(context.Context) (model.BillingStatus, error) { return p.report(), nil }
	return methods
}

func (p *process) report() model.BillingStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return model.BillingStatus{
		Revision:  p.revision.ID(),
		OpenCalls: len(p.calls),
		Journal:   p.status,
		Counters:  maps.Clone(p.counters),
	}
}
