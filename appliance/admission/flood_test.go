package admission

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"causeway/appliance/model"
)

// forged is the i-th of many addresses.
func forged(i int) netip.Addr {
	var octets [4]byte
	binary.BigEndian.PutUint32(octets[:], 0x0a000000+uint32(i))
	return netip.AddrFrom4(octets)
}

func TestFloodLimit(t *testing.T) {
	for _, test := range []struct {
		limit, rate int // requests a second
		dropped     [2]int
	}{
		{0, defaultSourceRate, [2]int{0, 0}},
		{0, 3 * defaultSourceRate, [2]int{19_000, 20_000}},
		{10, 10, [2]int{0, 0}},
		{10, 20, [2]int{89, 100}},
	} {
		now := time.Hour
		g := gateAt(t, &now, 0, &model.Config{Admission: model.Admission{SourceRate: test.limit}})
		dropped := 0
		for range 10 * test.rate {
			if g.Flooding(netip.MustParseAddr("2001:db8::1")) {
				dropped++
			}
			now += time.Second / time.Duration(test.rate)
		}
		if dropped < test.dropped[0] || dropped > test.dropped[1] {
			t.Errorf("limit %d, ten seconds at %d a second: %d dropped; want %v", test.limit, test.rate, dropped, test.dropped)
		}
		if g.Flooding(netip.MustParseAddr("2001:db8::2")) {
			t.Errorf("limit %d: another address is dropped", test.limit)
		}
	}
}

// TestForgedSources: a million requests of 100,000 addresses take no memory
// and make nobody forget who floods.
func TestForgedSources(t *testing.T) {
	now := time.Hour
	g := gateAt(t, &now, 0, &model.Config{})
	flooder := netip.MustParseAddr("192.0.2.66")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	passed := 0
	for i := range 1_000_000 {
		g.Flooding(forged(i % 100_000))
		if i%10 == 0 && !g.Flooding(flooder) { // 10,000 a second
			passed++
		}
		now += 10 * time.Microsecond
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc) - int64(before.TotalAlloc); grown > 1<<20 {
		t.Errorf("a million requests allocated %d octets; want next to none", grown)
	}
	if size := unsafe.Sizeof(*g.sources); size > 4<<20 {
		t.Errorf("the table takes %d octets; want 4 MiB at the most", size)
	}
	// 10 s at 1000 a second, and the bucket of one second.
	if passed < 10_000 || passed > 11_100 {
		t.Errorf("the flooder got %d of 100,000 requests through; want about 11,000", passed)
	}
	if top := g.floodStatus().Sources; len(top) != topSources || top[0].Address != flooder || top[0].Dropped != int64(100_000-passed) || top[1].Dropped > 0 {
		t.Errorf("top sources %v; want %v first, and nobody else dropped", top, flooder)
	}
}

// TestSourcesFromManyThreads: each address that the table knows has its own count,
// whatever else comes in.
func TestSourcesFromManyThreads(t *testing.T) {
	s := newSources()
	const threads, requests, within = 8, 10_000, 100
	for i := range threads {
		for range within { // from then on none of them gives way
			s.take(time.Hour, time.Second/within, forged(i))
		}
	}
	var running sync.WaitGroup
	for i := range threads {
		running.Go(func() {
			for range requests - within {
				s.take(time.Hour, time.Second/within, forged(i))
				s.take(time.Hour, time.Second/within, forged(1000+rand.IntN(100_000)))
			}
			s.top(3)
		})
	}
	running.Wait()
	top := s.top(threads)
	for _, source := range top {
		if source.Seen != requests || source.Dropped != requests-within {
			t.Errorf("%v: %d seen, %d dropped; want %d and %d", source.Address, source.Seen, source.Dropped, requests, requests-within)
		}
	}
	if len(top) != threads {
		t.Errorf("%d sources; want %d", len(top), threads)
	}
}

// TestDenied compares with a walk through all prefixes.
func TestDenied(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octet := rapid.SampledFrom([]byte{0, 1, 2, 127, 128, 254, 255})
		address := rapid.Custom(func(t *rapid.T) netip.Addr {
			if rapid.Bool().Draw(t, "IPv6") {
				return netip.AddrFrom16([16]byte{0x20, octet.Draw(t, "a"), 14: octet.Draw(t, "b"), 15: octet.Draw(t, "c")})
			}
			return netip.AddrFrom4([4]byte{10, octet.Draw(t, "a"), octet.Draw(t, "b"), octet.Draw(t, "c")})
		})
		var denied []netip.Prefix
		for range rapid.IntRange(0, 8).Draw(t, "prefixes") {
			a := address.Draw(t, "address")
			denied = append(denied, netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "length")).Masked())
		}
		g := New(Options{})
		g.Apply(&model.Config{Admission: model.Admission{Denied: denied}})
		var count int64
		for range 20 {
			from := address.Draw(t, "from")
			want := false
			for _, p := range denied {
				want = want || p.Contains(from)
			}
			if want {
				count++
			}
			if from.Is4() && rapid.Bool().Draw(t, "mapped") {
				from = netip.AddrFrom16(from.As16())
			}
			if got := g.Denied(from); got != want {
				t.Fatalf("Denied(%v) with %v = %t; want %t", from, denied, got, want)
			}
		}
		if got := g.floodStatus().Denied; got != count {
			t.Fatalf("counted %d; want %d", got, count)
		}
	})
}
