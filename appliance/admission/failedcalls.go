package admission

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"causeway/appliance/sip/hop"
	"causeway/appliance/sip/message"
)

// FailedCall is one entry of the failed-calls log (CP-8). URIs have neither
// password nor parameters.
type FailedCall struct {
	Time      time.Time `json:"time"` // when the INVITE came in
	CallID    string    `json:"call_id"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	URI       string    `json:"uri"` // Request-URI
	Network   string    `json:"network"`
	Adjacency string    `json:"adjacency"`
	Peer      string    `json:"peer"`               // "udp 192.0.2.1:5060"
	Out       string    `json:"out,omitempty"`      // adjacency that it went to, if it did
	OutPeer   string    `json:"out_peer,omitempty"` // address or host of the last target
	Status    int       `json:"status"`
	Reason    string    `json:"reason,omitempty"`
	Rule      string    `json:"rule,omitempty"` // of the box; empty: the callee refused
}

// The bounds of the log.
const (
	failedMost  = 10_000 // entries in memory
	failedQueue = 1_000  // entries that wait for the writer
	failedText  = 255    // octets of one text
)

// failedCalls is the log. Calls only put entries into a queue; what does not
// fit there is counted and lost.
type failedCalls struct {
	queue chan *FailedCall
	lost  atomic.Int64

	mu      sync.Mutex    // over what follows: the writer and operators
	kept    []*FailedCall // a ring once it is full
	oldest  int           // of the ring
	written int64         // entries since the process started
	file    failedFile
}

func newFailedCalls(dir string, log *slog.Logger) *failedCalls {
	return &failedCalls{queue: make(chan *FailedCall, failedQueue), file: failedFile{dir: dir, log: log}}
}

// LogsFailures says whether calls that fail are wanted for the log.
func (g *Gate) LogsFailures() bool { return g.plan.Load().logsFailures }

// Failed brings a call into the failed-calls log, if that is switched on.
func (g *Gate) Failed(f *hop.Failure) {
	if g.LogsFailures() {
		g.failed.add(newFailedCall(f))
	}
}

func (l *failedCalls) add(call *FailedCall) {
	select {
	case l.queue <- call:
	default:
		l.lost.Add(1)
	}
}

// newFailedCall copies what the log keeps.
func newFailedCall(f *hop.Failure) *FailedCall {
	m := f.In.Message
	call := &FailedCall{
		Time: f.Began, Status: f.Status, Reason: f.Reason, Rule: f.Rule,
		CallID: text(m.Get(m.CallID)), From: party(m, m.From), To: party(m, m.To), URI: message.PlainURI(m.Raw, m.URI, failedText),
		Network: f.In.Network, Peer: f.In.Transport.String() + " " + f.In.Remote.String(),
	}
	if f.In.Adjacency != nil {
		call.Adjacency = f.In.Adjacency.Name
	}
	if out := f.Out; out != nil {
		if out.Adjacency != nil {
			call.Out = out.Adjacency.Name
		}
		call.OutPeer = out.Host
		if out.Address.IsValid() {
			call.OutPeer = out.Address.String()
		}
	}
	return call
}

func text(b []byte) string { return string(b[:min(len(b), failedText)]) }

// party is the URI of a From or To.
func party(m *message.Message, value message.Span) string {
	address, err := message.ParseNameAddr(m.Raw, value)
	if err != nil {
		return ""
	}
	return message.PlainURI(m.Raw, address.URI, failedText)
}

// run writes what comes until ctx ends, and then what is there.
func (l *failedCalls) run(ctx context.Context) {
	for {
		select {
		case call := <-l.queue:
			l.write(call)
		case <-ctx.Done():
			l.write(nil)
			return
		}
	}
}

// write keeps one entry and all that wait behind it.
func (l *failedCalls) write(call *FailedCall) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if call != nil {
			l.keep(call)
			l.file.add(call)
		}
		select {
		case call = <-l.queue:
		default:
			l.file.flush()
			return
		}
	}
}

func (l *failedCalls) keep(call *FailedCall) {
	l.written++
	if len(l.kept) < failedMost {
		l.kept = append(l.kept, call)
		return
	}
	l.kept[l.oldest] = call
	l.oldest = (l.oldest + 1) % failedMost
}

// clear forgets all entries, those in the files too.
func (l *failedCalls) clear() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept, l.oldest = nil, 0
	return l.file.remove()
}

// FailedCallsQuery says which entries are wanted: the newest Last ones that
// have all that is given.
type FailedCallsQuery struct {
	Last int    `json:"last"`
	Rule string `json:"rule"` // part of it: "cac entry 1"
	From string `json:"from"` // part of the caller's URI
}

// FailedCallsStatus is the answer, entries oldest first.
type FailedCallsStatus struct {
	On      bool          `json:"on"`
	Written int64         `json:"written"` // since the process started
	Lost    int64         `json:"lost"`    // came too fast
	Problem string        `json:"problem"` // why the file is not written; empty if it is
	Calls   []*FailedCall `json:"calls"`
}

func (l *failedCalls) status(q FailedCallsQuery) FailedCallsStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	status := FailedCallsStatus{Written: l.written, Lost: l.lost.Load(), Problem: l.file.problem}
	for i := len(l.kept) - 1; i >= 0 && len(status.Calls) < q.Last; i-- {
		call := l.kept[(l.oldest+i)%len(l.kept)]
		if strings.Contains(call.Rule, q.Rule) && strings.Contains(call.From, q.From) {
			status.Calls = append(status.Calls, call)
		}
	}
	slices.Reverse(status.Calls)
	return status
}
