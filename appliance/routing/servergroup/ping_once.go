package servergroup

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// reasonMost is how much of a reason phrase an operator is told, in octets.
const reasonMost = 128

// pingOnce sends one OPTIONS to whatever host an operator names, from the address
// that the kernel chooses for the way there. It changes the state of no element.
// The error says that the question is wrong.
func (r *Registry) pingOnce(ctx context.Context, ping model.SIPPing) (told model.SIPPingAnswer, err error) {
	if _, err := (config.Host{}).Parse(ping.Host); err != nil {
		return told, err
	}
	if ping.Port < 0 || ping.Port > 65535 {
		return told, fmt.Errorf("%d is no port", ping.Port)
	}
	query := hop.Query{Host: ping.Host, Port: uint16(ping.Port), Fixed: ping.Transport != ""}
	if query.Fixed {
		var known bool
		if query.Transport, known = model.ParseTransport(ping.Transport); !known || !pingable(query.Transport) {
			return told, fmt.Errorf("%s is no transport that pings go over", ping.Transport)
		}
	}
	places := r.options.locate(ctx, query)
	if len(places) == 0 {
		told.Problem = fmt.Sprintf("%s was not found (show sip dns)", ping.Host)
		return told, nil
	}
	place := places[0]
	told.Place = fmt.Sprintf("%v %v", place.Transport, place.Address)
	if ip := place.Address.Addr().Unmap(); !r.options.hostToo && (ip.IsLoopback() || ip.IsUnspecified() || ip.IsMulticast()) {
		told.Problem = "no SIP server can be there" // services of the box itself are
		return told, nil
	}
	p := pinger{
		element: &Element{key: Key{Host: ping.Host}},
		probe: probe{local4: netip.AddrPortFrom(netip.IPv4Unspecified(), 0), local6: netip.AddrPortFrom(netip.IPv6Unspecified(), 0),
			timeout: cmp.Or(r.options.patience, model.SIPPingPatience)},
		options: &r.options,
	}
	defer p.hangUp()
	a, err := p.ask(ctx, place)
	if err != nil {
		told.Problem = problemText(err)
		return told, nil
	}
	told.Status, told.Reason, told.Trip = a.status, a.reason[:min(len(a.reason), reasonMost)], a.trip
	return told, nil
}

// problemText is why no answer came, without what names system calls.
func problemText(err error) string {
	var reason syscall.Errno
	var certificate *tls.CertificateVerificationError
	switch {
	case isTimeout(err):
		return "no answer"
	case errors.As(err, &reason):
		return reason.Error()
	case errors.As(err, &certificate):
		return "its certificate is not trusted: " + certificate.Err.Error()
	}
	return err.Error()
}
