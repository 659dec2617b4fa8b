package servergroup

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// The times of pings where none are configured.
const (
	defaultPingUp      = 5 * time.Second
	defaultPingDown    = 10 * time.Second
	defaultPingTimeout = 500 * time.Millisecond
)

// locateLimit is how long a ping waits for the DNS.
const locateLimit = 5 * time.Second

// placesMax is how many addresses of a host one ping tries.
const placesMax = 4

// probe is how an element is pinged. The zero value is not at all.
type probe struct {
	kind              model.PingType
	local4, local6    netip.AddrPort // where pings come from; port 0: any
	up, down, timeout time.Duration
}

func (p probe) on() bool { return p.timeout > 0 }

// pingable says whether elements of a transport are pinged.
func pingable(t model.Transport) bool { return t == model.UDP || t == model.TCP || t == model.TLS }

// probeOf is how the elements of a network are pinged: from the address of the
// network's ping options, or from its first listen address of the family that
// is needed and any port.
func probeOf(network *model.SIPNetwork, all []model.PingOptions) probe {
	var o model.PingOptions
	if i := slices.IndexFunc(all, func(o model.PingOptions) bool { return o.Network == network.Name }); i >= 0 {
		o = all[i]
	}
	p := probe{
		kind:    o.Type,
		up:      milliseconds(o.Up, defaultPingUp),
		down:    milliseconds(o.Down, defaultPingDown),
		timeout: milliseconds(o.Timeout, defaultPingTimeout),
	}
	locals := []netip.AddrPort{o.Local}
	for _, l := range network.Listens {
		locals = append(locals, netip.AddrPortFrom(l.Address.Addr(), 0))
	}
	for _, local := range locals {
		switch {
		case local.Addr().Is4() && !p.local4.IsValid():
			p.local4 = local
		case local.Addr().Is6() && !p.local6.IsValid():
			p.local6 = local
		}
	}
	return p
}

func milliseconds(n int, otherwise time.Duration) time.Duration {
	return cmp.Or(time.Duration(n)*time.Millisecond, otherwise)
}

// pingCounters are what operators see of the pings of an element.
type pingCounters struct {
	sent, answered atomic.Int64
	roundTrip      atomic.Int64 // of the last that was answered, ns
	// problem is why pings cannot be sent at all, for which the element is not
	// to blame; nil: they can.
	problem atomic.Pointer[string]
}

// pinger pings one element. Each has a goroutine of its own, so that none
// waits for another.
type pinger struct {
	element *Element
	probe   probe
	options *Options
	line    *line // to the place that was pinged last; nil: none
}

// run pings until ctx ends. The pause between two pings is up to a tenth
// shorter than configured, and the first comes at any time within one: so the
// pings of many elements spread.
func (p *pinger) run(ctx context.Context) {
	defer p.hangUp()
	pause, _ := p.pace()
	for pause = rand.N(pause); sleep(ctx, pause); pause -= rand.N(pause/10 + 1) {
		if _, due := p.pace(); due {
			p.ping(ctx)
		}
		pause, _ = p.pace()
	}
}

// pace is the pause between pings as the element is now, and whether it is
// pinged at all while it is so.
func (p *pinger) pace() (pause time.Duration, due bool) {
	isUp := p.element.Up()
	switch p.probe.kind {
	case model.PingProactive:
		return p.probe.up, isUp
	case model.PingReactive:
		return p.probe.down, !isUp
	}
	if isUp {
		return p.probe.up, true
	}
	return p.probe.down, true
}

// sleep waits, and says whether ctx has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// ping asks the element at each of its places until one answers, and tells the
// element how that went.
func (p *pinger) ping(ctx context.Context) {
	places := p.locate(ctx)
	why := pingUnlocated
	for _, place := range places[:min(len(places), placesMax)] {
		sent := time.Now()
		a, err := p.ask(ctx, place)
		switch {
		case ctx.Err() != nil:
			return
		case isOurs(err):
			problem := err.Error()
			p.element.pings.problem.Store(&problem)
			return
		}
		p.element.pings.problem.Store(nil)
		p.element.pings.sent.Add(1)
		if err == nil {
			p.element.pings.answered.Add(1)
			p.element.pings.roundTrip.Store(int64(time.Since(sent)))
			p.judge(a)
			return
		}
		why = pingUnreachable
		if isTimeout(err) {
			why = pingTimedOut
		}
	}
	if ctx.Err() == nil {
		p.element.happens(failed, why, 0)
	}
}

// judge tells the element what an answer means. Whoever answers with anything
// but 408 and 503 understands SIP, and is up.
func (p *pinger) judge(a answer) {
	switch {
	case a.status == 503 && a.retryAfter > 0:
		p.element.happens(refused, pingRetryAfter, a.retryAfter)
	case a.status == 503 || a.status == 408:
		p.element.happens(failed, pingRefused, 0)
	default:
		p.element.happens(answered, pingAnswered, 0)
	}
}

// locate gives the places of the element in the order to try them.
func (p *pinger) locate(ctx context.Context) []hop.Place {
	key := p.element.key
	if address, fixed := key.address(); fixed {
		return []hop.Place{{Transport: key.Transport, Address: address}}
	}
	return p.options.locate(ctx, key.query())
}

// locate gives the places of a host as the DNS has them, none if it does not.
func (o *Options) locate(ctx context.Context, q hop.Query) []hop.Place {
	places, known := o.Locator.Locate(q, nil)
	if known {
		return places
	}
	found := make(chan struct{})
	o.Locator.Await(q, func() { close(found) })
	limit := time.NewTimer(locateLimit)
	defer limit.Stop()
	select {
	case <-found:
		places, _ = o.Locator.Locate(q, nil)
	case <-limit.C:
	case <-ctx.Done():
	}
	return places
}

// errNoLocal is that of a network without an address of the element's family.
var errNoLocal = errors.New("the network has no address of this family to ping from")

// oursAll are errors of sockets that say nothing about the other side.
var oursAll = []error{
	errNoLocal, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EACCES, syscall.EPERM,
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
}

// isOurs says whether a ping did not leave for a reason that is not the
// element's.
func isOurs(err error) bool {
	return slices.ContainsFunc(oursAll, func(ours error) bool { return errors.Is(err, ours) })
}
