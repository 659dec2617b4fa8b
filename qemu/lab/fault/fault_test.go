package fault

import (
	"errors"
	"slices"
	"testing"
)

type planned struct {
	name  string
	times int
}

func timesOf(f *planned) *int { return &f.times }

func TestStrike(t *testing.T) {
	var list List[planned]
	any := func(planned) bool { return true }
	if f := list.Strike(any, timesOf); f != nil {
		t.Errorf("of an empty list %v strikes", f)
	}
	refused := errors.New("no such fault")
	check := func(f planned) error {
		if f.name == "" {
			return refused
		}
		return nil
	}
	if err := list.Set([]planned{{"once", 1}, {"twice", 2}, {"always", 0}}, check); err != nil {
		t.Fatal(err)
	}
	if err := list.Set([]planned{{"other", 1}, {}}, check); !errors.Is(err, refused) {
		t.Errorf("Set = %v; want %v", err, refused)
	}
	for _, want := range []string{"once", "twice", "twice", "always", "always"} {
		if f := list.Strike(any, timesOf); f == nil || f.name != want {
			t.Errorf("%v strikes; want %s", f, want)
		}
	}
	if f := list.Strike(func(f planned) bool { return f.name == "once" }, timesOf); f != nil {
		t.Errorf("%v strikes once more", f)
	}
	if left := list.All(); !slices.Equal(left, []planned{{"always", 0}}) {
		t.Errorf("%v are left; want always", left)
	}
}
