package link

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Revision is a commit as a process receives it: the text of a whole
// configuration is first prepared, then switched to. What was switched to is
// kept in a file, so that the process comes back with it after a crash.
type Revision struct {
	Process string // in the names of its methods: "proxy"
	File    string // where it is kept; empty keeps it nowhere
	// Parse reads a revision with the grammar of the appliance.
	Parse func(text string) (*model.Config, error)
	// Prepare checks c and gets ready, changing nothing; Apply puts what was
	// prepared last in force. Either may be nil.
	Prepare func(c *model.Config) error
	Apply   func() error
	Log     *slog.Logger

	mu       sync.Mutex
	prepared *RevisionText          // nil: none
	current  atomic.Pointer[string] // the name of the one in force; nil: none
}

// RevisionText is the parameter of prepare, and what is kept.
type RevisionText struct {
	// ID is model.RevisionID of the whole revision, of which Text may be what
	// the process needs; empty: that of Text.
	ID   string `json:"id,omitempty"`
	Text string `json:"revision"`
}

// Methods are prepare and switch, for control and root.
func (r *Revision) Methods() Methods {
	return Methods{
		r.Process + ".prepare": func(ctx context.Context, text RevisionText) error {
			if err := OnlyControl(ctx); err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.prepare(text)
		},
		r.Process + ".switch": func(ctx context.Context) error {
			if err := OnlyControl(ctx); err != nil {
				return err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.switchOver()
		},
	}
}

// Use prepares text and switches to it.
func (r *Revision) Use(text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.use(RevisionText{Text: text})
}

func (r *Revision) use(text RevisionText) error {
	if err := r.prepare(text); err != nil {
		return err
	}
	return r.switchOver()
}

// Recall comes back with the revision of an earlier life of the process, unless
// control has brought one or is about to. One that is missing is waited for:
// control offers it again. The file is gone while it is tried, so a revision
// that crashes the process is not recalled twice.
func (r *Revision) Recall() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.prepared != nil || r.current.Load() != nil {
		return nil
	}
	content, err := os.ReadFile(r.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.Remove(r.File)
	}
	var text RevisionText
	if err == nil {
		err = json.Unmarshal(content, &text)
	}
	if err == nil {
		err = r.use(text)
	}
	if err != nil {
		return fmt.Errorf("recall the revision in %s: %w", r.File, err)
	}
	return nil
}

// ID names the revision in force. It waits for nothing.
func (r *Revision) ID() string {
	current := r.current.Load()
	if current == nil {
		return model.RevisionID("")
	}
	return *current
}

// prepare needs mu.
func (r *Revision) prepare(text RevisionText) error {
	r.prepared = nil
	text.ID = cmp.Or(text.ID, model.RevisionID(text.Text))
	config, err := r.Parse(text.Text)
	if err == nil && r.Prepare != nil {
		err = r.Prepare(config)
	}
	r.Log.Debug("revision looked at", "revision", text.ID, "against", err)
	switch {
	case isOutOfRoom(err):
		return Passing(err)
	case err != nil:
		return err
	}
	r.prepared = &text
	return nil
}

// errNotPrepared is the answer to a switch without a revision to switch to: the
// process has started anew since it prepared one.
var errNotPrepared = Passing(errors.New("no revision is prepared"))

// switchOver needs mu.
func (r *Revision) switchOver() error {
	if r.prepared == nil {
		return errNotPrepared
	}
	if r.Apply != nil {
		if err := r.Apply(); err != nil {
			return err
		}
	}
	text := r.prepared
	r.current.Store(&text.ID)
	r.prepared = nil
	r.Log.Debug("revision switched to", "revision", text.ID)
	if r.File == "" {
		return nil
	}
	content, err := json.Marshal(text)
	if err == nil {
		err = storage.WriteFile(r.File, content, 0o600)
	}
	if err != nil {
		r.Log.Error("the revision is in force but not kept", "error", err)
	}
	return nil
}
