package clock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/beevik/ntp"
)

// port is NTP's (RFC 5905 §16).
const port = 123

// queryTimeout bounds one exchange with a server.
const queryTimeout = 5 * time.Second

// maxDistance is the root distance from which on a server's time is too
// uncertain to follow: RFC 5905's MAXDIST, 1 s, and half a second more since
// it is judged by one sample that no clock filter has improved.
const maxDistance = 1500 * time.Millisecond

// sample is one acceptable answer.
type sample struct {
	address  netip.Addr
	response *ntp.Response
}

// ask asks every server that has not denied us and gives the answer of the
// smallest root distance, or nil and what was wrong with each.
func (c *Clock) ask(ctx context.Context, servers []string, s *state) (best *sample, problems []string) {
	samples := make([]*sample, len(servers))
	errs := make([]error, len(servers))
	var asking sync.WaitGroup
	for i, server := range servers {
		if slices.Contains(s.denied, server) {
			errs[i] = fmt.Errorf("%s does not want to be asked", server)
			continue
		}
		asking.Go(func() { samples[i], errs[i] = c.askServer(ctx, server) })
	}
	asking.Wait()
	for i, sample := range samples {
		if errors.Is(errs[i], errDenied) {
			s.denied = append(slices.Clip(s.denied), servers[i])
		}
		switch {
		case errs[i] != nil:
			problems = append(problems, errs[i].Error())
		case best == nil || sample.response.RootDistance < best.response.RootDistance:
			best = sample
		}
	}
	return best, problems
}

// askServer asks the first address of a server that gives an acceptable answer.
func (c *Clock) askServer(ctx context.Context, server string) (*sample, error) {
	addresses, err := c.options.Lookup(ctx, server)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%s has no address", server)
	for _, address := range addresses {
		var response *ntp.Response
		response, err = c.options.Query(ctx, netip.AddrPortFrom(address, port))
		if err == nil {
			err = judge(response)
		}
		if err == nil {
			return &sample{address, response}, nil
		}
		err = fmt.Errorf("%s: %w", address, err)
		if ctx.Err() != nil || errors.Is(err, errDenied) {
			break
		}
	}
	return nil, err
}

// errDenied is a server's demand not to be asked again (RFC 5905 §7.4, kiss
// codes DENY and RSTR).
var errDenied = errors.New("the server denies access")

// judge says why a response must not be followed.
func judge(r *ntp.Response) error {
	if r.IsKissOfDeath() && (r.KissCode == "DENY" || r.KissCode == "RSTR") {
		return errDenied
	}
	if err := r.Validate(); err != nil {
		return err
	}
	if r.RootDistance > maxDistance {
		return fmt.Errorf("root distance %s is over %s", r.RootDistance.Round(time.Millisecond), maxDistance)
	}
	return nil
}

// Query is one exchange with an NTP server. It ends with ctx.
func Query(ctx context.Context, server netip.AddrPort) (*ntp.Response, error) {
	stop := func() bool { return false }
	defer func() { stop() }()
	return queryOver(server, func(_, remote string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "udp", remote)
		if err == nil {
			stop = context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	})
}

func queryOver(server netip.AddrPort, dial func(local, remote string) (net.Conn, error)) (*ntp.Response, error) {
	return ntp.QueryWithOptions(server.String(), ntp.QueryOptions{
		Timeout:    queryTimeout,
		Dialer:     dial,
		Extensions: []ntp.Extension{screen{}},
	})
}

// screen refuses a packet that package ntp is not ready for: it panics on the
// exponent -128, and takes a reply of version 5 and up for one whose leap
// indicator does not count, whatever was asked (octets as in RFC 5905 §7.3).
type screen struct{}

var errMalformed = errors.New("malformed reply")

func (screen) ProcessQuery(*bytes.Buffer) error { return nil }

func (screen) ProcessResponse(packet []byte) error {
	const leastExponent = 0x80 // -128: 2^-128 s
	if len(packet) < 48 {
		return fmt.Errorf("%w of %d octets", errMalformed, len(packet))
	}
	version, poll, precision := packet[0]>>3&7, packet[2], packet[3]
	if version < 3 || version > 4 || poll == leastExponent || precision == leastExponent {
		return fmt.Errorf("%w: version %d, poll %#x, precision %#x", errMalformed, version, poll, precision)
	}
	return nil
}
