package callhome

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
	"causeway/appliance/storage/database"
)

// The buckets of the file.
var (
	bucketMessages = []byte("messages") // ID → message.Message as JSON
	bucketState    = []byte("state")

	keyState = []byte("state") // → state as JSON
)

// state is what is kept beside the messages, whole in every write.
type state struct {
	Last     uint64                 `json:"last"`     // number given to a message
	Waiting  map[string][]*delivery `json:"waiting"`  // by ID; in memory the queue has them
	Monthly  map[string]made        `json:"monthly"`  // by group
	Seen     []model.CallHomeSeen   `json:"seen"`     // alerts
	Recent   []model.CallHomeEntry  `json:"recent"`   // that ended, newest first
	Dropped  map[string]int64       `json:"dropped"`  // deliveries, by why
	Tallies  map[string]tally       `json:"tallies"`  // by profile
	Upgrades []message.Upgrade      `json:"upgrades"` // oldest first
}

// made is what was made of a group that is due every month.
type made struct {
	Last    time.Time `json:"last"`
	Months  []string  `json:"months"`  // "2026-05", oldest first
	Refused string    `json:"refused"` // the month whose message the vendor has refused; empty: none
}

// tally counts what went to a profile.
type tally struct {
	Sent     int64     `json:"sent"`
	Failed   int64     `json:"failed"` // attempts; those after the last write are lost with a cut
	Dropped  int64     `json:"dropped"`
	LastSent time.Time `json:"last_sent"`
	Error    string    `json:"error"` // of the last attempt
}

// empty is the state of a box that never called.
func empty() state {
	return state{Monthly: map[string]made{}, Dropped: map[string]int64{}, Tallies: map[string]tally{}}
}

// store is the file. It follows what the CallHome has in memory and is read only
// when it is opened.
type store struct {
	path string
	db   *bbolt.DB
}

// openStore opens the file at path, or makes it (database.OpenAside). Without a
// store the error says why nothing can be kept.
func openStore(path string) (s *store, kept state, messages []*message.Message, err error) {
	_ = os.MkdirAll(filepath.Dir(path), 0o750) // init makes it; a plain host has no init
	db, err := database.OpenAside(path, func(tx *bbolt.Tx) (err error) {
		kept = empty()
		messages, err = read(tx, &kept)
		return err
	})
	switch {
	case db == nil:
		return nil, empty(), nil, fmt.Errorf("messages of Call Home are kept in memory only: %w", err)
	case err != nil:
		err = fmt.Errorf("messages of Call Home: %w", err)
	}
	return &store{path, db}, kept, messages, err
}

// read reads the whole file and checks that it makes sense. Messages come in the
// order of their IDs, which is that of their age.
func read(tx *bbolt.Tx, kept *state) (messages []*message.Message, err error) {
	if name, _ := tx.Cursor().First(); name == nil {
		return nil, nil // a new file
	}
	if tx.Bucket(bucketMessages) == nil || tx.Bucket(bucketState) == nil {
		return nil, fmt.Errorf("%w: a bucket is not there", database.ErrDamaged)
	}
	if err := json.Unmarshal(tx.Bucket(bucketState).Get(keyState), kept); err != nil {
		return nil, fmt.Errorf("%w: the state: %w", database.ErrDamaged, err)
	}
	if kept.Monthly == nil || kept.Dropped == nil || kept.Tallies == nil {
		return nil, fmt.Errorf("%w: a part of the state is not there", database.ErrDamaged)
	}
	err = tx.Bucket(bucketMessages).ForEach(func(id, text []byte) error {
		m := new(message.Message)
		if err := json.Unmarshal(text, m); err != nil {
			return fmt.Errorf("%w: a message: %w", database.ErrDamaged, err)
		}
		if string(id) != m.ID || len(kept.Waiting[m.ID]) == 0 {
			return fmt.Errorf("%w: message %q is not where it belongs", database.ErrDamaged, m.ID)
		}
		if slices.ContainsFunc(kept.Waiting[m.ID], func(d *delivery) bool { return d == nil || d.Attempts < 0 }) {
			return fmt.Errorf("%w: a delivery of message %q", database.ErrDamaged, m.ID)
		}
		messages = append(messages, m)
		return nil
	})
	if err == nil && len(messages) != len(kept.Waiting) {
		err = fmt.Errorf("%w: of %d messages there are %d", database.ErrDamaged, len(kept.Waiting), len(messages))
	}
	return messages, err
}

// write brings the file up to date, in one transaction that survives a power cut
// when it returns. After an error all is tried again with the next one.
func (s *store) write(now state, queue []*queued) error {
	waiting := map[string]*queued{}
	for _, q := range queue {
		waiting[q.ID] = q
	}
	err := database.Guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			err := database.Mirror(tx, bucketMessages, waiting, func(q *queued) ([]byte, error) { return q.text, nil })
			if err != nil {
				return err
			}
			return database.PutJSON(tx, bucketState, keyState, now)
		})
	})
	if err != nil {
		return fmt.Errorf("keep messages of Call Home in %s: %w", s.path, err)
	}
	return nil
}

func (s *store) close() error { return database.Guard(s.db.Close) }
