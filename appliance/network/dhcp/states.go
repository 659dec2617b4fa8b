package dhcp

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// state is where a port is in RFC 2131 §4.4.
type state uint8

const (
	down state = iota
	selecting
	requesting
	probing
	bound
	renewing
	rebinding
	rebooting
	released
)

// states says what is done in each. The function gives the next state, which
// counts unless ctx has ended; an error means that the wire failed.
var states = [...]struct {
	name string
	do   func(*lessee, context.Context) (state, error)
}{
	down:       {"without a link", (*lessee).waitForLink},
	selecting:  {"selecting", (*lessee).discover},
	requesting: {"requesting", (*lessee).request},
	probing:    {"probing", (*lessee).probe},
	bound:      {"bound", (*lessee).rest},
	renewing:   {"renewing", (*lessee).renew},
	rebinding:  {"rebinding", (*lessee).rebind},
	rebooting:  {"rebooting", (*lessee).reboot},
	released:   {"released", (*lessee).stayReleased},
}

func (s state) String() string { return states[s].name }

// failed notes a try that came to nothing.
func (p *lessee) failed(problem string) (state, error) {
	p.report(problem)
	p.failures++
	return selecting, nil
}

// wait waits until the time, and reports whether ctx has not ended. A lease
// that expires meanwhile is dropped.
func (p *lessee) wait(ctx context.Context, until time.Duration) bool {
	if held := p.held(); held != nil && held.Expire < until {
		if !pause(ctx, held.Expire-p.now()) {
			return false
		}
		p.drop(expired)
	}
	if until == forever {
		<-ctx.Done()
		return false
	}
	return pause(ctx, until-p.now())
}

// expired is why most leases end.
const expired = "the lease expired"

func (p *lessee) waitForLink(ctx context.Context) (state, error) {
	p.wait(ctx, forever)
	return down, nil
}

func (p *lessee) stayReleased(ctx context.Context) (state, error) {
	<-ctx.Done()
	return released, nil
}

// The repetitions of RFC 2131 §4.1.
const (
	firstWait = 4 * time.Second
	lastWait  = 64 * time.Second
	waitFuzz  = 2 * time.Second // one less to one more
	tries     = 3               // of what another state follows
)

// backoff is how long the n-th message waits for its answer, and no longer
// than the lease lasts: one that has expired is dropped.
func (p *lessee) backoff(n int) time.Duration {
	wait := min(firstWait<<min(n, 8), lastWait) - waitFuzz/2 + p.client.o.jitter(waitFuzz)
	held := p.held()
	if held == nil {
		return wait
	}
	if left := held.Expire - p.now(); left > 0 {
		return min(wait, left)
	}
	p.drop(expired)
	return wait
}

// holdOff is how long the next try waits after some that came to nothing:
// servers that take back what they offer are not to make a storm (§3.1, 5).
func (p *lessee) holdOff() time.Duration {
	const first, last = 10 * time.Second, 5 * time.Minute
	if p.failures == 0 {
		return 0
	}
	return min(first<<min(p.failures-1, 8), last) + p.client.o.jitter(waitFuzz)
}

// someTries waits as long as the RFC says, and not for ever.
func (p *lessee) someTries(n int) (time.Duration, bool) { return p.backoff(n), n < tries }

// discover looks for a server. A lease that nobody verified stays in force
// meanwhile until it expires.
func (p *lessee) discover(ctx context.Context) (state, error) {
	if !p.wait(ctx, p.now()+p.holdOff()) {
		return selecting, nil
	}
	m, err := p.message(dhcpv4.MessageTypeDiscover)
	if err != nil {
		return selecting, err
	}
	wait := func(n int) (time.Duration, bool) {
		if n > 0 {
			p.report(cmp.Or(p.refusal, "no DHCP server answers"))
			p.refusal = ""
		}
		return p.backoff(n), true
	}
	found, err := p.exchange(ctx, m, netip.IPv4Unspecified(), everyone, wait, func(r Received) bool {
		return r.Message.MessageType() == dhcpv4.MessageTypeOffer && p.consider(r)
	})
	if !found {
		return selecting, err
	}
	p.discovery = m
	return requesting, nil
}

// request asks for what was offered.
func (p *lessee) request(ctx context.Context) (state, error) {
	offered := p.offer
	m, err := p.message(dhcpv4.MessageTypeRequest,
		dhcpv4.WithTransactionID(p.discovery.TransactionID), // table 5
		dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(offered.Address.Addr().AsSlice())),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(offered.Server.AsSlice())))
	if err != nil {
		return selecting, err
	}
	m.NumSeconds = p.discovery.NumSeconds // §3.1, 3: relays are to treat both alike
	verdict, err := p.ask(ctx, m, netip.IPv4Unspecified(), everyone, p.someTries, offered)
	switch {
	case err != nil || ctx.Err() != nil:
		return selecting, err
	case verdict == refused:
		return p.failed(fmt.Sprintf("the server %v takes back its offer of %v", offered.Server, offered.Address.Addr()))
	case verdict == unanswered:
		return p.failed(fmt.Sprintf("the server %v does not confirm its offer of %v", offered.Server, offered.Address.Addr()))
	}
	return probing, nil
}

