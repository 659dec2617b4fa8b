package network

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"

	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
)

// ports are two of which one is not there.
var ports = model.ControlStatus{Interfaces: []model.InterfaceStatus{
	{LAN: "LAN1", MAC: "00:00:5e:00:53:01", Link: "up", Address: "192.168.42.1/24, 2001:db8:42::1/64"},
	{LAN: "LAN1.100", MAC: "00:00:5e:00:53:01", Link: "up", Address: "192.168.100.7/24", DHCP: true},
	{LAN: "LAN1.200", MAC: "00:00:5e:00:53:01", Shutdown: true},
	{LAN: "LAN2", Link: "missing", Problem: "no NIC for LAN2"},
}}

// transcript types the lines and gives each with what it printed.
func transcript(ctx context.Context, t *testing.T, o observer, s *exectest.Session, lines ...string) string {
	t.Helper()
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "# %s\n%s", line, s.Type(ctx, t, o.commands(), line))
	}
	return text.String()
}

func TestShowInterfaces(t *testing.T) {
	sys := fstest.MapFS{}
	for name, text := range map[string]string{
		"mtu": "1500\n", "speed": "1000\n", "duplex": "full\n", "carrier_changes": "3\n",
		"statistics/rx_packets": "120\n", "statistics/tx_packets": "80\n", "statistics/rx_bytes": "9000000000000\n",
		"statistics/tx_bytes": "6000\n", "statistics/rx_errors": "0\n", "statistics/tx_errors": "0\n",
		"statistics/rx_dropped": "2\n", "statistics/tx_dropped": "0\n",
	} {
		sys["sys/class/net/lan1/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	o := observer{files: sys}
	s := exectest.Session{Answers: map[string]any{"control.status": ports}}
	got := transcript(t.Context(), t, o, &s, "show interfaces", "show interfaces lan2", "show interfaces lan1.100", "show interfaces lan2.9")
	sys["sys/class/net/lan1/speed"].Data = []byte("-1\n") // a virtual NIC
	delete(sys, "sys/class/net/lan1/duplex")
	got += transcript(t.Context(), t, o, &s, "sh int LAN1")
	s.Answers = nil
	got += transcript(t.Context(), t, o, &s, "show interfaces", "show interfaces lan2")
	exectest.Golden(t, "show-interfaces", got)
}

// TestPing types pings of hosts of which .1 answers, .2 every third time, and
// .4 until the route to it is gone.
func TestPing(t *testing.T) {
	var asked []echoRequest
	o := observer{echo: func(ctx context.Context, r echoRequest) (time.Duration, error) {
		asked = append(asked, r)
		switch host := r.target.As16(); {
		case host[15] == 3, host[15] == 4 && len(asked) == 3:
			return 0, &net.OpError{Op: "write", Err: os.NewSyscallError("sendmsg", unix.ENETUNREACH)}
		case host[15] == 1, host[15] == 4, len(asked)%3 == 0:
			return time.Duration(len(asked)) * 250 * time.Microsecond, nil
		}
		return 0, errNoEcho
	}}
	s := exectest.Session{Answers: map[string]any{
		"control.status": ports,
		"control.resolve": func(params string) (any, error) {
			if params != `{"name":"www.example.com"}` {
				return nil, errors.New("look up: no such host")
			}
			return map[string]any{"addresses": []string{"192.0.2.1", "2001:db8::1"}}, nil
		},
	}}
	var got strings.Builder
	for _, line := range []string{
		"ping 192.0.2.1", "ping 192.0.2.2 repeat 4 size 1500 timeout 7", "ping www.example.com source LAN1",
		"ping www.example.com source 2001:db8:42::9", "ping 192.0.2.1 repeat 141", "ping 192.0.2.3", "ping 192.0.2.4",
		"ping none.example.com", "ping 192.0.2.1 source LAN2", "ping 192.0.2.1 source 2001:db8::7",
	} {
		asked = nil
		got.WriteString(transcript(t.Context(), t, o, &s, line))
		if len(asked) > 0 {
			r := asked[0]
			fmt.Fprintf(&got, "(%d from %v to %v, %d octets, %v)\n", len(asked), r.source, r.target, r.size, r.timeout)
		}
	}
	exectest.Golden(t, "ping", got.String())
}

// TestCtrlC ends commands that would go on for long.
func TestCtrlC(t *testing.T) {
	var cancel context.CancelFunc
	var sent int
	wait := func(ctx context.Context) error {
		if sent++; sent == 3 {
			cancel()
		}
		return ctx.Err()
	}
	o := observer{
		echo: func(ctx context.Context, _ echoRequest) (time.Duration, error) { return time.Millisecond, wait(ctx) },
		probe: func(ctx context.Context, _ probeRequest) (hop, error) {
			return hop{address: netip.MustParseAddr("192.0.2.9")}, wait(ctx)
		},
	}
	for line, want := range map[string]string{
		"ping 192.0.2.1 repeat 1000000": "Sending 1000000, 100-octet ICMP echoes to 192.0.2.1, timeout is 2 seconds:\n" +
			"!!\nSuccess rate is 100 percent (2/2), round-trip min/avg/max = 1.0/1.0/1.0 ms\n",
		"traceroute 192.0.2.1": "Tracing the route to 192.0.2.1, at most 30 hops\n  1 192.0.2.9 0.0 ms 0.0 ms\n",
	} {
		var ctx context.Context
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		sent = 0
		var s exectest.Session
		if got := s.Type(ctx, t, o.commands(), line); got != want {
			t.Errorf("%s that Ctrl-C ended printed\n%s\nwant\n%s", line, got, want)
		}
	}
}

// TestEnough quits the pager while commands go on.
func TestEnough(t *testing.T) {
	sent := 0
	o := observer{
		echo:  func(context.Context, echoRequest) (time.Duration, error) { sent++; return time.Millisecond, nil },
		probe: func(context.Context, probeRequest) (hop, error) { sent++; return hop{}, errNoHop },
	}
	for _, line := range []string{"ping 192.0.2.1 repeat 1000000", "traceroute 192.0.2.1"} {
		s := exectest.Session{Enough: 10}
		sent = 0
		s.Type(t.Context(), t, o.commands(), line)
		if sent < 5 || sent > 12 {
			t.Errorf("%s sent %d packets before the operator had seen ten pieces of it, and after; want it to end then", line, sent)
		}
	}
}

// TestTraceroute types it with a way of three routers, of which the second is
// silent and the third is two.
func TestTraceroute(t *testing.T) {
	var end hop
	o := observer{probe: func(_ context.Context, r probeRequest) (hop, error) {
		if r.source.IsValid() && r.source != netip.MustParseAddr("192.168.42.1") {
			return hop{}, io.ErrUnexpectedEOF
		}
		n := (int(r.port) - firstPort) % probesAHop
		switch {
		case int(r.port) != firstPort+probesAHop*(r.ttl-1)+n:
			return hop{}, fmt.Errorf("port %d for hop %d", r.port, r.ttl)
		case r.ttl == 1:
			return hop{address: netip.MustParseAddr("192.168.42.254"), took: 400 * time.Microsecond}, nil
		case r.ttl == 3:
			return hop{address: netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + n/2)}), took: 12 * time.Millisecond}, nil
		case r.ttl == 4 && end.address.IsValid():
			return end, nil
		}
		return hop{}, errNoHop
	}}
	s := exectest.Session{Answers: map[string]any{
		"control.status":  ports,
		"control.resolve": map[string]any{"addresses": []string{"192.0.2.1"}},
	}}
	end = hop{address: netip.MustParseAddr("192.0.2.1"), took: 20 * time.Millisecond, arrived: true}
	got := transcript(t.Context(), t, o, &s, "traceroute www.example.com source LAN1", "traceroute 192.0.2.1 source 192.168.43.1")
	end = hop{address: netip.MustParseAddr("198.51.100.1"), mark: " !N"}
	got += transcript(t.Context(), t, o, &s, "traceroute 192.0.2.1")
	end = hop{}
	got += transcript(t.Context(), t, o, &s, "traceroute 192.0.2.1")
	exectest.Golden(t, "traceroute", got)
}

func TestSource(t *testing.T) {
	for word, want := range map[string]any{
		"lan1": "LAN1", "LAN2": "LAN2", "192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1",
		"lan1.100": "LAN1.100", "lan1.5000": nil, "lan3": nil, "lan": nil, "": nil, "192.0.2": nil,
	} {
		if got, err := (source{}).Parse(word); got != want || (err == nil) != (want != nil) {
			t.Errorf("Parse(%q) = %v, %v; want %v", word, got, err, want)
		}
	}
}
