package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Event is something that QEMU reported on its own, such as SHUTDOWN, RESET or
// WATCHDOG.
type Event struct {
	Name string    `json:"event"`
	Data EventData `json:"data"`
	At   time.Time `json:"-"` // when we read it
}

// EventData is the part of an event's data that the tests use.
type EventData struct {
	Guest  bool   `json:"guest"`  // the guest asked for it
	Reason string `json:"reason"` // "guest-shutdown", "guest-reset", "host-qmp-quit", …
	Device string `json:"device"` // the id of one that went away
	Status string `json:"status"` // how far MIGRATION is: "active", "completed", "failed", …
}

// monitor speaks QEMU's machine protocol (QMP) on one connection.
type monitor struct {
	conn    io.ReadWriteCloser
	answers chan answer // with room for those whose callers went away

	mu      sync.Mutex
	events  []Event
	changed chan struct{} // closed at each event and at the end
	ended   bool

	turn sync.Mutex // held by the one command under way
	last int        // id of the last command; guarded by turn
}

type answer struct {
	ID     int             `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Description string `json:"desc"`
	} `json:"error"`
}

// newMonitor takes conn over and negotiates.
func newMonitor(ctx context.Context, conn io.ReadWriteCloser) (*monitor, error) {
	m := &monitor{conn: conn, answers: make(chan answer, 8), changed: make(chan struct{})}
	go m.read()
	if err := m.execute(ctx, "qmp_capabilities", nil); err != nil {
		conn.Close()
		return nil, err
	}
	return m, nil
}

// read sorts what comes in into answers and events until the connection ends.
func (m *monitor) read() {
	defer close(m.answers)
	decoder := json.NewDecoder(m.conn)
	for {
		var message struct {
			Event
			answer
			Greeting json.RawMessage `json:"QMP"`
		}
		err := decoder.Decode(&message)
		switch {
		case err != nil:
			m.note(nil)
			return
		case message.Name != "":
			message.At = time.Now()
			m.note(&message.Event)
		case message.Greeting == nil:
			m.answers <- message.answer
		}
	}
}

// note records an event, or the end of the connection.
func (m *monitor) note(event *Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if event != nil {
		m.events = append(m.events, *event)
	} else {
		m.ended = true
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// execute runs one command and waits for its answer.
func (m *monitor) execute(ctx context.Context, command string, arguments map[string]any) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	m.last++
	request := map[string]any{"execute": command, "id": m.last}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return fmt.Errorf("QMP %s: %w", command, err)
	}
	for {
		select {
		case answer, ok := <-m.answers:
			switch {
			case !ok:
				return fmt.Errorf("QMP %s: %w", command, io.EOF)
			case answer.ID != m.last:
				continue // of a command whose caller went away
			case answer.Error != nil:
				return fmt.Errorf("QMP %s: %w", command, errors.New(answer.Error.Description))
			}
			return nil
		case <-ctx.Done():
			return fmt.Errorf("QMP %s: %w", command, context.Cause(ctx))
		}
	}
}

// event waits until the n-th event (from 1) of that name has come.
func (m *monitor) event(ctx context.Context, name string, n int) (Event, error) {
	seen := 0
	return m.first(ctx, "event "+name, func(e Event) bool {
		if e.Name == name {
			seen++
		}
		return seen == n
	})
}

// first waits for the first event since the start that is wanted; what is
// said of it in an error. It asks once about each.
func (m *monitor) first(ctx context.Context, what string, wanted func(Event) bool) (Event, error) {
	for asked := 0; ; {
		m.mu.Lock()
		events, changed, ended := m.events, m.changed, m.ended
		m.mu.Unlock()
		for ; asked < len(events); asked++ {
			if wanted(events[asked]) {
				return events[asked], nil
			}
		}
		if ended {
			return Event{}, fmt.Errorf("wait for QEMU to say %s: %w", what, io.EOF)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Event{}, fmt.Errorf("wait for QEMU to say %s: %w", what, context.Cause(ctx))
		}
	}
}
