package lab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
)

// Chronyd starts chrony in the namespace as an NTP server at that address. It
// hands on this machine's clock, which it does not touch (-x). dir is an empty
// folder for its files.
func (n *Namespace) Chronyd(ctx context.Context, peers *Peers, dir string, at netip.Addr) (*Process, error) {
	config := filepath.Join(dir, "chrony.conf")
	text := fmt.Sprintf("local stratum 2\nallow\nbindaddress %s\ncmdport 0\nbindcmdaddress /\npidfile %s\n",
		at, filepath.Join(dir, "pid"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("prepare chronyd: %w", err)
	}
	command, err := peers.Command(ctx, "chronyd", "-x", "-d", "-u", "root", "-f", config)
	if err != nil {
		return nil, err
	}
	chronyd, err := n.Run("chronyd", command)
	if err != nil {
		return nil, err
	}
	if _, err := chronyd.Await(ctx, `Disabled control of system clock`); err != nil {
		chronyd.Kill()
		return nil, err
	}
	return chronyd, nil
}
