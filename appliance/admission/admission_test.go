package admission

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"causeway/appliance/model"
)

// gateAt is a gate whose clock the test moves.
func gateAt(now *time.Duration) *Gate {
	return &Gate{Now: func() time.Duration { return *now }}
}

func TestGrant(t *testing.T) {
	allowed := model.Allowance{Calls: true}
	for _, test := range []struct {
		name  string
		grant *model.Grant
		now   time.Duration
		rule  string
	}{
		{"none", nil, 0, model.RuleLicence},
		{"denied", &model.Grant{}, 0, model.RuleLicence},
		{"allowed", &model.Grant{Now: allowed}, time.Hour, ""},
		{"before it ends", &model.Grant{Now: allowed, ChangesAt: time.Minute}, time.Minute - 1, ""},
		{"when it ends", &model.Grant{Now: allowed, ChangesAt: time.Minute}, time.Minute, model.RuleLicence},
		{"when it begins", &model.Grant{ChangesAt: time.Minute, Then: allowed}, time.Minute, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := test.now
			gate := gateAt(&now)
			if test.grant != nil {
				if err := gate.SetGrant(*test.grant); err != nil {
					t.Fatal(err)
				}
			}
			if rule := gate.Admit(); rule != test.rule {
				t.Errorf("Admit() = %q; want %q", rule, test.rule)
			}
			if ready := gate.Ready(); ready != (test.rule == "") {
				t.Errorf("Ready() = %v; want %v", ready, test.rule == "")
			}
		})
	}
}

func TestOlderGrantNeverReplacesNewer(t *testing.T) {
	var gate Gate
	if err := gate.SetGrant(model.Grant{Generation: 2, Now: model.Allowance{Calls: true}}); err != nil {
		t.Fatal(err)
	}
	if err := gate.SetGrant(model.Grant{Generation: 1}); !errors.Is(err, ErrOldGrant) {
		t.Errorf("SetGrant(older) = %v; want %v", err, ErrOldGrant)
	}
	if grant, _ := gate.Grant(); grant.Generation != 2 {
		t.Errorf("Grant().Generation = %d; want 2", grant.Generation)
	}
}

// TestRate offers calls evenly at a multiple of the limit, for ten seconds.
func TestRate(t *testing.T) {
	const limit = 50
	for _, test := range []struct {
		name    string
		offered int // calls per second
		least   int // admitted in ten seconds
		most    int
	}{
		{"half the limit", limit / 2, 10 * limit / 2, 10 * limit / 2},
		{"at the limit", limit, 10 * limit, 10 * limit},
		{"twice the limit", 2 * limit, 10 * limit, 11 * limit},
		{"twenty times the limit", 20 * limit, 10 * limit, 11 * limit},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := time.Hour
			gate := gateAt(&now)
			if err := gate.SetGrant(model.Grant{Now: model.Allowance{Calls: true, LimitCPS: limit}}); err != nil {
				t.Fatal(err)
			}
			admitted := 0
			for range 10 * test.offered {
				if gate.Admit() == "" {
					admitted++
				}
				now += time.Second / time.Duration(test.offered)
			}
			if admitted < test.least || admitted > test.most {
				t.Errorf("admitted %d of %d calls; want %d to %d", admitted, 10*test.offered, test.least, test.most)
			}
		})
	}
}

// BootTime is the kernel's: it goes with the up time, which /proc gives in
// hundredths of a second.
func TestBootTime(t *testing.T) {
	before := BootTime()
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		t.Fatal(err)
	}
	var uptime float64
	if _, err := fmt.Sscan(string(text), &uptime); err != nil {
		t.Fatal(err)
	}
	after := BootTime()
	if at := time.Duration(uptime * float64(time.Second)); at < before-10*time.Millisecond || at > after {
		t.Errorf("/proc/uptime = %v; BootTime() was %v before and %v after", at, before, after)
	}
}
