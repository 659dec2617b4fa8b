package logging

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"causeway/appliance/model"
)

// limit bounds every wait of these tests; none of them takes that long.
const limit = 30 * time.Second

// eventually waits until met gives an empty string.
func eventually(t testing.TB, what string, met func() string) {
	t.Helper()
	var missing string
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if missing = met(); missing == "" {
			return
		}
	}
	t.Fatalf("%s: %s", what, missing)
}

// kernel is a ring of entries as init serves it.
type kernel struct {
	mu      sync.Mutex
	entries []model.LogEntry
	next    uint64
	holds   int // entries at most; 0: all
	asked   int
	fault   error
}

// say writes lines of the proxy.
func (k *kernel) say(texts ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, text := range texts {
		k.entries = append(k.entries, model.LogEntry{Seq: k.next, Time: noon, Priority: daemonDebug, Text: "proxy: level=INFO msg=" + text})
		k.next++
	}
	if k.holds > 0 && len(k.entries) > k.holds {
		k.entries = k.entries[len(k.entries)-k.holds:]
	}
}

// sayMany writes lines that are numbered by their Seq.
func (k *kernel) sayMany(n int) {
	for range n {
		k.mu.Lock()
		next := k.next
		k.mu.Unlock()
		k.say(fmt.Sprint("line-", next))
	}
}

func (k *kernel) fail(fault error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fault = fault
}

// read is init.log.
func (k *kernel) read(ctx context.Context, q model.LogQuery) (page model.LogPage, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if k.fault != nil {
		return page, k.fault
	}
	page.Next = q.From
	for _, e := range k.entries {
		if e.Seq >= q.From && len(page.Entries) < q.Max {
			page.Entries, page.Next = append(page.Entries, e), e.Seq+1
		}
	}
	return page, ctx.Err()
}

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// TestRing: who follows gets new entries without a question of his own, and
// who is behind gets what he missed.
func TestRing(t *testing.T) {
	k := &kernel{}
	k.sayMany(2*pageSize + 10)
	r := newRing(k.read)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.follow(ctx, time.Millisecond, slog.New(slog.DiscardHandler)) }()
	defer func() { cancel(); <-ended }()

	var next uint64
	take := func() (n int) {
		for {
			entries, more, err := r.since(ctx, next)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Seq != next {
					t.Fatalf("entry %d comes after %d", e.Seq, next-1)
				}
				next++
				n++
			}
			if n > 0 && len(entries) == 0 {
				return n
			}
			if len(entries) == 0 {
				select {
				case <-more:
				case <-time.After(limit):
					t.Fatal("no entry comes")
				}
			}
		}
	}
	for next < 2*pageSize+10 {
		take()
	}
	if r.behind(7) != 2*pageSize+3 || r.behind(next) != 0 || r.behind(next+1) != 0 {
		t.Errorf("behind(7), behind(all), behind(more) = %d, %d, %d; want %d, 0, 0", r.behind(7), r.behind(next), r.behind(next+1), 2*pageSize+3)
	}
	k.say("one more")
	if n := take(); n != 1 {
		t.Errorf("after one more line there are %d; want 1", n)
	}
}

// TestRingSilent: init does not answer for a while; that is told once.
func TestRingSilent(t *testing.T) {
	k, log := &kernel{}, &journal{}
	k.fail(context.DeadlineExceeded)
	r := newRing(k.read)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); r.follow(ctx, time.Millisecond, log.logger()) }()
	defer func() { cancel(); <-ended }()
	eventually(t, "questions", func() string {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.asked < 10 {
			return fmt.Sprint(k.asked)
		}
		return ""
	})
	k.fail(nil)
	k.say("x")
	eventually(t, "the line", func() string {
		if entries, _, err := r.since(ctx, 0); err != nil || len(entries) != 1 {
			return fmt.Sprint(entries, err)
		}
		return ""
	})
	if n := bytes.Count([]byte(log.String()), []byte("the log cannot be read")); n != 1 {
		t.Errorf("it is told %d times that init does not answer; want once", n)
	}
}
