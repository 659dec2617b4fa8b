package radius

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// current is the name of the server that is asked first.
func current(c *Client) string {
	for _, s := range c.Status().Servers {
		if s.Current {
			return s.Name
		}
	}
	return ""
}

// change runs f and says whether Changed was closed meanwhile.
func change(c *Client, f func()) bool {
	changed := c.Changed()
	f()
	select {
	case <-changed:
		return true
	default:
		return false
	}
}

// TestOrder: by priority, equals in the order of their definition.
func TestOrder(t *testing.T) {
	_, _, o := newToys(t, 4)
	for i, rank := range []int{10, 2, 0, 2} {
		o.Client.Servers[i].Priority = rank
	}
	got := New(o).Status().Servers
	for i, want := range []string{"192.0.2.3", "192.0.2.2", "192.0.2.4", "192.0.2.1"} {
		if got[i].Name != want {
			t.Errorf("server %d is %s; want %s", i, got[i].Name, want)
		}
	}
}

func TestNoServers(t *testing.T) {
	c := New(Options{})
	account(t, c, ErrDown)
	if c.Up() {
		t.Error("a client without servers is up")
	}
}

// TestFailover: the next server takes over and keeps its place; the dead one
// costs no further request its time.
func TestFailover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 3)
		servers[0].set(silence)
		servers[1].refuses = true
		c, began := start(t, o), time.Now()
		if change(c, func() { account(t, c, nil) }) {
			t.Error("the transport changed although a server answers")
		}
		if took := time.Since(began); took != 14400*time.Millisecond {
			t.Errorf("the first record took %v; want twice 7.2s", took)
		}
		servers[0].set(nil)
		began = time.Now()
		account(t, c, nil)
		if took := time.Since(began); took != 0 || current(c) != "192.0.2.3" {
			t.Errorf("the second record took %v, in use is %s; want 0s, 192.0.2.3", took, current(c))
		}
		if got := len(servers[0].requests(accounting)); got != 6 {
			t.Errorf("the first server got %d datagrams; want 6", got)
		}
	})
}

// TestDeadLast: a server that was thought dead is tried before the transport
// is given up.
func TestDeadLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 2)
		servers[0].set(silence)
		c := start(t, o)
		account(t, c, nil)
		servers[0].set(noStatusServer)
		servers[1].set(silence)
		if change(c, func() { account(t, c, nil) }) {
			t.Error("the transport changed although a server answers")
		}
		if current(c) != "192.0.2.1" {
			t.Errorf("in use is %s; want 192.0.2.1", current(c))
		}
	})
}

// TestFailBack: a better server comes back into use after an idle minute, and
// not while there is something to send.
func TestFailBack(t *testing.T) {
	for _, tt := range []struct {
		name   string
		behave func(int, []byte) [][]byte // of the first server, once it is back
		want   string
	}{
		{"answers Status-Server", acknowledge, "192.0.2.1"},
		{"knows no Status-Server", noStatusServer, "192.0.2.1"},
		{"is still dead", silence, "192.0.2.2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, servers, o := newToys(t, 2)
			servers[0].set(silence)
			c := start(t, o)
			account(t, c, nil)
			servers[0].set(tt.behave)
			for range 10 {
				time.Sleep(30 * time.Second)
				account(t, c, nil)
			}
			if current(c) != "192.0.2.2" {
				t.Errorf("%s: back in use while there was something to send", tt.name)
			}
			time.Sleep(idleTime + probeInterval)
			account(t, c, nil)
			if current(c) != tt.want {
				t.Errorf("%s: in use is %s; want %s", tt.name, current(c), tt.want)
			}
		})
	}
}

// TestDownAndUp: all servers are silent; every 10 s they are probed, with
// Status-Server if they answer it, else with a record.
func TestDownAndUp(t *testing.T) {
	for _, tt := range []struct {
		name    string
		behave  func(int, []byte) [][]byte // once it is back
		records int                        // that the server got after a minute of silence, as probes
	}{
		{"answers Status-Server", acknowledge, 6},
		{"knows no Status-Server", noStatusServer, 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, servers, o := newToys(t, 1)
			servers[0].set(silence)
			c := start(t, o)
			if !change(c, func() { account(t, c, ErrDown) }) || c.Up() {
				t.Fatal("the transport is not down")
			}
			before := len(servers[0].requests(accounting))
			began := time.Now()
			account(t, c, ErrDown)
			if took := time.Since(began); took != 0 {
				t.Errorf("a record took %v while the transport is down", took)
			}
			time.Sleep(time.Minute)
			if got := len(servers[0].requests(accounting)) - before; got != tt.records {
				t.Errorf("%s: %d probes were records; want %d", tt.name, got, tt.records)
			}
			probes := servers[0].requests(statusServer)
			if len(probes) != 6 {
				t.Fatalf("%s: %d Status-Server requests; want 6", tt.name, len(probes))
			}
			for i, p := range probes[1:] {
				if p.at.Sub(probes[i].at) != probeInterval || p.id() == probes[i].id() {
					t.Errorf("%s: probe %d after %v with identifier %d again", tt.name, i, p.at.Sub(probes[i].at), p.id())
				}
			}
			servers[0].set(tt.behave)
			if !change(c, func() { time.Sleep(probeInterval) }) || !c.Up() {
				t.Errorf("%s: the transport is not up", tt.name)
			}
			account(t, c, nil)

			// Down again: now it is known whether the server answers Status-Server.
			servers[0].set(silence)
			account(t, c, ErrDown)
			before = len(servers[0].requests(accounting))
			time.Sleep(30 * time.Second)
			want := 3
			if tt.name == "answers Status-Server" {
				want = 0
			}
			if got := len(servers[0].requests(accounting)) - before; got != want {
				t.Errorf("%s: %d of the later probes were records; want %d", tt.name, got, want)
			}
		})
	}
}

