package licensed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"causeway/appliance/storage"
)

// state is what outlives a restart.
type state struct {
	Authority hierarchy     `json:"authority"`
	Offset    time.Duration `json:"offset"` // of the clock, from this machine's
	Accounts  []*account    `json:"accounts"`
	Instances []*instance   `json:"instances"` // in the order of their registration
	NextID    int64         `json:"next_id"`   // serial number of the next ID certificate
}

// readState reads the file of the state. Without a file there is none.
func readState(file string) (*state, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if s.Authority.Root == nil || len(s.Authority.Signing) < 2 {
		return nil, fmt.Errorf("read %s: it has no certificates", file)
	}
	return s, nil
}

// save writes the state to its file. s.mu is held.
func (s *Server) save() error {
	if s.file == "" {
		return nil
	}
	text, err := json.Marshal(&s.state)
	if err == nil {
		err = storage.WriteFile(s.file, text, 0o600) // there are keys in it
	}
	if err != nil {
		return fmt.Errorf("keep the licence server's state: %w", err)
	}
	return nil
}
