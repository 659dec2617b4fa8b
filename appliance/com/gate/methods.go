package gate

import (
	"context"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// Methods are what operators of the box call.
func (g *Gate) Methods() link.Methods {
	return link.Methods{
		"control.com.services": link.ForOperators(func(context.Context, struct{}) (Status, error) { return g.Status(), nil }),
		"control.com.sessions": link.ForOperators(func(context.Context, struct{}) (SessionsStatus, error) {
			return SessionsStatus{g.Sessions()}, nil
		}),
		"control.com.support": link.ForOperators(func(_ context.Context, r SupportRequest) (SupportStatus, error) {
			err := g.support.set(r.Duration, r.Operator)
			g.sweep()
			return g.support.status(), err
		}),
		"control.com.clear": link.ForOperators(func(_ context.Context, r ClearRequest) (c Cleared, err error) {
			why := "cleared by " + r.Operator.String()
			if r.Number > 0 {
				return Cleared{1}, g.Kill(r.Number, why)
			}
			for _, s := range g.Sessions() {
				if g.Kill(s.Number, why) == nil { // it may have ended meanwhile
					c.Sessions++
				}
			}
			return c, nil
		}),
	}
}

// Status says what COM is let do.
func (g *Gate) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	status := Status{Group: g.com.Admin(), Support: g.support.status()}
	for _, o := range g.com.Operators {
		if _, signs := g.operators[o.Name]; signs {
			status.Operators = append(status.Operators, o.Name)
		}
	}
	for _, name := range model.COMServices() {
		service := g.counts[name]
		service.Name, service.On = name, g.com.Serves(name)
		service.Support = status.Support.Left > 0 && opensSupport(name)
		status.Services = append(status.Services, service)
	}
	return status
}

// count counts what was asked of a service.
func (g *Gate) count(service string, refused bool, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	counted := g.counts[service]
	counted.Last = now
	if refused {
		counted.Refused++
	} else {
		counted.Done++
	}
	g.counts[service] = counted
}
