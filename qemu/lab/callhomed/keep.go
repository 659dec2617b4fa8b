package callhomed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"causeway/appliance/storage"
	"causeway/qemu/lab/authority"
)

// ErrNoMessage means that nothing with that number was taken.
var ErrNoMessage = errors.New("no such message")

// errNotKept means that a message is right, but could not be kept.
var errNotKept = errors.New("the message cannot be kept")

// Delivery is a message that was taken: what came first of all that had the same
// ID and went to the same place.
type Delivery struct {
	Number      int       `json:"number"` // from 1
	Message     Message   `json:"message"`
	Over        Over      `json:"over"`
	To          string    `json:"to"`     // the URL, or the e-mail addresses
	Format      string    `json:"format"` // "xml", "json", "long-text" or "short-text"
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	Repeated    int       `json:"repeated"` // how often it came again
	From        string    `json:"from"`     // address and port
	TLS         string    `json:"tls,omitempty"`
	Certificate string    `json:"certificate,omitempty"` // subject of the one that the client has shown
	Head        string    `json:"head"`                  // what came before Raw: of the request of HTTP, or of SMTP
	Raw         []byte    `json:"raw"`                   // the body of the request, or the whole e-mail
}

// Arrival is something that came, and what became of it.
type Arrival struct {
	Time   time.Time `json:"time"`
	Over   Over      `json:"over"`
	From   string    `json:"from"`
	ID     string    `json:"id,omitempty"`
	Result string    `json:"result"` // "taken", "repeated", notTaken, or why it is refused
	Fault  FaultKind `json:"fault,omitempty"`
	Octets []byte    `json:"octets,omitempty"` // of what was not taken
}

// Results of an arrival; others say why it was refused.
const (
	wasTaken    = "taken"
	wasRepeated = "repeated"
	notTaken    = "not taken"
)

// mostArrivals is how many are remembered.
const mostArrivals = 1000

// Files in the folder of a server: its authority, and one for each message.
const (
	authorityFile = "authority.json"
	messageFile   = "message-%06d.json"
)

// takeUp reads what a server has kept; a new one founds its authority.
func (s *Server) takeUp() error {
	s.authority = &authority.Authority{}
	err := s.readFile(authorityFile, s.authority)
	if s.options.Dir == "" || errors.Is(err, fs.ErrNotExist) {
		if s.authority, err = authority.New("Lab Call Home Root CA", s.options.Now()); err == nil {
			err = s.writeFile(authorityFile, s.authority)
		}
		return err
	}
	if err != nil {
		return err
	}
	for number := 1; ; number++ {
		d := &Delivery{}
		err := s.readFile(fmt.Sprintf(messageFile, number), d)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		s.taken = append(s.taken, d)
	}
}

// readFile reads a file of the folder.
func (s *Server) readFile(name string, into any) error {
	if s.options.Dir == "" {
		return nil
	}
	path := filepath.Join(s.options.Dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// writeFile writes a file of the folder, if there is one.
func (s *Server) writeFile(name string, value any) error {
	if s.options.Dir == "" {
		return nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return storage.WriteFile(filepath.Join(s.options.Dir, name), text, 0o600)
}

// take keeps a message before its sender gets an answer. One that came before is
// counted only.
func (s *Server) take(d *Delivery) (result string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	at := slices.IndexFunc(s.taken, func(t *Delivery) bool { return t.Message.ID == d.Message.ID && t.To == d.To })
	if at >= 0 {
		result = wasRepeated
		d = s.taken[at]
		d.Repeated++
	} else {
		result = wasTaken
		d.Number, d.First = len(s.taken)+1, now
	}
	d.Last = now
	if err := s.writeFile(fmt.Sprintf(messageFile, d.Number), d); err != nil {
		return "", fmt.Errorf("%w: %w", errNotKept, err)
	}
	if at < 0 {
		s.taken = append(s.taken, d)
	}
	return result, nil
}

// log remembers an arrival, and forgets the oldest when there are many.
func (s *Server) log(a Arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Time = s.options.Now()
	if len(s.arrivals) == mostArrivals {
		s.arrivals = slices.Delete(s.arrivals, 0, 1)
	}
	s.arrivals = append(s.arrivals, a)
}

// Arrivals are the last ones since the server was started, oldest first.
func (s *Server) Arrivals() []Arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Arrival{}, s.arrivals...)
}

// Deliveries are all messages that were taken, in the order in which they came.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := []Delivery{}
	for _, d := range s.taken {
		all = append(all, *d)
	}
	return all
}

// Delivery is the message with that number.
func (s *Server) Delivery(number int) (Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < 1 || number > len(s.taken) {
		return Delivery{}, fmt.Errorf("%w: %d", ErrNoMessage, number)
	}
	return *s.taken[number-1], nil
}

// Newest is the last message of a box of that kind.
func (s *Server) Newest(serial, kind string) (Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range slices.Backward(s.taken) {
		if d.Message.Serial() == serial && d.Message.Kind == kind {
			return *d, nil
		}
	}
	return Delivery{}, fmt.Errorf("%w: %s of %s", ErrNoMessage, kind, serial)
}
