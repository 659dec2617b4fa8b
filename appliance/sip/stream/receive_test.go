package stream

import (
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
)

func TestReceive(t *testing.T) {
	a, b := request("a", ""), request("b", "a body\r\n\r\n")
	large := request("large", strings.Repeat("x", 60000))
	for _, test := range []struct {
		name  string
		sent  []string // each written at once
		want  []string
		reply string
	}{
		{"one", []string{a}, []string{a}, ""},
		{"two at once", []string{a + b}, []string{a, b}, ""},
		{"octet by octet", strings.Split(a+b+a, ""), []string{a, b, a}, ""},
		{"larger than a buffer", []string{large + a}, []string{large, a}, ""},
		{"a line end before", []string{"\r\n" + a}, []string{"\r\n" + a}, ""},
		{"ping", []string{ping}, nil, pong},
		{"pings around messages", []string{ping + a + ping + ping, b}, []string{a, b}, pong + pong + pong},
		{"a ping in parts", []string{"\r", "\n\r", "\n"}, nil, pong},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			conn := r.dialTCP(r.serve(model.TCP, ListenOptions{}))
			for _, text := range test.sent {
				r.write(conn, text)
			}
			for i, want := range test.want {
				if got := r.next(r.received); got.payload != want {
					t.Errorf("message %d is %.60q; want %.60q", i, got.payload, want)
				}
			}
			r.expect(conn, test.reply)
		})
	}
}

// TestMore: all but the last of what came together say that more follows.
func TestMore(t *testing.T) {
	r := newRig(t)
	c := newConn(r.Pool, r.serve(model.TCP, ListenOptions{}), anyPort)
	rest, err := c.deliverAll([]byte(request("1", "") + request("2", "") + ping + request("3", "") + "OPTIONS"))
	if err != nil || string(rest) != "OPTIONS" {
		t.Errorf("deliverAll() = %q, %v", rest, err)
	}
	for i, want := range []bool{true, true, false} {
		if got := r.next(r.received); got.more != want {
			t.Errorf("message %d: more = %v; want %v", i+1, got.more, want)
		}
	}
	c.bury() // no peer reads the answer to the ping
}

// FuzzChunks: however a stream is cut, the same messages come of it, and
// nothing is kept but an incomplete one.
func FuzzChunks(f *testing.F) {
	f.Add([]byte(request("a", "body")+ping+"\r\n"+request("b", "")), uint8(1))
	f.Add([]byte("\r\n\r\n\r\n\r\n\r\n"), uint8(3))
	f.Add([]byte("OPTIONS sip:a SIP/2.0\r\nl: 99999\r\n\r\n"+request("b", "")), uint8(7))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(4))
	f.Add([]byte(request("a", strings.Repeat("\r\n", 3000))), uint8(200))
	f.Fuzz(func(t *testing.T, octets []byte, size uint8) {
		whole, wholePings, wholeErr := chunks(octets, len(octets))
		got, pings, err := chunks(octets, int(size)+1)
		if lines(got) != lines(whole) || pings != wholePings || (err == nil) != (wholeErr == nil) {
			t.Errorf("in parts of %d: %q, %d octets of pongs, %v; at once: %q, %d, %v", int(size)+1, got, pings, err, whole, wholePings, wholeErr)
		}
	})
}

// chunks receives octets in parts, without a socket.
func chunks(octets []byte, size int) (payloads []string, pongs int, err error) {
	p := New(Options{Receive: func(_ *Conn, payload []byte, _ bool) { payloads = append(payloads, string(payload)) }})
	c := newConn(p, &Listener{pool: p, transport: model.TCP, address: anyPort}, anyPort)
	for len(octets) > 0 && err == nil {
		n := copy(c.free(), octets[:min(size, len(octets))])
		octets = octets[n:]
		err = c.consume(n)
	}
	if c.queue != nil {
		pongs = len(c.queue.octets)
	}
	return payloads, pongs, err
}

// TestNotSIP: a peer that has lost its place, or makes us look for it too
// often, loses the connection.
func TestNotSIP(t *testing.T) {
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"OPTIONS sip:192.0.2.1 SIP/2.0\r\n" + strings.Repeat("X: y\r\n", maxLines),
	} {
		r := newRig(t)
		conn := r.dialTCP(r.serve(model.TCP, ListenOptions{}))
		r.write(conn, request("a", "")+text)
		r.next(r.received)
		r.expectEnd(conn)
		if got := r.count(unframed); got != 1 {
			t.Errorf("%.30q: %d connections ended by it; want 1", text, got)
		}
	}
}

// TestLastAnswer: who says a wrong length gets an answer before the
// connection ends, though it goes on sending.
func TestLastAnswer(t *testing.T) {
	r := newRig(t)
	answer := "SIP/2.0 400 Bad Content-Length\r\nContent-Length: 0\r\n\r\n"
	r.options.Receive = func(c *Conn, _ []byte, more bool) {
		if more {
			t.Error("more is to come after a message without end")
		}
		c.Send([]byte(answer))
	}
	conn := r.dialTCP(r.serve(model.TCP, ListenOptions{}))
	r.write(conn, "OPTIONS sip:192.0.2.1 SIP/2.0\r\nContent-Length: -1\r\n\r\n"+strings.Repeat("the body goes on ", 5000))
	r.expect(conn, answer)
	r.expectEnd(conn)
	conn.Close()
	r.until("the connection has ended", func() bool { return len(r.Connections()) == 0 })
}

// TestTime: a peer that begins a message and does not finish it, or is silent,
// loses the connection; one that pings keeps it.
func TestTime(t *testing.T) {
	for _, test := range []struct {
		name  string
		sent  string
		after time.Duration
		why   counter
	}{
		{"message not finished", "OPTIONS sip:", messageTimeout + time.Second, endedSlowWriter},
		{"message in time", "OPTIONS sip:", messageTimeout / 2, counterCount},
		{"silent", request("a", ""), DefaultIdle + time.Second, endedIdle},
		{"a lone line end is no message", "\r\n", messageTimeout + time.Second, counterCount},
		{"not silent for long enough", ping, DefaultIdle / 2, counterCount},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t)
			conn := r.dialTCP(r.serve(model.TCP, ListenOptions{}))
			r.write(conn, test.sent)
			r.until("the octets came", func() bool {
				shown := r.Connections()
				return len(shown) == 1 && shown[0].OctetsIn == int64(len(test.sent))
			})
			r.sweep(r.now() + test.after)
			if ends := test.why != counterCount; !ends {
				r.only()
				return
			}
			r.expectEnd(conn)
			if got := r.count(test.why); got != 1 {
				t.Errorf("%d connections ended for it; want 1", got)
			}
		})
	}
}
