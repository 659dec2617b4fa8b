package trace

import (
	"context"
	"net/netip"
	"time"

	"causeway/appliance/link"
	"causeway/appliance/sip/message"
)

// Query is what proxy.trace-show takes.
type Query struct {
	After int    `json:"after"` // only messages with greater numbers
	Last  int    `json:"last"`  // only so many of the newest; 0: all
	Call  string `json:"call"`  // only of this Call-ID; empty: of all
	Brief bool   `json:"brief"` // without their texts
}

// Page is its answer.
type Page struct {
	Status
	Traced []Traced `json:"traced"` // oldest first
	More   bool     `json:"more"`   // after the last of them
	Next   int      `json:"next"`   // the After to ask for more with
}

// Traced is one message.
type Traced struct {
	Number    int            `json:"number"` // within the tracing
	Time      time.Time      `json:"time"`
	Sent      bool           `json:"sent"`
	Transport string         `json:"transport"`
	Local     netip.AddrPort `json:"local"`
	Remote    netip.AddrPort `json:"remote"`
	Summary   string         `json:"summary"` // "INVITE (SDP)", "200 OK"
	Text      string         `json:"text"`
}

// Methods are what the proxy serves of the trace buffer: all of them to
// operators only, since a trace tells who talks to whom.
func (b *Buffer) Methods() link.Methods {
	return link.Methods{
		"proxy.trace-start": link.ForOperators(func(_ context.Context, r Request) (Status, error) { return b.Start(r) }),
		"proxy.trace-stop":  link.ForOperators(func(context.Context, struct{}) (Status, error) { return b.Stop(), nil }),
		"proxy.trace-show":  link.ForOperators(func(_ context.Context, q Query) (Page, error) { return b.page(q), nil }),
	}
}

// page reads about chunkSize of what is kept. Messages are taken apart without
// the lock that the call path takes.
func (b *Buffer) page(q Query) Page {
	if q.Last > 0 {
		q.After = max(q.After, b.before(q))
	}
	b.mu.Lock()
	p := Page{Status: b.status(), Next: q.After}
	b.mu.Unlock()
	var m message.Message
	for size := 0; size < chunkSize; {
		records, octets, more := b.chunk(p.Next)
		for i := range records {
			r := &records[i]
			text := octets[:r.length]
			octets = octets[r.length:]
			p.Next = r.number
			m.Parse(text) // what cannot be read has no Call-ID
			if q.Call != "" && q.Call != string(m.Get(m.CallID)) {
				continue
			}
			traced := Traced{
				Number: r.number, Time: r.time, Sent: r.sent, Transport: r.transport.String(),
				Local: r.local, Remote: r.remote, Summary: summary(&m),
			}
			if !q.Brief {
				traced.Text = string(text)
			}
			size += len(text)
			p.Traced = append(p.Traced, traced)
		}
		if p.More = more; !more {
			break
		}
	}
	return p
}

// before gives the number that the last messages of a query come after.
func (b *Buffer) before(q Query) int {
	var numbers []int
	var m message.Message
	for next, more := q.After, true; more; {
		var records []record
		var octets []byte
		records, octets, more = b.chunk(next)
		for _, r := range records {
			next = r.number
			if m.Parse(octets[:r.length]); q.Call == "" || q.Call == string(m.Get(m.CallID)) {
				numbers = append(numbers, r.number)
			}
			octets = octets[r.length:]
		}
	}
	if len(numbers) <= q.Last {
		return q.After
	}
	return numbers[len(numbers)-q.Last-1]
}

// chunk copies messages with greater numbers than after, about chunkSize of
// them: their octets stand one after the other.
func (b *Buffer) chunk(after int) (records []record, octets []byte, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := b.kept.after(after)
	for ; i < b.kept.count && len(octets) < chunkSize; i++ {
		r := b.kept.record(i)
		records = append(records, *r)
		octets = append(octets, b.kept.octetsOf(r)...)
	}
	return records, octets, i < b.kept.count
}

// summary is a message in a few words.
func summary(m *message.Message) string {
	var words string
	switch {
	case m.IsResponse:
		words = string(m.Raw[min(len("SIP/2.0 "), len(m.Raw)):m.Reason.End])
	case m.MethodName.Empty():
		return "not SIP"
	default:
		words = string(m.Get(m.MethodName))
	}
	if kind, found := m.First(message.HeaderContentType); found && string(m.Get(kind.Value)) == "application/sdp" {
		words += " (SDP)"
	}
	return words
}
