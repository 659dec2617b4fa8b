package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// supported are the services that support access opens.
var supported = []string{model.COMCLI, model.COMConfig, model.COMFiles, model.COMTunnelSSH, model.COMTunnelWeb}

func opensSupport(service string) bool { return slices.Contains(supported, service) }

// support is the access that an operator of the box opens for a time. It stays
// open when control starts anew, and not when the box does.
type support struct {
	file   string
	uptime func() time.Duration
	log    *slog.Logger

	mu sync.Mutex
	supportState
}

// supportState is what the file has.
type supportState struct {
	Until    time.Duration  `json:"until"` // CLOCK_BOOTTIME
	Operator model.Operator `json:"operator"`
}

// loadSupport gives the access that an earlier life of control knew, if any.
func loadSupport(o Options) *support {
	s := &support{file: o.Support, uptime: o.Uptime, log: o.Log}
	text, err := storage.ReadFile(s.file)
	if err == nil {
		s.supportState, err = parseSupport(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Error("support access is closed", "error", fmt.Errorf("read %s: %w", s.file, err))
	}
	return s
}

// parseSupport reads the content of the file.
func parseSupport(text []byte) (s supportState, err error) {
	if err := json.Unmarshal(text, &s); err != nil {
		return supportState{}, err
	}
	if s.Until < 0 {
		return supportState{}, errors.New("it is open until before the start of the box")
	}
	return s, nil
}

// left is how long it is open still; 0: it is closed.
func (s *support) left() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.Until - s.uptime()
	if left > LongestSupport { // of no box that has been up for so long
		return 0
	}
	return max(0, left)
}

// set opens it for a time from now on, or closes it with 0.
func (s *support) set(length time.Duration, by model.Operator) error {
	if length != 0 && (length < ShortestSupport || length > LongestSupport) {
		return fmt.Errorf("support access is open for %v to %v", ShortestSupport, LongestSupport)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.supportState = supportState{Operator: by}
	if length > 0 {
		s.Until = s.uptime() + length
	}
	s.log.Warn("support access over COM", "open for", length, "by", by)
	text, err := json.Marshal(s.supportState)
	if err == nil {
		err = storage.WriteFile(s.file, text, 0o640)
	}
	if err != nil && length == 0 { // what a later life of control must not find open
		return fmt.Errorf("support access is closed until control starts anew: %w", err)
	}
	if err != nil {
		s.log.Error("support access ends when control starts anew", "error", err)
	}
	return nil
}

// status is how it stands, for show commands.
func (s *support) status() SupportStatus {
	left := s.left()
	if left == 0 {
		return SupportStatus{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return SupportStatus{Left: left, By: s.Operator.String()}
}

// SupportLeft is how long support access is open still; 0: it is closed.
func (g *Gate) SupportLeft() time.Duration { return g.support.left() }
