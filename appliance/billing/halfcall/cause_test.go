package halfcall

import (
	"slices"
	"testing"

	"causeway/appliance/model"
)

// seedCodes are those of seed 003, table 1.
var seedCodes = []terminationCause{3, 16, 17, 19, 20, 27, 28, 31, 41, 42, 47, 63, 65, 95, 97, 99, 103, 111, 127}

func TestCauses(t *testing.T) {
	const ended, refused = model.CallEnded, model.CallRefused
	seen := map[terminationCause]bool{}
	for _, test := range []struct {
		kind     model.CallEventKind
		cause    model.EndCause
		statuses []uint16
		rule     string
		answered bool
		rang     bool
		want     terminationCause
	}{
		{ended, model.EndFailed, []uint16{404, 410, 604}, "", false, true, 3},
		{refused, model.EndRule, []uint16{404}, "no route", false, false, 3},
		{ended, model.EndFailed, []uint16{487}, "", false, true, 16},
		{ended, model.EndCancelled, []uint16{487, 200, 408, 0}, "", false, true, 16},
		{ended, model.EndCallerHungUp, []uint16{200, 481, 0}, "", true, true, 16},
		{ended, model.EndCalleeHungUp, []uint16{200, 481, 0}, "", true, true, 16},
		{ended, model.EndFailed, []uint16{486, 600}, "", false, true, 17},
		{ended, model.EndFailed, []uint16{408, 480}, "", false, true, 19},
		{ended, model.EndTimer, []uint16{408, 0}, "", false, true, 19},
		{ended, model.EndFailed, []uint16{480}, "", false, false, 20},
		{ended, model.EndFailed, []uint16{502, 503}, "", false, false, 27},
		{refused, 0, []uint16{500}, "dns nowhere.example", false, false, 27},
		{ended, model.EndRule, []uint16{500}, "", false, false, 27},
		{ended, model.EndFailed, []uint16{484}, "", false, false, 28},
		{ended, model.EndStale, []uint16{0, 408}, "", true, true, 31},
		{ended, model.EndStale, []uint16{0}, "", false, false, 31},
		{ended, model.EndFailed, []uint16{408, 500, 504}, "", false, false, 41},
		{ended, model.EndTimer, []uint16{408, 0}, "", false, false, 41},
		{ended, model.EndTimer, []uint16{0, 408}, "", true, true, 41},
		{ended, model.EndRule, []uint16{503}, "", false, false, 42},
		{refused, model.EndRule, []uint16{503, 403}, "cac entry 1/t/3 max-call-rate-per-scope", false, false, 42},
		{refused, model.EndRule, []uint16{503, 403}, "cac entry 1/t/3 max-num-calls", false, false, 47},
		{ended, model.EndFailed, []uint16{402, 403, 603}, "", false, true, 47},
		{ended, model.EndFailed, []uint16{405, 501}, "", false, false, 63},
		{ended, model.EndFailed, []uint16{415, 488, 606}, "", false, false, 65},
		{ended, model.EndFailed, []uint16{400, 413, 414, 416}, "", false, false, 95},
		{ended, model.EndFailed, []uint16{420}, "", false, false, 97},
		{ended, model.EndFailed, []uint16{421, 428, 429, 494}, "", false, false, 99},
		{ended, model.EndFailed, []uint16{417}, "", false, false, 103},
		{ended, model.EndFailed, []uint16{481, 482, 483}, "", false, false, 111},
		{ended, model.EndFailed, []uint16{0, 300, 302, 401, 407, 440, 499, 505, 607, 699}, "", false, true, 127},
		{ended, model.EndUnknown, []uint16{0, 200}, "", true, true, 127},
		{ended, 99, []uint16{0}, "", false, false, 127},
	} {
		seen[test.want] = true
		for _, status := range test.statuses {
			e := model.CallEvent{Kind: test.kind, Cause: test.cause, Status: status, Rule: []byte(test.rule)}
			if got := causeOf(&e, test.answered, test.rang); got != test.want {
				t.Errorf("causeOf(%v %v %d %q, answered %v, rang %v) = %d; want %d",
					test.kind, test.cause, status, test.rule, test.answered, test.rang, got, test.want)
			}
		}
	}
	for _, code := range seedCodes {
		if !seen[code] {
			t.Errorf("nothing gives code %d", code)
		}
		delete(seen, code)
	}
	if len(seen) > 0 {
		t.Errorf("codes that the seed does not have: %v", seen)
	}
}

// TestCausesAreTheSeeds checks that no status whatever gives another code.
func TestCausesAreTheSeeds(t *testing.T) {
	for status := range uint16(1000) {
		for cause := range model.EndCause(12) {
			for flags := range 4 {
				e := model.CallEvent{Kind: model.CallEnded, Cause: cause, Status: status}
				if got := causeOf(&e, flags&1 != 0, flags&2 != 0); !slices.Contains(seedCodes, got) {
					t.Fatalf("causeOf(%v, %d) = %d", cause, status, got)
				}
			}
		}
	}
}