// probe looks whether another host has the address (§4.4.1), then takes it.
func (p *lessee) probe(ctx context.Context) (state, error) {
	kernel, address := p.client.o.Kernel, p.offer.Address.Addr()
	holder, err := kernel.Probe(ctx, p.link, address)
	if err != nil {
		return selecting, err
	}
	problem := fmt.Sprintf("%v has the address %v that the server %v gives", holder, address, p.offer.Server)
	if holder == (MAC{}) {
		err := p.take(p.offer)
		if err == nil {
			p.failures = 0
			return bound, kernel.Announce(p.link, address)
		}
		problem = err.Error()
	}
	m, err := p.message(dhcpv4.MessageTypeDecline,
		dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(address.AsSlice())),
		dhcpv4.WithOption(dhcpv4.OptServerIdentifier(p.offer.Server.AsSlice())))
	if err == nil {
		err = p.wire.Send(m, netip.IPv4Unspecified(), everyone)
	}
	if err != nil {
		return selecting, err
	}
	if held := p.held(); held != nil && held.Address.Addr() == address {
		p.drop(problem)
	}
	return p.failed(problem)
}

// rest is quiet until T1.
func (p *lessee) rest(ctx context.Context) (state, error) {
	held := p.held()
	if held == nil {
		return selecting, nil
	}
	p.wait(ctx, held.Renew)
	p.began = p.now()
	return renewing, nil
}

// renew asks the server that gave the lease, until T2.
func (p *lessee) renew(ctx context.Context) (state, error) {
	held := p.held()
	if held == nil {
		return selecting, nil
	}
	// The way back to where the server's frames came from needs no address on
	// the interface, no route and no ARP.
	return p.extend(ctx, *held, Station{held.Server, held.Via}, held.Rebind, rebinding)
}

// rebind asks every server, until the lease expires.
func (p *lessee) rebind(ctx context.Context) (state, error) {
	held := p.held()
	if held == nil {
		return selecting, nil
	}
	p.report(cmp.Or(p.refusal, fmt.Sprintf("the server %v does not renew the lease", held.Server)))
	want := *held
	want.Server = netip.Addr{} // any
	return p.extend(ctx, want, everyone, held.Expire, selecting)
}

// extend asks for more time until the deadline, at half of what is left each
// time, but a minute apart (§4.4.5), and an hour at most: a renewal that an
// operator asks for may be long before T2.
func (p *lessee) extend(ctx context.Context, want lease, to Station, deadline time.Duration, next state) (state, error) {
	m, err := p.message(dhcpv4.MessageTypeRequest, dhcpv4.WithClientIP(want.Address.Addr().AsSlice()))
	if err != nil {
		return next, err
	}
	const shortest, longest = time.Minute, time.Hour
	wait := func(int) (time.Duration, bool) {
		left := deadline - p.now()
		return min(left, max(shortest, min(left/2, longest))), left > 0
	}
	verdict, err := p.ask(ctx, m, want.Address.Addr(), to, wait, want)
	if err != nil {
		return next, err
	}
	switch verdict {
	case granted:
		return p.confirm()
	case refused:
		p.drop("the server refuses to renew it")
		return selecting, nil
	}
	if p.now() >= want.Expire { // not if ctx has ended
		p.drop(expired)
	}
	return next, nil
}

// reboot has the lease verified on a link that may be another (§3.2). When
// nobody answers, a server is looked for, and the lease stays in force.
func (p *lessee) reboot(ctx context.Context) (state, error) {
	held := p.held()
	if held == nil {
		return selecting, nil
	}
	want := *held
	want.Server = netip.Addr{}
	m, err := p.message(dhcpv4.MessageTypeRequest, dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(want.Address.Addr().AsSlice())))
	if err != nil {
		return rebooting, err
	}
	verdict, err := p.ask(ctx, m, netip.IPv4Unspecified(), everyone, p.someTries, want)
	switch {
	case err != nil:
		return rebooting, err
	case verdict == granted:
		return p.confirm()
	case verdict == refused:
		p.drop("the server says that it is not of this network")
	}
	return selecting, nil
}

// confirm puts in force again what was extended.
func (p *lessee) confirm() (state, error) {
	if err := p.take(p.offer); err != nil {
		p.drop(err.Error())
		return selecting, nil
	}
	return bound, nil
}
