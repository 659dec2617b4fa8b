package access

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// lockFile is what is kept of the lockout. It has no time of day: a box whose
// clock is wrong, or was off, keeps a name locked for as long as was left.
type lockFile struct {
	Boot  string            `json:"boot"` // which boot of the box the times are of
	At    time.Duration     `json:"at"`   // when it was written
	Names map[string]*tries `json:"names"`
}

// format gives the file of what is counted. l.mu is held.
func (l *lockout) format() []byte {
	f := lockFile{Boot: l.boot, At: l.uptime(), Names: make(map[string]*tries)}
	for key, t := range l.names {
		t.forget(f.At)
		if t.Until > 0 || len(t.Failures) > 0 {
			f.Names[key] = t
		}
	}
	content, err := json.Marshal(f)
	if err != nil {
		panic("access: " + err.Error()) // it is strings and numbers
	}
	return content
}

// parseLocks reads a lockFile. The times of another boot become what they would
// be had no time passed since it was written.
func parseLocks(content []byte, boot string, now time.Duration) (map[string]*tries, error) {
	var f lockFile
	if err := json.Unmarshal(content, &f); err != nil {
		return nil, fmt.Errorf("read the failures to log in: %w", err)
	}
	if len(f.Names) > namesMost+usersMax || f.At < 0 || f.Boot == boot && f.At > now {
		return nil, errors.New("read the failures to log in: they are not of this box")
	}
	shift := time.Duration(0)
	if f.Boot != boot {
		shift = now - f.At
	}
	names := make(map[string]*tries, len(f.Names))
	for key, t := range f.Names {
		if octets, err := hex.DecodeString(key); err != nil || len(octets) != nameKeySize || !t.fits(f.At) {
			return nil, fmt.Errorf("read the failures to log in: the entry %.20q is damaged", key)
		}
		for i := range t.Failures {
			t.Failures[i] += shift
		}
		if t.Until > 0 {
			t.Until += shift
		}
		t.inFile = true
		names[key] = t
	}
	return names, nil
}

// fits reports whether this can have been known at a time.
func (t *tries) fits(at time.Duration) bool {
	return t != nil && len(t.Failures) < failuresMost && slices.IsSorted(t.Failures) &&
		!slices.ContainsFunc(t.Failures, func(f time.Duration) bool { return f > at || f < at-failureSpan }) &&
		t.Until >= 0 && t.Until <= at+lockTime
}
