package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// Prober sends and receives raw SIP datagrams and knows nothing of SIP but
// lines: what it sees is what was on the wire.
type Prober struct {
	conn  *net.UDPConn
	Local netip.AddrPort
	sent  atomic.Int64
}

// Probe opens a prober in the namespace. Port 0 takes a free one.
func (n *Namespace) Probe(local netip.AddrPort) (*Prober, error) {
	conn, err := n.ListenUDP(local)
	if err != nil {
		return nil, fmt.Errorf("open a prober: %w", err)
	}
	bound := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return &Prober{conn: conn, Local: netip.AddrPortFrom(local.Addr(), bound.Port())}, nil
}

// Close closes its socket.
func (p *Prober) Close() error { return p.conn.Close() }

// Message is one SIP message as text.
type Message string

// StartLine is its first line.
func (m Message) StartLine() string {
	line, _, _ := strings.Cut(string(m), "\r\n")
	return line
}

// Header gives the values of all header lines of that name, in order, spelt
// as they came. Short forms and folded lines are not understood: the box is to
// send neither.
func (m Message) Header(name string) []string {
	var values []string
	header, _, _ := strings.Cut(string(m), "\r\n\r\n")
	for _, line := range strings.Split(header, "\r\n")[1:] {
		if field, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(field), name) {
			values = append(values, strings.TrimSpace(value))
		}
	}
	return values
}

// Reply makes the answer to request m, with that status ("180 Ringing") and
// our contact. A status above 100 gets a To tag.
func (m Message) Reply(status, contact string) Message {
	var reply strings.Builder
	reply.WriteString("SIP/2.0 " + status + "\r\n")
	for _, name := range []string{"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"} {
		for _, value := range m.Header(name) {
			if name == "To" && !strings.Contains(value, "tag=") && !strings.HasPrefix(status, "100") {
				value += ";tag=lab"
			}
			reply.WriteString(name + ": " + value + "\r\n")
		}
	}
	reply.WriteString("Contact: <" + contact + ">\r\nContent-Length: 0\r\n\r\n")
	return Message(reply.String())
}

// Contact is the prober's own SIP URI.
func (p *Prober) Contact() string { return "sip:lab@" + p.Local.String() }

// Request makes a request outside of any dialog to uri. Each has a branch, a
// Call-ID and a tag of its own.
func (p *Prober) Request(method, uri string) Message {
	return makeRequest("UDP", p.Local, p.sent.Add(1), method, uri, p.Contact())
}

// makeRequest makes request number n of who is at local.
func makeRequest(transport string, local netip.AddrPort, n int64, method, uri, contact string) Message {
	id := fmt.Sprintf("%d-%d-%d", os.Getpid(), local.Port(), n)
	lines := []string{
		fmt.Sprintf("%s %s SIP/2.0", method, uri),
		fmt.Sprintf("Via: SIP/2.0/%s %s;branch=z9hG4bK-%s", transport, local, id),
		fmt.Sprintf("From: <sip:lab@%s>;tag=%s", local, id),
		fmt.Sprintf("To: <%s>", uri),
		"Call-ID: probe-" + id + "@" + local.Addr().String(),
		"CSeq: 1 " + method,
		"Contact: <" + contact + ">",
		"Max-Forwards: 70",
		"Content-Length: 0",
	}
	return Message(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// Send sends a message.
func (p *Prober) Send(message Message, to netip.AddrPort) error {
	if _, err := p.conn.WriteToUDPAddrPort([]byte(message), to); err != nil {
		return fmt.Errorf("send %q to %s: %w", message.StartLine(), to, err)
	}
	return nil
}

// Receive waits for the next message and says whom it came from.
func (p *Prober) Receive(ctx context.Context) (Message, netip.AddrPort, error) {
	buffer := make([]byte, 65536)
	for {
		p.conn.SetReadDeadline(time.Time{})
		stop := context.AfterFunc(ctx, func() { p.conn.SetReadDeadline(time.Unix(1, 0)) })
		n, from, err := p.conn.ReadFromUDPAddrPort(buffer)
		stop()
		switch {
		case err == nil:
			return Message(buffer[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
		case ctx.Err() != nil:
			return "", netip.AddrPort{}, fmt.Errorf("wait for a datagram at %s: %w", p.Local, context.Cause(ctx))
		case !errors.Is(err, os.ErrDeadlineExceeded): // of an earlier context that ended late
			return "", netip.AddrPort{}, fmt.Errorf("wait for a datagram at %s: %w", p.Local, err)
		}
	}
}

// Expect waits for the next message and fails unless its start line begins
// with start.
func (p *Prober) Expect(ctx context.Context, start string) (Message, netip.AddrPort, error) {
	message, from, err := p.Receive(ctx)
	if err == nil && !strings.HasPrefix(string(message), start) {
		err = fmt.Errorf("received %q from %s; want %q", message.StartLine(), from, start)
	}
	if err != nil {
		return "", from, fmt.Errorf("expect %q: %w", start, err)
	}
	return message, from, nil
}

// Ask sends a request and gives its final answer.
func (p *Prober) Ask(ctx context.Context, request Message, to netip.AddrPort) (Message, error) {
	if err := p.Send(request, to); err != nil {
		return "", err
	}
	for {
		answer, _, err := p.Receive(ctx)
		if err != nil {
			return "", fmt.Errorf("answer to %q: %w", request.StartLine(), err)
		}
		if strings.HasPrefix(string(answer), "SIP/2.0 ") && !strings.HasPrefix(string(answer), "SIP/2.0 1") {
			return answer, nil
		}
	}
}

// Drain throws away what has already arrived.
func (p *Prober) Drain() {
	p.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // a past one would not even look
	buffer := make([]byte, 65536)
	for {
		if _, _, err := p.conn.ReadFromUDPAddrPort(buffer); err != nil {
			return
		}
	}
}

// answerLimit is how long one OPTIONS waits for its answer before the next is
// sent.
const answerLimit = 50 * time.Millisecond

// AwaitOptions sends OPTIONS to the box until one is answered 200, and says
// when that answer came. Any other final answer counts as none yet: a box
// without a grant answers 503.
func (p *Prober) AwaitOptions(ctx context.Context, box netip.AddrPort) (time.Time, error) {
	return p.AwaitOptionsVia(ctx, box, box)
}

// AwaitOptionsVia is AwaitOptions of a box that is reached at another address
// than its own.
func (p *Prober) AwaitOptionsVia(ctx context.Context, box, via netip.AddrPort) (time.Time, error) {
	last := errors.New("no answer yet")
	for {
		request := p.Request("OPTIONS", "sip:"+box.String())
		if err := p.Send(request, via); err != nil {
			last = err // the network of a box that boots is down
		}
		attempt, cancel := context.WithTimeout(ctx, answerLimit)
		for attempt.Err() == nil {
			answer, _, err := p.Receive(attempt)
			switch {
			case err != nil:
				<-attempt.Done() // refused: the port is not open yet
			case !strings.HasPrefix(string(answer), "SIP/2.0 200 "):
				last = fmt.Errorf("answered %q", answer.StartLine())
			default:
				cancel()
				return time.Now(), nil
			}
		}
		cancel()
		if ctx.Err() != nil {
			return time.Time{}, fmt.Errorf("wait for a 200 to OPTIONS from %s: %w (%w)", box, context.Cause(ctx), last)
		}
	}
}
