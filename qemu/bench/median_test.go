package bench

import (
	"slices"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []time.Duration
		want   time.Duration
	}{
		{[]time.Duration{5}, 5},
		{[]time.Duration{9, 1, 5}, 5},
		{[]time.Duration{4, 3, 2, 1}, 2},
	} {
		original := slices.Clone(test.values)
		if got := median(test.values); got != test.want || !slices.Equal(test.values, original) {
			t.Errorf("median(%v) = %v, leaving %v; want %v", original, got, test.values, test.want)
		}
	}
}
