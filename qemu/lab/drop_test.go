package lab

import (
	"net"
	"testing"
	"time"
)

// TestDropTCP: what comes to a port that is dropped gets no answer, until it is
// dropped no more.
func TestDropTCP(t *testing.T) {
	n := newLab(t).LAN1
	const at = "127.0.0.1:443"
	dial := func(limit time.Duration) error {
		return n.Do(func() error {
			conn, err := net.DialTimeout("tcp", at, limit)
			if err == nil {
				conn.Close()
			}
			return err
		})
	}
	err := n.Do(func() error {
		listener, err := net.Listen("tcp", at)
		if err == nil {
			t.Cleanup(func() { listener.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		ports   []uint16
		dropped bool
	}{{nil, false}, {[]uint16{443, 8443}, true}, {[]uint16{8443}, false}, {[]uint16{443}, true}, {nil, false}} {
		if err := n.DropTCP(step.ports...); err != nil {
			t.Fatal(err)
		}
		limit := time.Minute
		if step.dropped {
			limit = time.Second
		}
		err := dial(limit)
		if timeout, ok := err.(net.Error); (err != nil) != step.dropped || step.dropped && !(ok && timeout.Timeout()) {
			t.Errorf("with %v dropped a connection is %v; want that it is dropped %t", step.ports, err, step.dropped)
		}
	}
}
