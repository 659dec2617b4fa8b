package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRouteTable holds a table against a list that is searched from end to end.
func TestRouteTable(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var table RouteTable
	var want []Route
	for range 5000 {
		r := Route{Key: fmt.Sprint(random.IntN(200)), Destination: Destination{Status: random.IntN(1000)}}
		at := slices.IndexFunc(want, func(other Route) bool { return other.Key == r.Key })
		if got := table.Has(r.Key); got != (at >= 0) {
			t.Fatalf("Has(%s) = %v; want %v", r.Key, got, at >= 0)
		}
		switch remove := random.IntN(3) == 0; {
		case remove:
			if got := table.Remove(r.Key); got != (at >= 0) {
				t.Fatalf("Remove(%s) = %v; want %v", r.Key, got, at >= 0)
			}
			if at >= 0 {
				want = slices.Delete(want, at, at+1)
			}
		case at >= 0:
			want[at] = r
			table.Put(r)
		default:
			want = append(want, r)
			table.Put(r)
		}
		if !slices.Equal(table.Routes, want) || len(table.ByKey) != len(want) {
			t.Fatalf("Routes = %v, %d by key; want %v", table.Routes, len(table.ByKey), want)
		}
	}
}
