package load

import (
	"fmt"
	"strings"
)

// Billed, behind a Config, has all calls recorded.
const Billed = `sbc ` + SBC + `
 sbe
  billing
   method xml
   xml 0
    attach
    exit
   activate
   exit
  exit
 exit
`

// routesBeside is how many routes the table has that no call takes.
const routesBeside = 1000

// SBC is the name of its session border controller.
const SBC = "load"

// Config is a proxy of that many flows, with all that a box has: calls are routed
// by a table and a server group, and admitted by a policy set.
func Config(flows int) string {
	var text strings.Builder
	text.WriteString(`hostname load
sip network loopback
 exit
sip listen loopback udp 127.0.0.1 5060
`)
	for n := range flows {
		fmt.Fprintf(&text, `server-group sip group callee%d loopback
 element ip-address %s %d udp q-value 1.0 weight 10
 failover-resp-codes 503
 exit
`, n, CalleeAt(n).Addr(), CalleeAt(n).Port())
	}
	text.WriteString("route table numbers\n")
	for number := range routesBeside {
		fmt.Fprintf(&text, " key 4940%04d response 404\n", number)
	}
	for n := range flows {
		fmt.Fprintf(&text, " key %s target-destination callee%d loopback\n", Number(n), n)
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
sbc ` + SBC + `
 sbe
  adjacency sip caller
   network loopback
   exit
  cac-policy-set 1
   first-cac-scope call
   first-cac-table calls
   cac-table calls
    table-type policy-set
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
