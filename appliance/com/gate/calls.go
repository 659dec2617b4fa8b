package gate

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"causeway/appliance/com/wire"
	"causeway/appliance/storage/database"
)

// The buckets of the file: idem → begun and idem → outcome, as JSON.
var (
	bucketBegun    = []byte("begun")
	bucketOutcomes = []byte("outcomes")
)

// What is kept.
const (
	mostKept      = 1024
	longestKept   = 24 * time.Hour
	longestResult = 64 << 10 // octets
)

// begun is a signed call that was let through.
type begun struct {
	Call    string    `json:"call"` // what tells it from others; see callOf
	Time    time.Time `json:"time"`
	Expires time.Time `json:"expires"` // until then it might be played again
}

// outcome is what came of it: a result, or an error with its code.
type outcome struct {
	Result  json.RawMessage `json:"result,omitempty"`
	Long    bool            `json:"long,omitempty"` // the result was not kept
	Code    int             `json:"code,omitempty"` // of an Error; 0: of another error
	Message string          `json:"message,omitempty"`
}

// outcomeOf is that of a handler.
func outcomeOf(result json.RawMessage, err error) outcome {
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		return outcome{Code: refusal.Code, Message: refusal.Message}
	case err != nil:
		return outcome{Message: err.Error()}
	}
	return outcome{Result: result}
}

// answer is what the handler gave.
func (o *outcome) answer() (json.RawMessage, error) {
	switch {
	case o.Code != 0:
		return nil, &Error{o.Code, o.Message}
	case o.Message != "":
		return nil, errors.New(o.Message)
	case o.Long:
		return nil, Refuse(wire.CodeReplay, "this is done already; its result was too long to be kept")
	}
	return o.Result, nil
}

// callOf tells signed calls apart. A repetition over another session has
// another signature and is the same call.
func callOf(a *admitted) string { return a.operator + " " + a.name + " " + digest(a.params) }

// callStore keeps what was called lately by its idem, so that nothing is done
// twice: on disk, as the answer may have been lost because the box lost power.
type callStore struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	db      *bbolt.DB // nil: not opened yet, or not to be had
	over    bool      // it was closed for good
	running map[string]bool
}

func newCallStore(path string, log *slog.Logger) *callStore {
	return &callStore{path: path, log: log, running: map[string]bool{}}
}

// lookup gives what came of a call before; found is false of a new one. One that
// has begun and shows no outcome is an error, and so is an idem of another call.
func (s *callStore) lookup(idem, call string) (o outcome, found bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.use(func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error {
			o, found, err = s.read(tx, idem, call)
			return err
		})
	})
	return o, found, err
}

// read is lookup in a transaction. s.mu is held.
func (s *callStore) read(tx *bbolt.Tx, idem, call string) (o outcome, found bool, err error) {
	first, outcomes := tx.Bucket(bucketBegun), tx.Bucket(bucketOutcomes)
	if first == nil || outcomes == nil {
		return o, false, nil // a new file
	}
	text := first.Get([]byte(idem))
	if text == nil {
		return o, false, nil
	}
	b, err := parseBegun(text)
	result := outcomes.Get([]byte(idem))
	switch {
	case err != nil:
		return o, true, fmt.Errorf("the call %s: %w", idem, err)
	case b.Call != call:
		return o, true, Refuse(wire.CodeReplay, "this idem was used for another call")
	case s.running[idem]:
		return o, true, Refuse(wire.CodeBusy, "this has begun at %s and is not done yet", b.Time.Format(time.RFC3339))
	case result == nil:
		return o, true, Refuse(wire.CodeReplay, "this has begun at %s, and what came of it is not known", b.Time.Format(time.RFC3339))
	}
	if o, err = parseOutcome(result); err != nil {
		return o, true, fmt.Errorf("the outcome of call %s: %w", idem, err)
	}
	return o, true, nil
}

// parseBegun reads a value of bucketBegun.
func parseBegun(text []byte) (b begun, err error) {
	if err := json.Unmarshal(text, &b); err != nil {
		return begun{}, err
	}
	if b.Call == "" || b.Time.IsZero() || b.Expires.IsZero() {
		return begun{}, errors.New("it is not whole")
	}
	return b, nil
}

