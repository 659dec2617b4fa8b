package proxy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Revision is what proxy.prepare takes: the text of a whole configuration.
type Revision struct {
	Revision string `json:"revision"`
}

// methods are what the other processes may ask.
func (p *process) methods() link.Methods {
	return link.Methods{
		"proxy.prepare": func(ctx context.Context, r Revision) error {
			if err := mayCommand(ctx); err != nil {
				return err
			}
			return p.prepare(r.Revision)
		},
		"proxy.switch": func(ctx context.Context) error {
			if err := mayCommand(ctx); err != nil {
				return err
			}
			return p.switchOver()
		},
		"proxy.grant": func(ctx context.Context, g model.Grant) error {
			if err := mayCommand(ctx); err != nil {
				return err
			}
			return p.takeGrant(g)
		},
		"proxy.status": func(context.Context) (model.ProxyStatus, error) { return p.status(), nil },
	}
}

// mayCommand lets control and root command the proxy; on a plain host also who
// runs it.
func mayCommand(ctx context.Context) error {
	uid, known := link.PeerUID(ctx)
	if known && (uid == 0 || uid == model.UIDControl || uid == uint32(os.Getuid())) {
		return nil
	}
	return fmt.Errorf("user %d may not command the proxy: only control may", uid)
}

// prepare checks a revision and binds what it needs; switchOver puts it in force.
func (p *process) prepare(text string) error {
	config, err := p.options.Parse(text)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.core.Prepare(&config.SIP); err != nil {
		return err
	}
	p.prepared = text
	return nil
}

func (p *process) switchOver() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.core.Switch(); err != nil {
		return err
	}
	p.revision = p.prepared
	if p.options.Config != "" {
		return nil
	}
	return storage.WriteFile(p.stateFile("revision"), []byte(p.revision), 0o640)
}

func (p *process) takeGrant(g model.Grant) error {
	if err := p.gate.SetGrant(g); err != nil {
		return err
	}
	text, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("keep the grant: %w", err)
	}
	return storage.WriteFile(p.stateFile("grant"), text, 0o640)
}

// recall comes back with the revision and the grant of an earlier life since
// this boot. What is missing or unreadable is waited for: control offers both
// again.
func (p *process) recall() {
	if text, err := os.ReadFile(p.stateFile("revision")); err == nil {
		if err := errors.Join(p.prepare(string(text)), p.switchOver()); err != nil {
			p.options.Log.Error("the kept revision does not serve", "error", err)
		}
	}
	if text, err := os.ReadFile(p.stateFile("grant")); err == nil {
		var grant model.Grant
		if err := json.Unmarshal(text, &grant); err != nil {
			p.options.Log.Error("the kept grant does not serve", "error", err)
		} else if err := p.gate.SetGrant(grant); err != nil {
			p.options.Log.Error("the kept grant does not serve", "error", err)
		}
	}
}

func (p *process) status() model.ProxyStatus {
	p.mu.Lock()
	revision := p.revision
	p.mu.Unlock()
	status := model.ProxyStatus{Revision: model.RevisionID(revision)}
	status.Grant, _ = p.gate.Grant()
	p.core.Status(&status)
	return status
}

// keySize is the length of the key that signs call keys, in octets.
const keySize = 32

// loadKey reads the key, or makes it when there is none yet: dialogs that were
// set up with it are known again as long as it lasts.
func loadKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err == nil && len(key) == keySize {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the call key: %w", err)
	}
	key = make([]byte, keySize)
	rand.Read(key) // never fails (crypto/rand)
	if err := storage.WriteFile(path, key, 0o600); err != nil {
		return nil, fmt.Errorf("keep the call key: %w", err)
	}
	return key, nil
}