// TestStatusServerSwitchedOff: a server that answered Status-Server once and
// then is configured not to is found by a record.
func TestStatusServerSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 1)
		c := start(t, o)
		for range 2 {
			servers[0].set(silence)
			account(t, c, ErrDown)
			servers[0].set(nil)
			time.Sleep(2 * probeInterval)
			account(t, c, nil)
		}
		servers[0].set(silence)
		account(t, c, ErrDown)
		servers[0].set(noStatusServer)
		time.Sleep((maxSilentProbes + 2) * probeInterval)
		if !c.Up() {
			t.Error("the transport is not up")
		}
	})
}

// TestHollow: a server that answers Status-Server but stores nothing brings the
// transport up once, not every 10 s.
func TestHollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 1)
		servers[0].set(onlyStatusServer)
		c := start(t, o)
		account(t, c, ErrDown)
		if !change(c, func() { time.Sleep(probeInterval) }) {
			t.Error("Status-Server did not bring the transport up")
		}
		account(t, c, ErrDown)
		if change(c, func() { time.Sleep(10 * probeInterval) }) {
			t.Error("Status-Server brought the transport up again")
		}
		servers[0].set(nil)
		if !change(c, func() { time.Sleep(probeInterval) }) || !c.Up() {
			t.Error("a record as a probe did not bring the transport up")
		}
	})
}

// TestBestOfThoseThatComeBack: after an outage of all the best server is in
// use, though another one answered first.
func TestBestOfThoseThatComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 2)
		for _, s := range servers {
			s.set(silence)
		}
		c := start(t, o)
		account(t, c, ErrDown)
		servers[1].set(nil)
		servers[0].set(func(n int, q []byte) [][]byte {
			answer := acknowledge(n, q)[0]
			l := c.servers[0].list()[0]
			time.AfterFunc(time.Second, func() { l.conn.(*toySocket).in <- answer })
			return nil
		})
		<-c.Changed()
		if current(c) != "192.0.2.2" {
			t.Errorf("in use is %s; want 192.0.2.2", current(c))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if current(c) != "192.0.2.1" {
			t.Errorf("a second later in use is %s; want 192.0.2.1", current(c))
		}
	})
}

// TestOneSilentRecord: a server that never answers one record, but others, is
// not dead; the record is tried again and holds up nothing else.
func TestOneSilentRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 1)
		servers[0].set(func(n int, q []byte) [][]byte {
			if len(q) > 100 {
				return nil
			}
			return acknowledge(n, q)
		})
		c := start(t, o)
		var all sync.WaitGroup
		all.Go(func() {
			if err := c.Account(t.Context(), "session", vsa(string(make([]byte, 100)))); err != nil {
				t.Errorf("the silent record: %v", err)
			}
		})
		down := change(c, func() {
			for range 60 {
				time.Sleep(time.Second)
				account(t, c, nil)
			}
		})
		if down {
			t.Error("the transport changed")
		}
		servers[0].set(nil)
		all.Wait()
		if got := c.Status().Servers[0].Requests; got < 60+8 {
			t.Errorf("%d requests; want one in 7.2s for the silent record beside 60", got)
		}
	})
}

// TestLoss: a third of all datagrams is lost each way, for minutes; each record
// arrives and the transport stays up.
func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 2)
		const records, workers = 20_000, 100
		for _, s := range servers {
			s.set(func(n int, q []byte) [][]byte {
				if (n*7+int(q[4]))%9 < 5 { // 1-(2/3)²
					return nil
				}
				return acknowledge(n, q)
			})
		}
		c := start(t, o)
		down := change(c, func() {
			var all sync.WaitGroup
			for range workers {
				all.Go(func() {
					for range records / workers {
						account(t, c, nil)
					}
				})
			}
			all.Wait()
		})
		if down {
			t.Error("the transport changed")
		}
		if got := c.Status().Servers[0]; got.Retransmissions < records/2 || got.Pending != 0 {
			t.Errorf("%+v; want many retransmissions, nothing pending", got)
		}
	})
}
