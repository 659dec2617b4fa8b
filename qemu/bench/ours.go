package bench

import (
	"context"
	"fmt"
	"strings"

	"causeway/qemu/lab"
)

// routesBeside is how many routes the table has that no call takes.
const routesBeside = 1000

// ownConfig does what kamailioConfig does, with what a box has besides: calls
// are routed by a table and a server group, and admitted by a policy set.
func ownConfig(pairs int) string {
	var text strings.Builder
	text.WriteString(`hostname bench
sip network loopback
 exit
sip listen loopback udp 127.0.0.1 5060
`)
	for pair := range pairs {
		fmt.Fprintf(&text, `server-group sip group callee%d loopback
 element ip-address %s %d udp q-value 1.0 weight 10
 failover-resp-codes 503
 exit
`, pair, calleeAt(pair).Addr(), calleeAt(pair).Port())
	}
	text.WriteString("route table numbers\n")
	for number := range routesBeside {
		fmt.Fprintf(&text, " key 4940%04d response 404\n", number)
	}
	for pair := range pairs {
		fmt.Fprintf(&text, " key %s target-destination callee%d loopback\n", calledNumber(pair), pair)
	}
	text.WriteString(` exit
policy lookup numbers
 sequence 1 numbers request-uri uri-component user
  rule prefix
  exit
 exit
trigger condition inward
 sequence 1
  in-network loopback
  exit
 exit
trigger routing sequence 10 policy numbers condition inward
sbc bench
 sbe
  adjacency sip caller
   network loopback
   exit
  cac-policy-set 1
   first-cac-scope call
   first-cac-table calls
   cac-table calls
    table-type limit all
    entry 1
     cac-scope src-adjacency
     max-num-calls 100000
     max-call-rate-per-scope 1000000
     action cac-complete
     exit
    exit
   exit
  exit
 exit
`)
	return text.String()
}

// ours is our proxy.
type ours struct{ *lab.Proxy }

func startOurs(where *lab.Namespace, program string, pairs int, flags ...string) (ours, error) {
	p, err := where.StartProxy(program, ownConfig(pairs), flags...)
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
	{"proxy.cac", map[string]any{"sbc": "bench", "set": 1}, func(a countedAnswer) (admitted int64) {
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
