package license

import (
	"time"

	"causeway/appliance/model"
)

// drift is how far the moment of a change may be off before the proxy is given
// a new grant: trusted time and CLOCK_BOOTTIME do not run quite alike.
const drift = 2 * time.Second

// Grant is what the licence allows the proxy, and what from when on if control
// is not there to say so. The zero value says that there is no configuration
// yet.
func (a *Agent) Grant() model.Grant {
	a.update(func(moment) {})
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.grant
}

// regrant brings the grant up to date and says whether it is another.
func (a *Agent) regrant(m moment) bool {
	if !a.applied {
		return false
	}
	p := a.prospect(m)
	uptime := a.options.Uptime()
	wanted := model.Grant{Generation: a.grant.Generation, Now: p.Now}
	if p.Changes {
		wanted.ChangesAt, wanted.Then = uptime+p.Left, p.Then
		if (wanted.ChangesAt - a.grant.ChangesAt).Abs() < drift {
			wanted.ChangesAt = a.grant.ChangesAt
		}
	}
	if wanted == a.grant {
		return false
	}
	// It grows over restarts of control, too; what the proxy keeps does not
	// outlive the boot.
	wanted.Generation = max(a.grant.Generation+1, uint64(uptime))
	a.grant = wanted
	return true
}

// prospect is what calls may do by what governs them. a.mu is held.
func (a *Agent) prospect(m moment) model.Prospect {
	switch a.config.Governor() {
	case model.SourceCOM:
		return a.subscription
	case model.SourceBoth:
		return stricter(a.licensed(m), a.subscription)
	}
	return a.licensed(m)
}

// licensed is what calls may do by this agent. a.mu is held.
func (a *Agent) licensed(m moment) model.Prospect {
	allowance := func(e effect) model.Allowance { return model.Allowance{Calls: e.calls, LimitCPS: a.config.LimitCPS()} }
	o := a.facts.outlook(a.config.Profile, m)
	p := model.Prospect{Now: allowance(o.now)}
	if o.changes {
		p.Changes, p.Left, p.Then = true, o.left, allowance(o.then)
	}
	return p
}

// stricter allows what both do: the first change of that, whichever makes it.
func stricter(x, y model.Prospect) model.Prospect {
	at := func(d time.Duration) model.Allowance {
		x, y := x.At(d), y.At(d)
		return model.Allowance{Calls: x.Calls && y.Calls, LimitCPS: min(x.LimitCPS, y.LimitCPS)}
	}
	p := model.Prospect{Now: at(0)}
	for _, d := range []time.Duration{min(x.Left, y.Left), max(x.Left, y.Left)} {
		if then := at(d); then != p.Now {
			p.Changes, p.Left, p.Then = true, d, then
			break
		}
	}
	return p
}
