package control

import (
	"testing"
	"time"

	"causeway/appliance/config/change"
)

func TestProbation(t *testing.T) {
	type look struct {
		at       time.Duration
		restarts int
		asWanted bool
		want     verdict
	}
	const settle = 30 * time.Second
	tests := []struct {
		name  string
		first int
		looks []look
	}{
		{"stays up", 0, []look{{0, 0, true, undecided}, {29 * time.Second, 0, true, undecided}, {30 * time.Second, 0, true, good}}},
		{"stays up after it came up late", 0, []look{{0, 0, false, undecided}, {20 * time.Second, 0, true, undecided}, {40 * time.Second, 0, true, undecided}, {50 * time.Second, 0, true, good}}},
		{"restarts before it began do not count", 7, []look{{0, 7, true, undecided}, {30 * time.Second, 7, true, good}}},
		{"one restart begins the wait anew", 0, []look{{0, 0, true, undecided}, {20 * time.Second, 1, true, undecided}, {49 * time.Second, 1, true, undecided}, {50 * time.Second, 1, true, good}}},
		{"a look in vain does too", 0, []look{{0, 0, true, undecided}, {20 * time.Second, 0, false, undecided}, {40 * time.Second, 0, true, undecided}, {60 * time.Second, 0, true, undecided}, {70 * time.Second, 0, true, good}}},
		{"three restarts", 2, []look{{0, 2, true, undecided}, {1 * time.Second, 3, false, undecided}, {2 * time.Second, 4, true, undecided}, {3 * time.Second, 5, false, bad}}},
		{"nobody counts restarts", unknown, []look{{0, unknown, true, undecided}, {30 * time.Second, unknown, true, good}}},
		{"the count is known later", unknown, []look{{0, unknown, true, undecided}, {10 * time.Second, 9, true, undecided}, {20 * time.Second, unknown, true, undecided}, {30 * time.Second, 9, true, good}}},
	}
	start := time.Unix(1e9, 0)
	for _, test := range tests {
		p := newProbation(change.InForce{Number: 1}, true, test.first)
		for i, look := range test.looks {
			got := p.look(start.Add(look.at), look.restarts, look.asWanted, settle)
			if got != look.want || p.over != (got != undecided) {
				t.Errorf("%s: look %d = %v, over %v; want %v", test.name, i, got, p.over, look.want)
			}
		}
	}
}
