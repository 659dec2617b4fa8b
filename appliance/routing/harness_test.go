package routing

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/routing/servergroup"
	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// networks are where the tests' requests come from and go to.
const networks = `sip network lan
sip network wan
sip listen lan udp 192.168.42.1 5060
sip listen wan udp 192.168.43.1 5060
sip listen wan tcp 192.168.43.1 5060
`

// configured reads a configuration as an operator types it.
func configured(t testing.TB, text string) *model.Config {
	t.Helper()
	c, err := grammar(t).Parse(networks + text)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return c
}

// box is a router with its surroundings.
type box struct {
	*Router
	t     testing.TB
	files map[string]string
	now   time.Time
	drawn []int // what Random gives, in a circle
	draws int
}

func newBox(t testing.TB) *box {
	t.Helper()
	b := &box{t: t, files: make(map[string]string), now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), drawn: []int{0}}
	servers := servergroup.New(servergroup.Options{})
	var err error
	b.Router, err = New(Options{
		Servers: func(c *model.Config, adjacency Adjacency) (Groups, error) {
			return servers.Compile(c, servergroup.Adjacency(adjacency))
		},
		OpenFile: func(path string) (io.ReadCloser, error) {
			text, found := b.files[path]
			if !found {
				return nil, fs.ErrNotExist
			}
			return io.NopCloser(strings.NewReader(text)), nil
		},
		Now: func() time.Time { return b.now },
		Random: func(n int) int {
			b.draws++
			return b.drawn[(b.draws-1)%len(b.drawn)] % n
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// commit puts a configuration in force.
func (b *box) commit(text string) *Plan {
	b.t.Helper()
	return b.use(configured(b.t, text))
}

func (b *box) use(c *model.Config) *Plan {
	b.t.Helper()
	plan, err := b.Plan(c)
	if err != nil {
		b.t.Fatalf("Plan: %v", err)
	}
	plan.Use()
	return plan
}

// request is one that came in on a network. lines are header fields beside the
// usual ones, each with its line end.
func request(t testing.TB, p *Plan, network, from, start, lines string) *hop.Incoming {
	t.Helper()
	in := &hop.Incoming{
		Message: new(message.Message), Network: network,
		Local: netip.MustParseAddrPort("192.168.42.1:5060"), Remote: netip.MustParseAddrPort(from),
	}
	method, _, _ := strings.Cut(start, " ")
	err := in.Message.Parse(fmt.Appendf(nil, "%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK1\r\nFrom: <sip:alice@example.com>;tag=1\r\n"+
		"To: <sip:bob@example.com>\r\nCall-ID: 1@%s\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n", start, from, from, method, lines))
	if err == nil {
		in.URI, err = message.ParseURI(in.Message.Raw, in.Message.URI)
	}
	if err != nil {
		t.Fatalf("request %s: %v", start, err)
	}
	in.Adjacency = p.Adjacency(network, in.Transport, in.Remote.Addr())
	return in
}

// invite is an INVITE of a neighbour in network lan.
func invite(t testing.TB, p *Plan, uri string) *hop.Incoming {
	t.Helper()
	return request(t, p, "lan", "192.168.42.9:5060", "INVITE "+uri, "")
}

// routed is what Route decides, in a line.
func routed(p *Plan, in *hop.Incoming) string {
	var d hop.Decision
	p.Route(in, &d)
	if len(d.Targets) == 0 {
		return fmt.Sprintf("%d (%s)", d.Refusal.Status, d.Refusal.Rule)
	}
	var all []string
	for i := range d.Targets {
		t := &d.Targets[i]
		text := t.Network + " " + placeText(t)
		if t.Parallel {
			text = "& " + text
		}
		all = append(all, text)
	}
	if d.Refusal.Status != 0 {
		all = append(all, fmt.Sprintf("and %d", d.Refusal.Status))
	}
	return strings.Join(all, ", ")
}

var errDisk = errors.New("the disk is gone")
