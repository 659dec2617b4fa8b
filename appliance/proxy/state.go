package proxy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"runtime"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/sip"
	"causeway/appliance/storage"
)

// methods are what the other processes may ask.
func (p *process) methods() link.Methods {
	methods := p.revision.Methods()
	for _, more := range []link.Methods{p.options.Debug, p.gate.Methods(), p.router.Methods(), p.servers.Methods(), p.locator.Methods(), p.trace.Methods(), p.core.Methods()} {
		maps.Copy(methods, more)
	}
	methods["proxy.grant"] = func(ctx context.Context, g model.Grant) error {
		if err := link.OnlyControl(ctx); err != nil {
			return err
		}
		return p.takeGrant(g)
	}
	methods["proxy.gone"] = func(_ context.Context, keys sip.Keys) (sip.Keys, error) { return p.gone(keys) }
	methods["proxy.runtime"] = link.ForOperators(func(context.Context, struct{}) (Runtime, error) { return readRuntime(), nil })
	methods["proxy.status"] = func(context.Context) (model.ProxyStatus, error) { return p.status(), nil }
	return methods
}

// gone gives those of the calls that the proxy does not know any more. What it
// knows of their ends is in the journal when it answers: who reads that to its
// end takes none for lost that was hung up. Only who has a key can ask.
func (p *process) gone(asked sip.Keys) (sip.Keys, error) {
	gone, err := p.core.Gone(asked)
	if err == nil && p.journal != nil {
		err = p.commitEvents()
	}
	if err != nil {
		return sip.Keys{}, fmt.Errorf("say which calls are over: %w", err)
	}
	return gone, nil
}

// Runtime is what the process holds: what a leak would show in.
type Runtime struct {
	HeapOctets uint64 `json:"heap_octets"` // in use, after a collection
	Goroutines int    `json:"goroutines"`
}

// readRuntime collects garbage and looks at what is left.
func readRuntime() Runtime {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return Runtime{HeapOctets: memory.HeapAlloc, Goroutines: runtime.NumGoroutine()}
}

func (p *process) takeGrant(g model.Grant) error {
	p.grants.Lock() // the file must hold the grant in force
	defer p.grants.Unlock()
	if err := p.gate.SetGrant(g); err != nil {
		return err
	}
	p.options.Log.Debug("grant taken", "generation", g.Generation, "calls", g.Now.Calls, "limit_cps", g.Now.LimitCPS)
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
	if err := p.revision.Recall(); err != nil {
		p.options.Log.Error("the kept revision does not serve", "error", err)
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
	status := model.ProxyStatus{Revision: p.revision.ID()}
	status.Grant, _ = p.gate.Grant()
	p.core.Status(&status)
	for _, conditions := range [][]model.Condition{p.gate.Conditions(), p.router.Conditions(), p.servers.Conditions()} {
		status.Alarms = append(status.Alarms, conditions...)
	}
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
