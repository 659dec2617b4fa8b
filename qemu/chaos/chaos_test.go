package chaos

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"causeway/qemu/lab"
)

// whole makes what control makes of a configuration, by hand.
const whole = `
ip address add 2001:db8:42::1/64 dev lan1 nodad
ip route add default via 192.168.42.2 dev lan1 table 101
ip route add 198.51.100.0/24 via 192.168.43.2 dev lan2
ip -6 route add 2001:db8:99::/48 via 2001:db8:42::2 dev lan1
ip rule add from 192.168.42.1 lookup 101 preference 1000
nft 'add table inet filter; add chain inet filter input { type filter hook input priority 0; policy drop; }'
`

// TestDisturbancesAreSeen does to a network, of which nobody takes care, what is
// done behind control's back: each must leave a difference.
func TestDisturbancesAreSeen(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	for _, d := range disturbances {
		if d.far {
			continue // the cable is in again: nothing is left of it
		}
		t.Run(d.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			l, err := lab.New()
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			box, err := l.Box()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := shell(ctx, box, whole); err != nil {
				t.Fatal(err)
			}
			before := readOrFail(t, ctx, box)
			if _, err := shell(ctx, box, d.script(before, random)); err != nil {
				t.Fatal(err)
			}
			if differs := difference(before, readOrFail(t, ctx, box)); differs == "" {
				t.Errorf("nothing differs after the %s: %s", d.name, d.script(before, random))
			}
		})
	}
}

func readOrFail(t *testing.T, ctx context.Context, where *lab.Namespace) State {
	t.Helper()
	state, err := readState(ctx, where)
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func TestDifference(t *testing.T) {
	right := State{routes: {"a", "b"}, firewall: {"x", "y"}}
	for _, test := range []struct {
		name string
		got  State
		want string
	}{
		{"the same", State{routes: {"a", "b"}, firewall: {"x", "y"}}, ""},
		{"missing", State{routes: {"a"}, firewall: {"x", "y"}}, "- route: b\n"},
		{"too much", State{routes: {"a", "b"}, rules: {"r"}, firewall: {"x", "y"}}, "+ rule: r\n"},
		{"in another order", State{routes: {"a", "b"}, firewall: {"y", "x"}}, "firewall: in another order, or twice:\ny\nx\n"},
		{"twice", State{routes: {"a", "b", "b"}, firewall: {"x", "y"}}, "route: in another order, or twice:\na\nb\nb\n"},
	} {
		if got := difference(right, test.got); got != test.want {
			t.Errorf("difference of %s = %q; want %q", test.name, got, test.want)
		}
	}
}

func TestLeaks(t *testing.T) {
	calm := Report{FilesBefore: 10, FilesAfter: 10, ThreadsBefore: 8, ThreadsAfter: 10, GoroutinesBefore: 40, GoroutinesAfter: 42}
	if err := calm.Leaks(); err != nil {
		t.Errorf("Leaks() of %+v = %v; want none", calm, err)
	}
	for _, leaking := range []func(*Report){
		func(r *Report) { r.FilesAfter++ },
		func(r *Report) { r.ThreadsAfter += 20 },
		func(r *Report) { r.GoroutinesAfter += 30 },
	} {
		r := calm
		leaking(&r)
		if r.Leaks() == nil {
			t.Errorf("Leaks() of %+v found none", r)
		}
	}
}
