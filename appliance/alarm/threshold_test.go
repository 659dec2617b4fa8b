package alarm

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/model"
)

func TestJudge(t *testing.T) {
	levels := []Level{{model.Minor, 80, 75}, {model.Major, 90, 87}, {model.Critical, 95, 93}}
	for _, test := range []struct {
		had     model.Severity
		percent float64
		want    model.Severity
	}{
		{"", 79.9, ""}, {"", 80, model.Minor}, {"", 89.9, model.Minor}, {"", 90, model.Major}, {"", 95, model.Critical}, {"", 150, model.Critical},
		{model.Minor, 75, model.Minor}, {model.Minor, 74.9, ""}, {model.Minor, 89.9, model.Minor}, {model.Minor, 90, model.Major},
		{model.Major, 87, model.Major}, {model.Major, 86.9, model.Minor}, {model.Major, 74.9, ""}, {model.Major, 94.9, model.Major},
		{model.Critical, 93, model.Critical}, {model.Critical, 92.9, model.Major}, {model.Critical, 80, model.Minor}, {model.Critical, 0, ""},
		{model.Critical, math.NaN(), ""}, {model.Warning, 76, ""},
	} {
		if got := judge(levels, test.percent, test.had); got != test.want {
			t.Errorf("judge(%g, had %q) = %q; want %q", test.percent, test.had, got, test.want)
		}
	}
}

func TestMoved(t *testing.T) {
	levels := []Level{{model.Minor, 80, 75}, {model.Major, 90, 87}, {model.Critical, 95, 93}}
	for first, want := range map[int][]Level{
		0:  levels,
		80: levels,
		60: {{model.Minor, 60, 55}, {model.Major, 80, 77}, {model.Critical, 90, 88}},
		96: {{model.Minor, 96, 91}, {model.Major, 98, 95}, {model.Critical, 99, 97}},
	} {
		if diff := cmp.Diff(want, moved(levels, first)); diff != "" {
			t.Errorf("moved(%d) (-want +got):\n%s", first, diff)
		}
	}
	if got := moved(nil, 50); got != nil {
		t.Errorf("moved(nil) = %v; want nil", got)
	}
}
