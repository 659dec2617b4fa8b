package proxy

import (
	"testing"
	"time"
)

func TestGatherTime(t *testing.T) {
	for _, test := range []struct{ writing, want time.Duration }{
		{0, 19 * time.Millisecond},
		{2 * time.Millisecond, 15 * time.Millisecond},
		{4500 * time.Microsecond, 10 * time.Millisecond},
		{time.Second, 10 * time.Millisecond},
	} {
		if got := gatherTime(test.writing); got != test.want {
			t.Errorf("gatherTime(%v) = %v; want %v", test.writing, got, test.want)
		}
	}
}
