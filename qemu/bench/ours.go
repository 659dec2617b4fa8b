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

// Counted asks it what it has counted.
func (o ours) Counted(ctx context.Context, calls int) error {
	return nil
}