// parseOutcome reads a value of bucketOutcomes.
func parseOutcome(text []byte) (o outcome, err error) {
	if err := json.Unmarshal(text, &o); err != nil {
		return outcome{}, err
	}
	if o.Result == nil && o.Message == "" && o.Code == 0 && !o.Long {
		return outcome{}, errors.New("it is not whole")
	}
	return o, nil
}

// begin notes a call before it runs. One that is there already is an error, as
// of lookup, or CodeReplay. done must be called in the end.
func (s *callStore) begin(idem string, b begun) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.use(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			if _, found, err := s.read(tx, idem, b.Call); err != nil || found {
				return cmp.Or(err, Refuse(wire.CodeReplay, "this is done already"))
			}
			return s.add(tx, idem, b, text)
		})
	})
	if err == nil {
		s.running[idem] = true
	}
	return err
}

// add writes a call and makes room for it. s.mu is held.
func (s *callStore) add(tx *bbolt.Tx, idem string, b begun, text []byte) error {
	first, err := tx.CreateBucketIfNotExists(bucketBegun)
	if err != nil {
		return err
	}
	outcomes, err := tx.CreateBucketIfNotExists(bucketOutcomes)
	if err != nil {
		return err
	}
	old, left, err := s.superfluous(first, b.Time)
	if err != nil {
		return err
	}
	if left >= mostKept {
		return Refuse(wire.CodeBusy, "too much was called in the last %v", wire.LongestLife)
	}
	for _, key := range old {
		if err := errors.Join(first.Delete(key), outcomes.Delete(key)); err != nil {
			return err
		}
	}
	return first.Put([]byte(idem), text)
}

// superfluous are the keys that are not needed, or not as much as a new one, and
// how many are left then: never one that could be played again, or that runs.
func (s *callStore) superfluous(first *bbolt.Bucket, now time.Time) (keys [][]byte, left int, err error) {
	type kept struct {
		key  []byte
		time time.Time
	}
	var over []kept // that could go
	err = first.ForEach(func(key, text []byte) error {
		left++
		b, fault := parseBegun(text)
		age := now.Sub(b.Time)
		switch {
		case s.running[string(key)]:
		case fault != nil, age > longestKept, age < -longestKept:
			keys = append(keys, key)
		case b.Expires.Before(now):
			over = append(over, kept{key, b.Time})
		}
		return nil
	})
	left -= len(keys)
	slices.SortFunc(over, func(a, b kept) int { return a.time.Compare(b.time) })
	for _, old := range over[:min(len(over), max(0, left-mostKept+1))] {
		keys = append(keys, old.key)
		left--
	}
	return keys, left, err
}

// done notes what came of a call.
func (s *callStore) done(idem string, o outcome) error {
	if len(o.Result) > longestResult {
		o.Result, o.Long = nil, true
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, idem)
	return s.use(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			if begun := tx.Bucket(bucketBegun); begun == nil || begun.Get([]byte(idem)) == nil {
				return errors.New("the file that it had begun in is set aside")
			}
			return tx.Bucket(bucketOutcomes).Put([]byte(idem), text)
		})
	})
}

// use does something with the file, and opens it first where that is needed. One
// that is damaged is set aside as path.bad, and the next call has a new one: what
// is signed counts in one session only, so nothing old can be played again. s.mu
// is held.
func (s *callStore) use(do func(*bbolt.DB) error) error {
	if s.over {
		return errOver
	}
	err := database.Guard(func() error {
		if s.db == nil {
			if err := s.open(); err != nil {
				return err
			}
		}
		return do(s.db)
	})
	if errors.Is(err, database.ErrDamaged) {
		s.db = nil // not closed: that may wait for ever for a lock that is left held
		err = errors.Join(err, os.Rename(s.path, s.path+".bad"))
		s.log.Error("the calls of COM so far are set aside", "error", err)
	}
	return err
}

// open opens the file, or makes it.
func (s *callStore) open() (err error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o750); err != nil { // init makes it; a plain host has no init
		return err
	}
	s.db, err = database.Open(s.path)
	switch {
	case err == nil:
		return nil
	case database.IsPassing(err):
		return fmt.Errorf("open %s: %w", s.path, err)
	}
	return fmt.Errorf("open %s: %w: %w", s.path, database.ErrDamaged, err)
}

func (s *callStore) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	return s.closed()
}

// closed closes the file, if it is open. s.mu is held.
func (s *callStore) closed() error {
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return db.Close()
}
