package logging

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"causeway/appliance/storage"
)

// positions are how far each server is in the ring of this boot. They are kept
// in a file, so that a restart of the process does not send all of it again.
type positions struct {
	path string
	boot string

	mu   sync.Mutex
	next map[string]uint64 // the Seq to send next, by the server's name
}

// kept is the content of the file.
type kept struct {
	Boot string            `json:"boot"`
	Next map[string]uint64 `json:"next"`
}

// load reads the file; those of another boot are worth nothing.
func (p *positions) load() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = map[string]uint64{}
	text, err := storage.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var file kept
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		return fmt.Errorf("read the positions of the syslog servers: %w", err)
	}
	if file.Boot == p.boot && file.Next != nil {
		p.next = file.Next
	}
	return nil
}

func (p *positions) get(server string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next[server]
}

func (p *positions) set(server string, next uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next[server] == next {
		return nil
	}
	p.next[server] = next
	text, err := json.Marshal(kept{p.boot, p.next})
	if err != nil {
		return fmt.Errorf("keep the positions of the syslog servers: %w", err)
	}
	return storage.WriteFile(p.path, text, 0o640)
}
