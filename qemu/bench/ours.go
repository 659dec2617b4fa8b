package bench

import (
	"context"
	"fmt"

	"causeway/qemu/lab"
	"causeway/qemu/load"
)

// ours is our proxy.
type ours struct{ *lab.Proxy }

// oneSource lets the calls of a run come from one address.
const oneSource = "sip flood-limit 100000\n"

func startOurs(where *lab.Namespace, program, config string, flags ...string) (ours, error) {
	p, err := where.StartProxy(program, config+oneSource, flags...)
	return ours{p}, err
}

// counted is what the proxy must have counted of each call: that it was
// offered and admitted, that a route was found, that an entry of the policy set
// took it.
var counted = []struct {
	method string
	params any
	read   func(answer countedAnswer) int64
}{
	{"proxy.cps", nil, func(a countedAnswer) int64 { return min(a.Offered, a.Admitted) }},
	{"proxy.routes", nil, func(a countedAnswer) (hits int64) {
		for _, table := range a.Tables {
			hits += table.Hits
		}
		return hits
	}},
	{"proxy.cac", map[string]any{"sbc": load.SBC, "set": 1}, func(a countedAnswer) (admitted int64) {
		for _, table := range a.Tables {
			for _, entry := range table.Entries {
				admitted += entry.Admitted
			}
		}
		return admitted
	}},
}

// countedAnswer is the part of the answers of those methods that is read.
type countedAnswer struct {
	Offered, Admitted int64
	Tables            []struct {
		Hits    int64
		Entries []struct{ Admitted int64 }
	}
}

// Counted asks it what it has counted.
func (o ours) Counted(ctx context.Context, calls int) error {
	for _, c := range counted {
		var answer countedAnswer
		if err := o.Call(ctx, c.method, c.params, &answer); err != nil {
			return fmt.Errorf("ask our proxy what it has counted: %w", err)
		}
		if got := c.read(answer); got != int64(calls) {
			return fmt.Errorf("of %d calls our proxy has counted %d in %s", calls, got, c.method)
		}
	}
	return nil
}
