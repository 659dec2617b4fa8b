package locate

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"causeway/appliance/model"
)

// orderSRV gives servers in the order to try them as RFC 2782, "Usage rules", has
// it word by word. random gives a number from 0 to below n, such as rand.IntN.
func orderSRV(servers []model.SRV, random func(n int) int) []model.SRV {
	order := slices.Clone(servers)
	// Those of weight 0 stand first, so that they have a small chance.
	slices.SortStableFunc(order, func(a, b model.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	for i := range order {
		sum := 0
		for _, server := range order[i:] {
			if server.Priority == order[i].Priority {
				sum += int(server.Weight)
			}
		}
		drawn, left := i, random(sum+1)
		for left -= int(order[drawn].Weight); left > 0; left -= int(order[drawn].Weight) {
			drawn++
		}
		server := order[drawn]
		order = slices.Insert(slices.Delete(order, drawn, drawn+1), i, server)
	}
	return order
}

// TestOrderSRV holds the oracle of TestDraw against draws by hand.
func TestOrderSRV(t *testing.T) {
	servers := []model.SRV{
		{Priority: 20, Weight: 5, Target: "late"}, {Priority: 10, Weight: 60, Target: "often"},
		{Priority: 10, Target: "backup"}, {Priority: 10, Weight: 40, Target: "seldom"},
	}
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
		for _, server := range orderSRV(servers, func(int) int {
			n := test.draws[0]
			test.draws = test.draws[1:]
			return n
		}) {
			names = append(names, server.Target)
		}
		if got := fmt.Sprint(names); got != test.want {
			t.Errorf("orderSRV with the draws %v = %s; want %s", test.draws, got, test.want)
		}
	}
}
