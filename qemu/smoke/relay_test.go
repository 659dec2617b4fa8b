package smoke

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// toy is a proxy that does some of what a proxy must, and no more: whatever
// comes in on one side goes out on the other.
type toy struct {
	trying      bool // answers INVITE with a 100
	repeats     bool // answers INVITE with a 180 once one came
	via         bool // puts itself into Via and counts Max-Forwards
	recordRoute bool
}

// request gives what the toy makes of a request on its way to LAN2.
func (y toy) request(m lab.Message) lab.Message {
	text := string(m)
	if y.via {
		text = strings.Replace(text, "Via: ", "Via: SIP/2.0/UDP "+lab.BoxLAN2.String()+";branch=z9hG4bK-toy\r\nVia: ", 1)
		text = strings.Replace(text, "Max-Forwards: 70", "Max-Forwards: 69", 1)
	}
	if y.recordRoute {
		text = strings.Replace(text, "From: ", "Record-Route: <sip:"+lab.BoxLAN2.String()+";lr>\r\nFrom: ", 1)
	}
	return lab.Message(text)
}

// reply gives what the toy makes of an answer on its way to LAN1.
func (y toy) reply(m lab.Message) lab.Message {
	if !y.via {
		return m
	}
	_, rest, _ := strings.Cut(string(m), "Via: ")
	_, rest, _ = strings.Cut(rest, "\r\n")
	return lab.Message(m.StartLine() + "\r\n" + rest)
}

// run plays the box until ctx ends. Once it can do no more for a caller that
// waits for a 100, it calls spent.
func (y toy) run(ctx context.Context, near, far *lab.Prober, spent func()) {
	caller := make(chan netip.AddrPort, 1)
	var ringing atomic.Bool
	go func() {
		from := <-caller
		for {
			answer, _, err := far.Receive(ctx)
			if err != nil {
				return
			}
			ringing.Store(true)
			near.Send(y.reply(answer), from)
		}
	}()
	for known := false; ; known = true {
		request, from, err := near.Receive(ctx)
		if err != nil {
			return
		}
		if !known {
			caller <- from
		}
		far.Send(y.request(request), netip.AddrPortFrom(lab.PeerLAN2, lab.CalleePort))
		switch {
		case !y.trying:
			spent()
		case !strings.HasPrefix(string(request), "INVITE "):
		case y.repeats && ringing.Load():
			near.Send(request.Reply("180 Ringing", near.Contact()), from)
		default:
			near.Send(request.Reply("100 Trying", near.Contact()), from)
		}
	}
}

// TestNotARelay shows that each thing a relay does not do is missed.
func TestNotARelay(t *testing.T) {
	for _, test := range []struct {
		name string
		toy  toy
		want string // in the error
	}{
		{"relay", toy{}, "own 100"},
		{"100 only", toy{trying: true}, "Via"},
		{"no Record-Route", toy{trying: true, via: true}, "Record-Route"},
		{"does not remember its 180", toy{trying: true, via: true, recordRoute: true}, "answer to a retransmitted INVITE"},
		{"passes retransmissions on", toy{trying: true, repeats: true, via: true, recordRoute: true}, "absorb retransmissions"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := lab.New()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			box, err := l.Box()
			if err != nil {
				t.Fatal(err)
			}
			near, err := box.Probe(lab.BoxLAN1)
			if err != nil {
				t.Fatal(err)
			}
			defer near.Close()
			far, err := box.Probe(lab.BoxLAN2)
			if err != nil {
				t.Fatal(err)
			}
			defer far.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			played := make(chan struct{})
			go func() {
				test.toy.run(ctx, near, far, cancel)
				close(played)
			}()
			err = NotARelay(ctx, l)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("NotARelay of a toy = %v; want an error on %s", err, test.want)
			}
			cancel()
			<-played
		})
	}
}
