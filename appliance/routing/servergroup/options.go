package servergroup

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/sys/unix"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// answer is the final response to a ping.
type answer struct {
	status     int
	reason     string // its phrase
	retryAfter time.Duration
	trip       time.Duration // since the request was sent for the first time
}

// line is the way to a place, kept from ping to ping: a socket that is
// connected, so that only the element is heard, and ICMP errors are.
type line struct {
	place  hop.Place
	conn   net.Conn
	stream *sip.ParserStream // nil over UDP
	buffer [8 << 10]byte     // more than an answer to OPTIONS takes
}

// ask pings a place once and waits for the final response.
func (p *pinger) ask(ctx context.Context, place hop.Place) (answer, error) {
	deadline := time.Now().Add(p.probe.timeout)
	kept := p.line != nil && p.line.place == place
	for {
		if !kept {
			if err := p.dial(ctx, place, deadline); err != nil {
				return answer{}, err
			}
		}
		a, err := p.exchange(ctx, deadline)
		if err == nil || !place.Transport.Stream() {
			return a, err
		}
		p.hangUp()
		if !kept || isTimeout(err) {
			return a, err
		}
		kept = false // the other side closed it since the last ping: that is its right
	}
}

// Ask asks a place once whether it answers OPTIONS, from any port of an address,
// and gives the status of the final response.
func Ask(ctx context.Context, from netip.Addr, place hop.Place, limit time.Duration) (status int, err error) {
	local := netip.AddrPortFrom(from, 0)
	p := pinger{
		element: &Element{key: Key{Host: place.Address.Addr().String()}},
		probe:   probe{local4: local, local6: local, timeout: limit},
		options: &Options{Dial: Dialer{}.Dial},
	}
	defer p.hangUp()
	a, err := p.ask(ctx, place)
	return a.status, err
}

