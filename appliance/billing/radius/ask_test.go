package radius

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"layeh.com/radius"

	"causeway/appliance/model"
)

const accounting, statusServer = radius.CodeAccountingRequest, radius.CodeStatusServer

// TestRetransmission: all tries of a request are the same octets from the same
// port, an interval apart; an answer to any of them will do.
func TestRetransmission(t *testing.T) {
	for _, tt := range []struct {
		name     string
		client   model.RADIUSClient // its knobs
		answers  int                // the try that is answered, from 0; -1: none
		want     error
		after    time.Duration
		received int
	}{
		{"first try", model.RADIUSClient{}, 0, nil, 0, 1},
		{"third try", model.RADIUSClient{}, 2, nil, 2400 * time.Millisecond, 3},
		{"no try", model.RADIUSClient{}, -1, ErrDown, 7200 * time.Millisecond, 6},
		{"retry-limit 0", model.RADIUSClient{Tries: 1}, -1, ErrDown, 1200 * time.Millisecond, 1},
		{"retry-interval 10", model.RADIUSClient{Interval: 10, Tries: 10}, -1, ErrDown, 100 * time.Millisecond, 10},
	} {
		synctest.Test(t, func(t *testing.T) {
			_, servers, o := newToys(t, 1)
			o.Client.Interval, o.Client.Tries = tt.client.Interval, tt.client.Tries
			servers[0].set(func(n int, q []byte) [][]byte {
				if n == tt.answers {
					return acknowledge(n, q)
				}
				return nil
			})
			c, began := start(t, o), time.Now()
			account(t, c, tt.want)
			if after := time.Since(began); after != tt.after {
				t.Errorf("%s: took %v; want %v", tt.name, after, tt.after)
			}
			got := servers[0].requests(accounting)
			if len(got) != tt.received {
				t.Fatalf("%s: %d datagrams; want %d", tt.name, len(got), tt.received)
			}
			for n, d := range got {
				if d.socket != got[0].socket || !bytes.Equal(d.octets, got[0].octets) {
					t.Errorf("%s: try %d differs from the first", tt.name, n)
				}
				if at := time.Duration(n) * c.interval; d.at.Sub(began) != at {
					t.Errorf("%s: try %d after %v; want %v", tt.name, n, d.at.Sub(began), at)
				}
			}
			s := c.Status().Servers[0]
			if s.Requests != 1 || s.Retransmissions != int64(tt.received-1) {
				t.Errorf("%s: counters %+v", tt.name, s)
			}
		})
	}
}

// TestAnswers: whatever comes before, after or twice, the right answer settles
// the request, and only that.
func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		synctest.Test(t, func(t *testing.T) {
			_, servers, o := newToys(t, 1)
			servers[0].set(func(n int, q []byte) [][]byte {
				right := acknowledge(n, q)[0]
				if n > 0 {
					return [][]byte{right, right}
				}
				return [][]byte{tt.make(bytes.Clone(q))}
			})
			c, began := start(t, o), time.Now()
			account(t, c, nil)
			synctest.Wait()
			after := time.Duration(0)
			if tt.want != nil {
				after = 1200 * time.Millisecond // with the second try
			}
			if took := time.Since(began); took != after {
				t.Errorf("%s: took %v; want %v", tt.name, took, after)
			}
			s := c.Status().Servers[0]
			if dropped := s.Dropped > 0; dropped != (tt.want != nil) {
				t.Errorf("%s: dropped = %d", tt.name, s.Dropped)
			}
			if s.Problem != "" {
				t.Errorf("%s: problem %q after an acknowledgement", tt.name, s.Problem)
			}
		})
	}
}

// TestWrongKey: our key is not the server's. Its answers are no answers, and
// the operator is told why.
func TestWrongKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 1)
		servers[0].set(func(_ int, q []byte) [][]byte {
			return [][]byte{response(q, radius.CodeAccountingResponse, "other")}
		})
		c := start(t, o)
		account(t, c, ErrDown)
		s := c.Status().Servers[0]
		if s.BadAuthenticators != 6 || s.Responses != 6 || s.Up || !strings.Contains(s.Problem, "key") {
			t.Errorf("%+v; want 6 bad authenticators of 6 responses, down for the key", s)
		}
	})
}

// TestReordered: answers in another order than the requests, and late ones.
func TestReordered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 1)
		var held [][]byte
		servers[0].set(func(n int, q []byte) [][]byte {
			if held = append([][]byte{acknowledge(n, q)[0]}, held...); len(held) < 100 {
				return nil
			}
			return held
		})
		c := start(t, o)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { account(t, c, nil) })
		}
		all.Wait()
		if got := c.Status().Servers[0]; got.Responses != 100 || got.Dropped != 0 || got.Retransmissions != 0 {
			t.Errorf("counters %+v; want 100 responses, nothing else", got)
		}
	})
}

// TestRefused: an ICMP error ends no try early, and does not eat the next.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 1)
		servers[0].refuses = true
		c, began := start(t, o), time.Now()
		account(t, c, ErrDown)
		if took := time.Since(began); took != 7200*time.Millisecond {
			t.Errorf("took %v; want 7.2s", took)
		}
		if s := c.Status().Servers[0]; s.Problem != "connection refused" {
			t.Errorf("problem %q; want connection refused", s.Problem)
		}
	})
}

