package clock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/beevik/ntp"
)

// port is NTP's (RFC 5905 §16).
const port = 123

// maxDistance is the root distance from which on a server's time is too
// uncertain to follow: RFC 5905's MAXDIST, 1 s, and half a second more for the
// dispersion that is left after four samples.
const maxDistance = 1500 * time.Millisecond

// queryTimeout bounds one exchange with a server. What takes longer is over
// maxDistance anyway, which counts half of it.
const queryTimeout = 2 * maxDistance

// What a server may demand by a kiss code (RFC 5905 §7.4).
var (
	errDenied = errors.New("the server denies access")      // DENY, RSTR: never ask again
	errRate   = errors.New("the server is asked too often") // RATE: ask less often
)

// judge says why a response must not be followed.
func judge(r *ntp.Response) error {
	if r.IsKissOfDeath() {
		switch r.KissCode {
		case "DENY", "RSTR":
			return errDenied
		case "RATE":
			return errRate
		}
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
	response, err := queryOver(server, func(_, remote string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "udp", remote)
		if err == nil {
			stop = context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	})
	var failed *net.OpError
	if errors.As(err, &failed) {
		err = failed.Err // without the ports of this exchange
	}
	return response, err
}

func queryOver(server netip.AddrPort, dial func(local, remote string) (net.Conn, error)) (*ntp.Response, error) {
	return ntp.QueryWithOptions(server.String(), ntp.QueryOptions{
		Timeout:    queryTimeout,
		Dialer:     dial,
		Extensions: []ntp.Extension{screen{}},
	})
}

// screen refuses a packet that package ntp is not ready for: it panics on the
// exponent -128, its durations overflow from the exponent 34 on, and it takes a
// reply of version 5 and up for one whose leap indicator does not count,
// whatever was asked (octets as in RFC 5905 §7.3). No clock that can be
// followed has a precision of more than a second.
type screen struct{}

var errMalformed = errors.New("malformed reply")

func (screen) ProcessQuery(*bytes.Buffer) error { return nil }

func (screen) ProcessResponse(packet []byte) error {
	const leastExponent = 0x80 // -128: 2^-128 s
	if len(packet) < 48 {
		return fmt.Errorf("%w of %d octets", errMalformed, len(packet))
	}
	version, poll, precision := packet[0]>>3&7, packet[2], packet[3]
	if version < 3 || version > 4 || poll == leastExponent || precision == leastExponent || int8(precision) > 0 {
		return fmt.Errorf("%w: version %d, poll %#x, precision %#x", errMalformed, version, poll, precision)
	}
	return nil
}