// dial opens a line to a place.
func (p *pinger) dial(ctx context.Context, place hop.Place, deadline time.Time) error {
	p.hangUp()
	local := p.probe.local4
	if place.Address.Addr().Is6() {
		local = p.probe.local6
	}
	if !local.IsValid() {
		return errNoLocal
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	conn, err := p.options.Dial(ctx, local, place, p.element.key.Network, p.element.key.Host)
	if err != nil {
		return err
	}
	p.line = &line{place: place, conn: conn}
	if place.Transport.Stream() {
		p.line.stream = sip.NewParser().NewSIPStream()
	}
	return nil
}

func (p *pinger) hangUp() {
	if p.line == nil {
		return
	}
	p.line.conn.Close()
	if p.line.stream != nil {
		p.line.stream.Close()
	}
	p.line = nil
}

// The retransmission of requests other than INVITE over UDP (RFC 3261
// §17.1.2.2).
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// exchange sends OPTIONS and reads until its final response comes.
func (p *pinger) exchange(ctx context.Context, deadline time.Time) (answer, error) {
	l := p.line
	request := newOptions(l.place, l.conn.LocalAddr(), p.element.key.Host)
	text := []byte(request.String())
	branch, _ := request.Via().Params.Get("branch")
	defer context.AfterFunc(ctx, func() { l.conn.Close() })()
	if err := l.conn.SetWriteDeadline(deadline); err != nil {
		return answer{}, err
	}
	sent := time.Now()
	for interval := t1; ; interval = min(2*interval, t2) {
		if _, err := l.conn.Write(text); err != nil {
			// Over UDP that may be the ICMP error of an earlier ping, told only now.
			if _, err = l.conn.Write(text); err != nil {
				return answer{}, err
			}
		}
		wait := deadline
		if again := time.Now().Add(interval); l.stream == nil && again.Before(deadline) {
			wait = again
		}
		if err := l.conn.SetReadDeadline(wait); err != nil {
			return answer{}, err
		}
		a, err := l.read(branch)
		a.trip = time.Since(sent)
		if err == nil || !isTimeout(err) || wait == deadline {
			return a, err
		}
	}
}

// read reads until the final response to the ping of that branch. What else
// comes is not for us.
func (l *line) read(branch string) (answer, error) {
	for {
		n, err := l.conn.Read(l.buffer[:])
		if err != nil {
			return answer{}, err
		}
		var a answer
		take := func(m sip.Message) {
			if found, ok := finalAnswer(m, branch); ok {
				a = found
			}
		}
		if l.stream == nil {
			if m, err := sip.ParseMessage(l.buffer[:n]); err == nil {
				take(m)
			}
		} else if err := l.stream.ParseSIPStream(l.buffer[:n], take); err != nil && !errors.Is(err, sip.ErrParseSipPartial) {
			return answer{}, fmt.Errorf("read the answer of %s: %w", l.place.Address, err)
		}
		if a.status != 0 {
			return a, nil
		}
	}
}

// finalAnswer is what a message says to the ping of that branch.
func finalAnswer(m sip.Message, branch string) (a answer, ok bool) {
	response, isResponse := m.(*sip.Response)
	if !isResponse || response.StatusCode < 200 || response.StatusCode > 699 || response.Via() == nil {
		return answer{}, false
	}
	if got, _ := response.Via().Params.Get("branch"); got != branch {
		return answer{}, false
	}
	a.status, a.reason = response.StatusCode, response.Reason
	if h := response.GetHeader("Retry-After"); h != nil {
		a.retryAfter = retryAfter(h.Value())
	}
	return a, true
}

// retryAfter reads the seconds of a Retry-After (RFC 3261 §20.33); a comment
// or parameters may follow.
func retryAfter(value string) time.Duration {
	digits := len(value) - len(strings.TrimLeft(value, "0123456789"))
	seconds, err := strconv.ParseUint(value[:digits], 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// newOptions makes the request of one ping: to the server itself, so without a
// user (RFC 3261 §11).
func newOptions(place hop.Place, local net.Addr, host string) *sip.Request {
	from, _ := netip.ParseAddrPort(local.String())
	to := sip.Uri{Scheme: "sip", Host: host, Port: int(place.Address.Port())}
	if place.Transport != model.UDP {
		to.UriParams = sip.HeaderParams{{K: "transport", V: place.Transport.String()}}
	}
	us := sip.Uri{Scheme: "sip", User: "ping", Host: from.Addr().String(), Port: int(from.Port())}
	callID, hops := sip.CallIDHeader(rand.Text()), sip.MaxForwardsHeader(70)
	request := sip.NewRequest(sip.OPTIONS, to)
	request.AppendHeader(&sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: place.Transport.Via(),
		Host: us.Host, Port: us.Port, Params: sip.HeaderParams{{K: "branch", V: sip.GenerateBranch()}, {K: "rport"}},
	})
	request.AppendHeader(&hops)
	request.AppendHeader(&sip.FromHeader{Address: us, Params: sip.HeaderParams{{K: "tag", V: sip.GenerateTagN(16)}}})
	request.AppendHeader(&sip.ToHeader{Address: sip.Uri{Scheme: "sip", Host: host}})
	request.AppendHeader(&callID)
	request.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	request.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	request.SetBody(nil)
	return request
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// Dialer opens the ways of pings over the network.
type Dialer struct {
	// TLS gives the configuration of connections out of a SIP network; its
	// ServerName is ours to set. nil trusts what the system does.
	TLS func(network string) *tls.Config
}

// Dial opens the way from an address of ours to a place; it is a Dial.
func (d Dialer) Dial(ctx context.Context, local netip.AddrPort, to hop.Place, network, server string) (net.Conn, error) {
	dialer := net.Dialer{Control: shareAddress, LocalAddr: net.TCPAddrFromAddrPort(local)}
	protocol := "tcp"
	if to.Transport == model.UDP {
		protocol, dialer.LocalAddr = "udp", net.UDPAddrFromAddrPort(local)
	}
	conn, err := dialer.DialContext(ctx, protocol, to.Address.String())
	if err != nil {
		return nil, err
	}
	if stream, ok := conn.(*net.TCPConn); ok {
		// A line that we close leaves nothing behind: from one port to the
		// same place, the next would have to wait for a minute.
		if err := stream.SetLinger(0); err != nil {
			conn.Close()
			return nil, err
		}
	}
	if to.Transport != model.TLS {
		return conn, nil
	}
	config := &tls.Config{}
	if d.TLS != nil {
		config = d.TLS(network).Clone()
	}
	config.ServerName = server
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// shareAddress lets the lines of all elements come from one address and port:
// each is connected to another place.
func shareAddress(_, _ string, raw syscall.RawConn) error {
	var err error
	if controlErr := raw.Control(func(fd uintptr) {
		err = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		)
	}); controlErr != nil {
		return controlErr
	}
	return err
}
