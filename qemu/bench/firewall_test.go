package bench

import (
	"testing"
	"time"
)

func TestFirewallCost(t *testing.T) {
	cost := FirewallCost{Calls: 1000, On: 22 * time.Second, Off: 20 * time.Second, Idle: 30 * time.Millisecond, Retransmissions: 2}
	const want = "calls=1000\nfirewall_on_us_per_call=22000\nfirewall_off_us_per_call=20000\nratio=1.100\nidle_ms_per_s=30\nretransmissions=2\n"
	if got := cost.String(); got != want {
		t.Errorf("String() =\n%s\nwant\n%s", got, want)
	}
}
