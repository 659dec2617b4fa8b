package billing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Revision is what billing.prepare takes: the text of a whole configuration.
type Revision struct {
	Revision string `json:"revision"`
}

// methods are what the other processes may ask.
func (p *process) methods() link.Methods {
	return link.Methods{
		"billing.prepare": func(ctx context.Context, r Revision) error {
			if err := mayCommand(ctx); err != nil {
				return err
			}
			return p.prepare(r.Revision)
		},
		"billing.switch": func(ctx context.Context) error {
			if err := mayCommand(ctx); err != nil {
				return err
			}
			return p.switchOver()
		},
		"billing.status": func(context.Context) (model.BillingStatus, error) { return p.report(), nil },
	}
}

// mayCommand lets control and root command billing; on a plain host also who
// runs it.
func mayCommand(ctx context.Context) error {
	uid, known := link.PeerUID(ctx)
	if known && (uid == 0 || uid == model.UIDControl || uid == uint32(os.Getuid())) {
		return nil
	}
	return fmt.Errorf("user %d may not command billing: only control may", uid)
}

// prepare checks a revision; switchOver puts it in force.
func (p *process) prepare(text string) error {
	if _, err := p.options.Parse(text); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.prepared = text
	return nil
}

// errNotPrepared is the answer to a switch without a revision to switch to.
var errNotPrepared = errors.New("no revision is prepared")

func (p *process) switchOver() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.prepared == "" {
		return errNotPrepared
	}
	if err := storage.WriteFile(p.revisionFile(), []byte(p.prepared), 0o640); err != nil {
		return err
	}
	p.revision, p.prepared = p.prepared, ""
	return nil
}

// recall comes back with the revision of an earlier life since this boot. One
// that is missing or does not serve is waited for: control offers it again.
func (p *process) recall() {
	text, err := os.ReadFile(p.revisionFile())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		_, err = p.options.Parse(string(text))
	}
	if err != nil {
		p.options.Log.Error("the kept revision does not serve", "error", err)
		return
	}
	p.revision = string(text)
}

func (p *process) revisionFile() string {
	return filepath.Join(p.options.Run, "billing", "revision")
}

func (p *process) report() model.BillingStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return model.BillingStatus{
		Revision:  model.RevisionID(p.revision),
		OpenCalls: len(p.calls),
		Journal:   p.status,
		Counters:  maps.Clone(p.counters),
	}
}
