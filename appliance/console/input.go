package console

import (
	"io"
	"sync"
	"time"
)

// input reads ahead of the session: so a serial line without flow control
// loses nothing while a command runs, and Ctrl-C is seen while one does. It also
// knows for how long nobody has typed.
type input struct {
	mu        sync.Mutex
	changed   sync.Cond
	unread    []byte
	err       error       // after unread; nil while more may come
	interrupt func()      // what Ctrl-C does; nil: it is a key like others
	silence   *time.Timer // runs out when nothing came for patient; nil: nobody waits for that
	patient   time.Duration
	last      time.Time // when something came
}

// readAheadMax is how much is read ahead, in octets: a pasted configuration of
// 10,000 lines. What comes then waits on the line.
const readAheadMax = 1 << 20

func newInput() *input {
	in := &input{}
	in.changed.L = &in.mu
	return in
}

// fill reads until from or the input ends.
func (in *input) fill(from io.Reader) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if !in.add(buffer[:n], err) {
			return
		}
	}
}

// add reports whether more is wanted.
func (in *input) add(typed []byte, err error) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, b := range typed {
		if b == ctrlC && in.interrupt != nil {
			in.unread = nil
			in.interrupt()
			continue
		}
		in.unread = append(in.unread, b)
	}
	if len(typed) > 0 {
		in.last = time.Now()
		if in.silence != nil {
			in.silence.Reset(in.patient)
		}
	}
	if in.err == nil {
		in.err = err
	}
	in.changed.Broadcast()
	for len(in.unread) >= readAheadMax && in.err == nil {
		in.changed.Wait()
	}
	return in.err == nil
}

// end drops what was read ahead; reads fail with err.
func (in *input) end(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.unread, in.err = nil, err
	in.changed.Broadcast()
}

// cancel does what Ctrl-C does, without anybody typing it.
func (in *input) cancel() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.unread = nil
	if in.interrupt != nil {
		in.interrupt()
	} else {
		in.unread = []byte{ctrlC}
	}
	in.changed.Broadcast()
}

// onSilence has does called when nothing came for so long, until stop.
func (in *input) onSilence(patient time.Duration, does func()) (stop func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	timer := time.AfterFunc(patient, does)
	in.silence, in.patient = timer, patient
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		timer.Stop()
		in.silence = nil
	}
}

// lastKey is when something came last.
func (in *input) lastKey() time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.last
}

// readByte waits for the next octet.
func (in *input) readByte() (byte, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.unread) == 0 {
		if in.err != nil {
			return 0, in.err
		}
		in.changed.Wait()
	}
	b := in.unread[0]
	in.unread = in.unread[1:]
	in.changed.Broadcast()
	return b, nil
}

// onInterrupt sets what Ctrl-C does, until restore.
func (in *input) onInterrupt(does func()) (restore func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	before := in.interrupt
	in.interrupt = does
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.interrupt = before
	}
}
