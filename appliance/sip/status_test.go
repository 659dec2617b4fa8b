package sip

import "testing"

// Messages are counted by transport once their worker has flushed; what is no
// message is not.
func TestTraffic(t *testing.T) {
	b := newBench(t)
	b.invited() // a 100 and the INVITE go out
	b.receive(lan1, caller, "\r\n\r\n")
	b.receive(lan1, caller, "GET / HTTP/1.1\r\n\r\n")
	for range 2 { // the second has nothing to add
		b.w.flush()
		got := b.status().Counters
		for name, want := range map[string]int64{
			"received-udp": 1, "sent-udp": 2, "received-tls": 0, "sent-tls": 0, "keep-alives": 1, "garbage": 1, "connections accepted": 0,
		} {
			if n, counted := got[name]; !counted || n != want {
				t.Errorf("%s = %d, counted: %t; want %d", name, n, counted, want)
			}
		}
	}
}
