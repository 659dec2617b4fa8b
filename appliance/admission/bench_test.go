package admission

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// threeTables is a set whose tables all count every call.
const threeTables = "sbc s\nsbe\ncac-policy-set 1\n" +
	"cac-table a\nentry 1\nmax-num-calls 1000000\nmax-call-rate-per-scope 1000000 burst 1000000\n" +
	"cac-table b\ntable-type limit adj-group\nentry 1\nmatch-value nobody\nentry 2\nmatch-value ims-adjacencies\ncac-scope adj-group\nmax-num-calls 1000000\n" +
	"cac-table c\nentry 1\ncac-scope adjacency\nmax-num-calls 1000000\nbilling filter enable\nbilling methods xml\n"

func BenchmarkOffer(b *testing.B) {
	for _, mode := range []struct {
		name string
		c    model.Admission
	}{{"window5m", model.Admission{}}, {"immediate", model.Admission{CPSImmediate: true}}} {
		b.Run(mode.name, func(b *testing.B) {
			g := New(Options{})
			g.Apply(&model.Config{Admission: mode.c})
			if err := g.SetGrant(model.Grant{Now: model.Allowance{Calls: true, LimitCPS: 10_000}}); err != nil {
				b.Fatal(err)
			}
			in := invite(b, "sip:bob@example.com", ordinary)
			b.ReportAllocs()
			for b.Loop() {
				g.Offer(in)
			}
			if status := g.cpsStatus(); status.Offered < int64(b.N) || status.Admitted+status.RefusedCPS != status.Offered {
				b.Fatalf("%d calls: %+v", b.N, status)
			}
		})
	}
}

func BenchmarkPlace(b *testing.B) {
	start, ahead := time.Now(), time.Duration(0)
	g := New(Options{Now: func() time.Duration {
		ahead += time.Millisecond // or the rate of table a would be used up
		return time.Since(start) + ahead
	}})
	g.Apply(parse(b, threeTables))
	in, out := invite(b, "sip:bob@example.com", ims), &hop.Target{Adjacency: other}
	b.ReportAllocs()
	for b.Loop() {
		seat, refusal := g.Place(in, out)
		if refusal.Status != 0 || len(seat.(*Seat).taken) != 4 {
			b.Fatalf("Place = %+v, %+v; want a seat in four tallies", seat, refusal)
		}
		seat.Leave()
	}
}

func BenchmarkPlaceInParallel(b *testing.B) {
	g := New(Options{})
	g.Apply(parse(b, strings.Replace(threeTables, "max-call-rate-per-scope 1000000 burst 1000000\n", "", 1)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		in, out := invite(b, "sip:bob@example.com", ims), &hop.Target{Adjacency: other}
		for pb.Next() {
			seat, refusal := g.Place(in, out)
			if refusal.Status != 0 {
				b.Errorf("Place = %+v", refusal)
				return
			}
			seat.Leave()
		}
	})
}

func BenchmarkFlooding(b *testing.B) {
	for _, sources := range []int{1, 100_000} {
		b.Run(fmt.Sprint("sources=", sources), func(b *testing.B) {
			g := New(Options{})
			from := make([]netip.Addr, sources)
			for i := range from {
				from[i] = forged(i)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				g.Flooding(from[i%sources])
			}
		})
	}
}

func BenchmarkDenied(b *testing.B) {
	for _, prefixes := range []int{0, 1, 1000} {
		b.Run(fmt.Sprint("prefixes=", prefixes), func(b *testing.B) {
			c := &model.Config{}
			for i := range prefixes {
				c.Admission.Denied = append(c.Admission.Denied, netip.PrefixFrom(forged(512*i), 24))
			}
			g := New(Options{})
			g.Apply(c)
			from := forged(512*500 + 300)
			b.ReportAllocs()
			for b.Loop() {
				if g.Denied(from) {
					b.Fatal("denied")
				}
			}
		})
	}
}

func BenchmarkShed(b *testing.B) {
	g := New(Options{Now: func() time.Duration { return time.Hour }})
	g.Queue(1)
	b.ReportAllocs()
	for b.Loop() {
		g.Shed()
	}
}

// A call that failed is copied: what it costs is paid only while the log is on.
func BenchmarkFailed(b *testing.B) {
	g := New(Options{})
	g.Apply(logging)
	f := failure(b, "cps")
	b.ReportAllocs()
	for b.Loop() {
		g.Failed(f)
		<-g.failed.queue
	}
}
