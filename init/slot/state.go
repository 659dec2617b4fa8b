package slot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"time"

	"golang.org/x/mod/semver"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// state is what outlives a restart: the authority on which slot the box starts
// from. What the firmware keeps follows it.
type state struct {
	Blessed string           `json:"blessed"` // the slot that the box starts from
	Floor   string           `json:"floor"`   // the lowest version that the box takes; empty: any
	Images  map[string]image `json:"images"`  // by slot; one that is not here holds nothing that is known
	Trial   *trial           `json:"trial"`   // nil: none is about to be, or goes on
	Last    *model.TrialEnd  `json:"last"`
	// Returned: the box was restarted because it ran neither from the blessed
	// slot nor on trial. It is done once.
	Returned bool `json:"returned"`
}

// image is what was put in a slot.
type image struct {
	Version string `json:"version"`
	SHA256  string `json:"sha256"` // of its file; empty: it was never read
	Proven  bool   `json:"proven"` // it was blessed once
	Failed  bool   `json:"failed"` // its last trial
}

// trial is one that goes on or is about to.
type trial struct {
	Slot     string         `json:"slot"`
	Version  string         `json:"version"`
	Operator model.Operator `json:"operator"`
	Confirm  bool           `json:"confirm"`
	Limit    time.Duration  `json:"limit"`
	Started  bool           `json:"started"` // the firmware has started it; false: it is to do so next
	Reason   string         `json:"reason"`  // why it has to end; empty as long as nothing is wrong
}

// check says what no state may be.
func (s *state) check() error {
	if !isSlot(s.Blessed) {
		return fmt.Errorf("%q is blessed, which is no slot", s.Blessed)
	}
	if s.Floor != "" && !semver.IsValid(s.Floor) {
		return fmt.Errorf("floor %q is not like v1.2.3", s.Floor)
	}
	for name := range s.Images {
		if !isSlot(name) {
			return fmt.Errorf("%q has an image, which is no slot", name)
		}
	}
	if t := s.Trial; t != nil && (!isSlot(t.Slot) || t.Limit < shortestTrial || t.Limit > model.LongestTrial) {
		return fmt.Errorf("%q is on trial for %v", t.Slot, t.Limit)
	}
	return nil
}

// longestState bounds the file, in octets.
const longestState = 64 << 10

// errDamaged is that of a file that was not written so.
var errDamaged = errors.New("it is damaged")

// castagnoli is the polynomial of the sum in the last line of the file.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode gives the content of the file: JSON in one line, its CRC in another.
func (s *state) encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(text, "\n%08x\n", crc32.Checksum(text, castagnoli)), nil
}

func decode(content []byte) (*state, error) {
	text, sum, _ := bytes.Cut(content, []byte("\n"))
	if want := fmt.Sprintf("%08x\n", crc32.Checksum(text, castagnoli)); string(sum) != want {
		return nil, errDamaged
	}
	s := &state{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if s.Images == nil {
		s.Images = map[string]image{}
	}
	return s, nil
}

// readState reads the file; nil if there is none. One that is damaged is set
// aside as FILE.bad, and is none too; the error says so.
func readState(file string) (*state, error) {
	content, err := storage.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var s *state
	switch {
	case err == nil && len(content) > longestState:
		err = errDamaged
	case err == nil:
		s, err = decode(content)
	}
	if errors.Is(err, errDamaged) {
		err = errors.Join(fmt.Errorf("%s: %w, and set aside as .bad", file, err), os.Rename(file, file+".bad"))
	}
	return s, err
}

// save writes the file.
func (s *state) save(file string) error {
	content, err := s.encode()
	if err == nil && len(content) > longestState {
		err = fmt.Errorf("%d octets are more than the %d that are read again", len(content), longestState)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return storage.WriteFile(file, content, 0o640)
}
