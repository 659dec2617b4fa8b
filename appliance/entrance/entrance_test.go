package entrance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"causeway/appliance/model"
)

// TestReconcile opens and closes ports as they are wanted and as the interfaces say.
func TestReconcile(t *testing.T) {
	var missing error
	index, there := 1, true
	e := New(Options{
		Service: "SSH",
		Ready:   func() error { return missing },
		Listen:  func(model.Port, uint16) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
	})
	e.index = func(model.Port) (int, error) {
		if !there {
			return 0, errors.New("no such interface")
		}
		return index, nil
	}
	open := map[model.Port]opened{}
	one := model.Access{Users: []model.User{{Name: "alice"}}}
	both, off := one, one
	both.SSH, off.SSH = model.SSH{LANs: []int{1, 2}, Port: 2222}, model.SSH{Off: true}
	for _, step := range []struct {
		name   string
		access model.Access
		change func()
		want   string
		fault  string
	}{
		{"a new box", model.Access{}, nil, "", ""},
		{"the first user, no key", one, func() { missing = errors.New("there is no key") }, "", "serve SSH on LAN1: there is no key"},
		{"the first user", one, func() { missing = nil }, "LAN1 22 1", ""},
		{"both ports", both, nil, "LAN1 2222 1, LAN2 2222 1", ""},
		{"another interface", one, func() { index = 7 }, "LAN1 22 7", ""},
		{"no interface", one, func() { there = false }, "", "no such interface"},
		{"off", off, func() { there = true }, "", ""},
	} {
		if step.change != nil {
			step.change()
		}
		e.Want(step.access.SSHAt, step.access.SSH.TCPPort())
		err := e.reconcile(open, func(net.Listener) {})
		if (err == nil) != (step.fault == "") || err != nil && err.Error() != step.fault {
			t.Errorf("%s: reconcile = %v; want %q", step.name, err, step.fault)
		}
		var got []string
		for lan := range model.LANCount {
			if l, is := open[model.Port{LAN: lan}]; is {
				got = append(got, fmt.Sprint(model.Port{LAN: lan}, " ", l.tcp, " ", l.index))
			}
		}
		if strings.Join(got, ", ") != step.want {
			t.Errorf("%s: listening at %q; want %q", step.name, got, step.want)
		}
	}
	for _, l := range open {
		l.Close()
	}
}

// idle is a listener that nobody comes to.
type idle struct {
	net.Listener
	closed chan struct{}
}

func (l idle) Close() error { close(l.closed); return nil }

// TestRun: a port is open from the time that it is wanted until the end, also one
// that could not be opened at first.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var serving []string
		failing, l := true, idle{closed: make(chan struct{})}
		e := New(Options{
			Service: "SSH", Log: slog.New(slog.DiscardHandler),
			Ready: func() error { return nil },
			Listen: func(p model.Port, tcp uint16) (net.Listener, error) {
				if failing {
					return nil, errors.New("address already in use")
				}
				serving = append(serving, fmt.Sprint(p, " ", tcp))
				return l, nil
			},
			Serve: func(_ context.Context, got net.Listener) { <-got.(idle).closed },
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		e.Want(func(p model.Port) bool { return p.LAN == model.LAN2 }, 22)
		synctest.Wait()
		failing = false
		e.Want(func(p model.Port) bool { return p.LAN == model.LAN2 }, 443)
		synctest.Wait()
		if fmt.Sprint(serving) != "[LAN2 443]" {
			t.Errorf("served are %q; want LAN2 443", serving)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
}

// TestSource: hosts of one IPv6 network count as one.
func TestSource(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "2001:db8::7": "2001:db8::/64", "fe80::1%lan1": "fe80::/64",
	} {
		if got := Source(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("Source(%s) = %v; want %s", address, got, want)
		}
	}
	if got := Source(netip.Addr{}); got.IsValid() {
		t.Errorf("Source of no address = %v; want none", got)
	}
}
