package dhcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// lease is what a server gave a port, with its times on CLOCK_BOOTTIME.
type lease struct {
	model.Lease
	Domain string `json:",omitempty"`
	MTU    int    `json:",omitempty"` // octets; 0: not said
	Via    MAC    // the station that the server's frames come from
	Owner  MAC    // the address of the interface that asked

	Obtained time.Duration
	Renew    time.Duration // T1
	Rebind   time.Duration // T2
	Expire   time.Duration // forever if it never ends
}

// forever is the end of a lease without end (RFC 2131 §3.3).
const forever = time.Duration(1<<63 - 1)

// kept is what is kept of a port over a restart of this process: its file in
// ClientOptions.Dir, a JSON object. It does not outlive the boot.
type kept struct {
	Lease    *lease `json:",omitempty"`
	Released bool   // an operator gave the address back
}

func keptFile(dir string, port model.Port) string {
	return filepath.Join(dir, "dhcp-"+strings.ToLower(port.String())+".json")
}

// recall reads what is kept of a port. A lease that could not have been
// written, because it is not one a client takes, is an error.
func recall(dir string, port model.Port, now time.Duration) (kept, error) {
	path := keptFile(dir, port)
	text, err := storage.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, fmt.Errorf("read the lease of %v: %w", port, err)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return kept{}, fmt.Errorf("read the lease of %v from %s: %w", port, path, err)
	}
	if l := k.Lease; l != nil {
		ordered := l.Obtained <= l.Renew && l.Renew <= l.Rebind && l.Rebind <= l.Expire
		if err := usable(l.Address); err != nil || !hostAddress(l.Server) || l.Port != port || !ordered || l.Obtained > now {
			return kept{}, fmt.Errorf("read the lease of %v from %s: it is not one of this boot and port", port, path)
		}
		if l.Expire <= now {
			k.Lease = nil
		}
	}
	return k, nil
}

// keep writes it; nothing kept is no file.
func keep(dir string, port model.Port, k kept) error {
	path := keptFile(dir, port)
	if k == (kept{}) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forget the lease of %v: %w", port, err)
		}
		return nil
	}
	text, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("keep the lease of %v: %w", port, err)
	}
	if err := storage.WriteFile(path, text, 0o600); err != nil {
		return fmt.Errorf("keep the lease of %v: %w", port, err)
	}
	return nil
}
