package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestOrderSRV(t *testing.T) {
	servers := []SRV{{20, 5, 5060, "late"}, {10, 60, 5060, "often"}, {10, 0, 5060, "backup"}, {10, 40, 5060, "seldom"}}
	for _, test := range []struct {
		draws []int
		want  string
	}{
		{[]int{0, 0, 0, 0}, "[backup often seldom late]"},
		{[]int{1, 0, 0, 0}, "[often backup seldom late]"},
		{[]int{60, 40, 0, 5}, "[often seldom backup late]"},
		{[]int{61, 60, 0, 0}, "[seldom often backup late]"},
		{[]int{100, 0, 60, 1}, "[seldom backup often late]"},
	} {
		var names []string
		for _, server := range OrderSRV(servers, func(int) int {
			n := test.draws[0]
			test.draws = test.draws[1:]
			return n
		}) {
			names = append(names, server.Target)
		}
		if got := fmt.Sprint(names); got != test.want {
			t.Errorf("OrderSRV with the draws %v = %s; want %s", test.draws, got, test.want)
		}
	}
	if servers[0].Target != "late" {
		t.Error("OrderSRV changed the list it was given")
	}
}

// TestOrderSRVSharesByWeight draws often: each server comes first as often as
// its weight says.
func TestOrderSRVSharesByWeight(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	servers := []SRV{{Weight: 60, Target: "a"}, {Weight: 30, Target: "b"}, {Weight: 10, Target: "c"}, {Target: "d"}}
	first := map[string]int{}
	const draws = 100_000
	for range draws {
		order := OrderSRV(servers, random.IntN)
		first[order[0].Target]++
		if len(order) != len(servers) || !slices.ContainsFunc(order, func(s SRV) bool { return s.Target == "d" }) {
			t.Fatalf("OrderSRV = %v; want all of %v", order, servers)
		}
	}
	for _, server := range servers {
		want := int(server.Weight) * draws / 101
		if got := first[server.Target]; got < want-draws/100 || got > want+2*draws/100 {
			t.Errorf("%s came first %d times of %d; want about %d", server.Target, got, draws, want)
		}
	}
}
