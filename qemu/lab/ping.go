package lab

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	probing "github.com/prometheus-community/pro-bing"
)

// Ping asks an address for echoes until one comes.
func (n *Namespace) Ping(ctx context.Context, to netip.Addr) error {
	for {
		pinger := probing.New(to.String())
		pinger.Count, pinger.Timeout = 1, time.Second
		pinger.SetPrivileged(true)
		err := n.Do(func() error { return pinger.RunWithContext(ctx) })
		switch {
		case err == nil && pinger.Statistics().PacketsRecv > 0:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("ping %s: %w", to, context.Cause(ctx))
		case err != nil:
			return fmt.Errorf("ping %s: %w", to, err)
		}
	}
}
