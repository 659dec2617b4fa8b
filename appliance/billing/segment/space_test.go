package segment

import "testing"

func TestMinFree(t *testing.T) {
	for total, want := range map[int64]int64{
		8 << 20:   2 << 20,
		64 << 20:  16 << 20,
		320 << 20: 16 << 20,
		2000:      500,
		10 << 30:  512 << 20,
		1 << 40:   1 << 30,
	} {
		if got := (Space{Total: total}).MinFree(); got != want {
			t.Errorf("MinFree of %d = %d; want %d", total, got, want)
		}
	}
}
