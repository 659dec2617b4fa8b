package gateway

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/creachadair/jrpc2"

	"causeway/qemu/lab/comd/bus"
)

// TestSilence has boxes whose heartbeats stop, of those that go by what COM asks
// for and those that do not.
func TestSilence(t *testing.T) {
	for _, row := range []struct {
		name  string
		every time.Duration
		beats int
		want  time.Duration // after the last one
	}{
		{"as asked for", 30 * time.Second, 3, 90 * time.Second},
		{"more often", 10 * time.Second, 3, 90 * time.Second},
		{"seldom", 300 * time.Second, 3, 900 * time.Second},
		{"one only", 30 * time.Second, 1, 900 * time.Second},
		{"none", 30 * time.Second, 0, 900 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := New(Options{Name: "1", Bus: bus.NewLocal(), Now: time.Now, Heartbeat: 30 * time.Second})
				l := &link{gateway: g, identity: bus.Identity{Serial: "FHK1234ABcd"}}
				g.fresh[l] = struct{}{}
				if err := l.welcome(nil, nil); err != nil {
					t.Fatal(err)
				}
				beat, err := jrpc2.ParseRequests([]byte(`{"jsonrpc":"2.0","method":"hb","params":{"seq":1}}`))
				if err != nil {
					t.Fatal(err)
				}
				for range row.beats {
					time.Sleep(row.every)
					if over, _ := l.look(time.Now()); over {
						t.Fatal("the link is over while hearts beat")
					}
					if _, err := l.heartbeat(t.Context(), beat[0].ToRequest()); err != nil {
						t.Fatal(err)
					}
				}
				last := time.Now()
				for over := false; !over; over, _ = l.look(time.Now()) {
					time.Sleep(time.Second)
				}
				if got := time.Since(last); got != row.want+time.Second {
					t.Errorf("the link is over after %v; want the second after %v", got, row.want)
				}
			})
		})
	}
}
