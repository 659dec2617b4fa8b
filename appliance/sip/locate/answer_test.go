package locate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

// answerOf makes the answer of one SRV set; each server has one address, whose
// port is the server's.
func answerOf(servers []model.SRV) *answer {
	var s service
	for _, srv := range ordered(slices.Clone(servers)) {
		address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), srv.Port)
		s = append(s, server{srv.Priority, srv.Weight, []hop.Place{{Address: address}}})
	}
	return &answer{services: []service{s}}
}

// TestDraw holds the draw against orderSRV with the same dice.
func TestDraw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		servers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) model.SRV {
			return model.SRV{Priority: rapid.Uint16Max(3).Draw(t, "priority"), Weight: rapid.Uint16Max(9).Draw(t, "weight")}
		}), 1, maxServers).Draw(t, "servers")
		for i := range servers {
			servers[i].Port = uint16(i + 1)
		}
		seed := rapid.IntRange(0, 1<<30).Draw(t, "seed")
		dice := func(n int) int { return seed % n }
		var got, want []uint16
		for _, place := range answerOf(servers).appendPlaces(nil, dice) {
			got = append(got, place.Address.Port())
		}
		for _, server := range orderSRV(servers, dice) {
			want = append(want, server.Port)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("appendPlaces of %+v = %v; want %v", servers, got, want)
		}
	})
}

// TestWeights draws often: each server comes first as often as its weight says.
func TestWeights(t *testing.T) {
	a := answerOf([]model.SRV{{Priority: 1, Weight: 60, Port: 60}, {Priority: 1, Weight: 30, Port: 30}, {Priority: 1, Weight: 10, Port: 10}, {Port: 1}})
	const draws = 20_000
	first := map[uint16]int{}
	var places []hop.Place
	for range draws {
		places = a.appendPlaces(places[:0], rand.IntN)
		if got := places[0].Address.Port(); got != 1 {
			t.Fatalf("the first place has port %d; want that of the lowest priority, 1", got)
		}
		first[places[1].Address.Port()]++
		slices.SortFunc(places, func(a, b hop.Place) int { return a.Address.Compare(b.Address) })
		if got := fmt.Sprint(places); got != "[{udp 192.0.2.1:1} {udp 192.0.2.1:10} {udp 192.0.2.1:30} {udp 192.0.2.1:60}]" {
			t.Fatalf("places = %s; want each once", got)
		}
	}
	for port, count := range first { // the weight is the port; 10 standard deviations are 0.035
		if share, want := float64(count)/draws, float64(port)/100; share < want-0.035 || share > want+0.035 {
			t.Errorf("weight %d came first in %.3f of all draws; want %.2f", port, share, want)
		}
	}
}