// TestNoRoute: a socket that cannot be opened is a failed try as well, and is
// opened as soon as it can be.
func TestNoRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, servers, o := newToys(t, 1)
		delete(network.servers, servers[0].address)
		c, began := start(t, o), time.Now()
		time.AfterFunc(2*time.Second, func() {
			network.mu.Lock()
			defer network.mu.Unlock()
			network.servers[servers[0].address] = servers[0]
		})
		account(t, c, nil)
		if took := time.Since(began); took != 2400*time.Millisecond {
			t.Errorf("took %v; want 2.4s", took)
		}
	})
}

// TestConcurrent: "concurrent-requests" are under way and no more, each with an
// identifier of its own among those of its socket.
func TestConcurrent(t *testing.T) {
	for _, limit := range []int{1, 250, 4000} {
		synctest.Test(t, func(t *testing.T) {
			network, servers, o := newToys(t, 1)
			o.Client.Concurrent = limit
			type key struct {
				socket int
				id     byte
			}
			open := map[key]bool{}
			most := 0
			var mu sync.Mutex
			c := start(t, o)
			servers[0].set(func(n int, q []byte) [][]byte {
				d := servers[0].got[n]
				k := key{d.socket, d.id()}
				mu.Lock()
				defer mu.Unlock()
				if open[k] {
					t.Errorf("socket %d, identifier %d: taken twice", k.socket, k.id)
				}
				open[k] = true
				most = max(most, len(open))
				answer := acknowledge(n, q)[0]
				l := c.servers[0].list()[d.socket-1]
				time.AfterFunc(time.Second, func() {
					mu.Lock()
					delete(open, k)
					mu.Unlock()
					l.conn.(*toySocket).in <- answer
				})
				return nil
			})
			began := time.Now()
			var all sync.WaitGroup
			for range 2 * limit {
				all.Go(func() { account(t, c, nil) })
			}
			all.Wait()
			if most != limit {
				t.Errorf("limit %d: %d under way", limit, most)
			}
			if want := (limit + identifiers - 1) / identifiers; network.sockets != want {
				t.Errorf("limit %d: %d sockets; want %d", limit, network.sockets, want)
			}
			if took := time.Since(began); took != 2*time.Second {
				t.Errorf("limit %d: took %v; want 2s", limit, took)
			}
		})
	}
}

// TestHoldOff: the identifier of a request that was given up is not taken
// again for some time.
func TestHoldOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network, servers, o := newToys(t, 1)
		o.Client.Concurrent, o.Client.Tries = identifiers, 1
		c := start(t, o)
		servers[0].set(func(n int, q []byte) [][]byte {
			if n == 0 {
				return acknowledge(n, q) // so the server is not dead
			}
			return nil
		})
		give := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var all sync.WaitGroup
			for range identifiers {
				all.Go(func() { c.Account(ctx, "session", vsa("record")) })
			}
			all.Wait()
		}
		give()
		servers[0].set(nil)
		account(t, c, nil) // the one that was answered
		account(t, c, nil)
		if network.sockets != 1 {
			t.Errorf("%d sockets; want 1: one identifier is free", network.sockets)
		}
		servers[0].set(silence)
		give()
		if network.sockets != 2 {
			t.Errorf("%d sockets; want 2: the identifiers of the first rest", network.sockets)
		}
		servers[0].set(nil)
		time.Sleep(holdOff)
		before := len(servers[0].requests(accounting))
		give()
		for _, d := range servers[0].requests(accounting)[before:] {
			if d.socket != 1 {
				t.Fatal("the identifiers of the first socket still rest")
			}
		}
	})
}

// TestLate: an answer that comes after the last try is dropped.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 1)
		o.Client.Tries = 1
		servers[0].set(silence)
		c := start(t, o)
		account(t, c, ErrDown)
		s := c.servers[0]
		l := s.list()[0]
		l.conn.(*toySocket).in <- acknowledge(0, servers[0].requests(accounting)[0].octets)[0]
		synctest.Wait()
		if got := s.dropped.Load(); got != 1 {
			t.Errorf("dropped = %d; want 1", got)
		}
	})
}

// TestGiveUp: a caller that gives up, or a client that ends, ends the call.
func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, servers, o := newToys(t, 1)
		servers[0].set(silence)
		c := New(o)
		life, end := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { c.Run(life) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Account(ctx, "s", vsa("v")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Account() = %v; want %v", err, context.DeadlineExceeded)
		}
		all.Go(func() {
			if err := c.Account(t.Context(), "s", vsa("v")); !errors.Is(err, ErrClosed) {
				t.Errorf("Account() = %v; want %v", err, ErrClosed)
			}
		})
		time.Sleep(time.Second)
		end()
		all.Wait()
		if err := c.Account(t.Context(), "s", vsa("v")); !errors.Is(err, ErrClosed) {
			t.Errorf("Account() afterwards = %v; want %v", err, ErrClosed)
		}
	})
}

func TestTooLong(t *testing.T) {
	c := New(Options{})
	for _, tt := range []struct{ session, attributes int }{{MaxSession + 1, 10}, {1, MaxAttributes + 1}} {
		err := c.Account(t.Context(), strings.Repeat("s", tt.session), make([]byte, tt.attributes))
		if !errors.Is(err, ErrTooLong) {
			t.Errorf("Account(%d, %d) = %v; want %v", tt.session, tt.attributes, err, ErrTooLong)
		}
	}
}
