package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/billing/segment"
)

func TestAppendNextDone(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, Options{Dir: dir}, em0, xml1)
	ems, xml := c.Cursor(em0.Name), c.Cursor(xml1.Name)
	appendAll(t, c, event(1), event(2), cdr(2), event(3))
	got := ems.now(t)
	wantTexts(t, "event messages", got, []string{"1", "2", "3"})
	if want := event(2); got[1].Seq != 2 || got[1].Kind != EM || got[1].Call != want.Call || got[1].Source != want.Source {
		t.Errorf("record 2 = %+v; want %+v", got[1], want)
	}
	calls := xml.now(t)
	wantTexts(t, "call records", calls, []string{"2"})
	ems.Done(got[2].Seq)
	ems.Done(got[0].Seq)
	if ems.position != 2 {
		t.Errorf("with 1 and 3 done the position is %d; want 2", ems.position)
	}
	xml.Done(calls[0].Seq)
	c.Upkeep()
	if err := c.Close(); err != nil {
		t.Fatalf("Close = %v; want nil", err)
	}
	c = openTest(t, Options{Dir: dir}, em0, xml1)
	wantTexts(t, "event messages after a restart", c.Cursor(em0.Name).now(t), []string{"2", "3"})
	wantTexts(t, "call records after a restart", c.Cursor(xml1.Name).now(t), nil)
	if newest, known := c.Newest(); newest != event(3).Source || !known {
		t.Errorf("Newest = %+v, %v; want that of event 3", newest, known)
	}
}

func TestNextWaits(t *testing.T) {
	c := openTest(t, Options{Dir: t.TempDir()}, em0)
	r := c.Cursor(em0.Name)
	got := make(chan Record)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		for {
			record, err := r.Next(ctx)
			if err != nil {
				failed <- err
				return
			}
			got <- record
		}
	}()
	for n := 1; n <= 3; n++ {
		appendAll(t, c, event(n))
		if record := <-got; string(record.Payload) != fmt.Sprint(n) {
			t.Fatalf("Next = %s; want %d", record.Payload, n)
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v; want that it was cancelled", err)
	}
	go func() {
		_, err := r.Next(t.Context())
		failed <- err
	}()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Errorf("Next = %v; want ErrClosed", err)
	}
	if err := c.Append(events(4, 4)); !errors.Is(err, ErrClosed) {
		t.Errorf("Append = %v; want ErrClosed", err)
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	openTest(t, Options{Dir: dir}, em0)
	if _, err := Open(Options{Dir: dir, Box: testBox}, nil); !errors.Is(err, segment.ErrInUse) {
		t.Errorf("second Open = %v; want ErrInUse", err)
	}
	for _, bad := range [][]Consumer{{{"", 0}}, {{"a/b", 9}}, {em0, em0}} {
		if _, err := Open(Options{Dir: t.TempDir()}, bad); err == nil {
			t.Errorf("Open with consumers %v = nil; want an error", bad)
		}
	}
}

// A consumer that is new begins at the end, from the moment on that Open returns.
func TestNewConsumerBeginsAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, Options{Dir: dir}, em0)
	appendAll(t, c, events(1, 3)...)
	c.die()
	c = openTest(t, Options{Dir: dir}, em0, em1)
	appendAll(t, c, event(4))
	c.die()
	c = openTest(t, Options{Dir: dir}, em0, em1)
	wantTexts(t, "the old one's", c.Cursor(em0.Name).now(t), numbers(1, 4))
	wantTexts(t, "the new one's", c.Cursor(em1.Name).now(t), numbers(4, 4))
}

// What was written in another era says nothing about the events of this one,
// also when a life of this one had no event.
func TestEra(t *testing.T) {
	dir := t.TempDir()
	for life, test := range []struct {
		era     uint64
		newest  uint64 // event of Newest at the start
		appends int    // event
	}{{1, 0, 9}, {1, 9, 0}, {2, 0, 0}, {2, 0, 3}, {2, 3, 0}, {1, 0, 0}} {
		c := openTest(t, Options{Dir: dir, Era: test.era}, em0)
		if newest, known := c.Newest(); newest.Event != test.newest || !known {
			t.Errorf("life %d, of era %d: Newest = %+v, %v; want that of event %d", life, test.era, newest, known, test.newest)
		}
		if test.appends > 0 {
			appendAll(t, c, event(test.appends))
		}
		c.die()
	}
}

func TestSegmentsGo(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, Options{Dir: dir, segmentSize: 1 << 10}, em0, xml1)
	for n := 1; n <= 100; n++ {
		appendAll(t, c, event(n))
	}
	if count := len(segmentsIn(t, dir)); count < 5 {
		t.Fatalf("%d segments; want several", count)
	}
	r := c.Cursor(em0.Name)
	got := r.now(t)
	wantTexts(t, "reading", got, numbers(1, 100))
	done(r, got[:50])
	c.Upkeep()
	half := len(segmentsIn(t, dir))
	done(r, got[50:])
	c.Upkeep()
	if count := len(segmentsIn(t, dir)); count != 1 || half < 2 || half > 8 {
		t.Errorf("with half of the records done %d segments are left, with all %d; want about half, and 1", half, count)
	}
	if status := c.Status(); status.Records != 0 || !status.Oldest.IsZero() || status.Segments != 1 || status.Lost != 0 {
		t.Errorf("Status = %+v; want an empty cache", status)
	}
	c.die()
	c = openTest(t, Options{Dir: dir}, em0)
	if newest, _ := c.Newest(); newest.Event != 100 {
		t.Errorf("Newest = %+v; want event 100, though its segment may be gone", newest)
	}
	appendAll(t, c, event(101))
	if got := c.Cursor(em0.Name).now(t); len(got) != 1 || got[0].Seq != 101 {
		t.Errorf("after a restart = %+v; want record 101", got)
	}
}

func TestRewind(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []Options{{Dir: dir, segmentSize: 512}, {Dir: t.TempDir(), OnFailure: true}} {
		c := openTest(t, o, em0)
		r := c.Cursor(em0.Name)
		appendAll(t, c, events(1, 20)...)
		got := r.now(t)
		for _, n := range []int{1, 2, 5, 19} {
			r.Done(uint64(n))
		}
		for range 2 {
			r.Rewind()
			appendAll(t, c, event(21))
			got = r.now(t)
		}
		want := append(append(numbers(3, 4), numbers(6, 18)...), "20", "21", "21")
		wantTexts(t, "after Rewind", got, want)
		if status := c.Status().Consumers[0]; status.Records != int64(len(want)) {
			t.Errorf("%d records wait; want %d", status.Records, len(want))
		}
		done(r, got)
		if r.position != r.next || r.count != 0 || r.octets != 0 {
			t.Errorf("with all done position = %d, next = %d, %d records of %d octets in hand; want none", r.position, r.next, r.count, r.octets)
		}
	}
}

func TestOrphan(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, segmentSize: 1 << 10}
	c := openTest(t, o, em0, em1)
	for n := 1; n <= 40; n++ {
		appendAll(t, c, event(n))
	}
	c.die()
	c = openTest(t, o, em0) // em1 is not configured any more
	for n := 41; n <= 100; n++ {
		appendAll(t, c, event(n))
	}
	deliver := func() {
		done(c.Cursor(em0.Name), c.Cursor(em0.Name).now(t))
		c.Upkeep()
	}
	deliver()
	orphan := c.Status().Consumers[1]
	if orphan.Name != em1.Name || !orphan.Orphaned || orphan.Records != 40 || orphan.Bytes == 0 {
		t.Errorf("Status of the orphan = %+v; want 40 records", orphan)
	}
	if status := c.Status(); status.Records != 40 || status.Segments > 7 {
		t.Errorf("Status = %+v; want 40 records and not the segments behind them", status)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openTest(t, o, em0, em1) // it is back
	back := c.Cursor(em1.Name).now(t)
	if len(back) < 40 || !slices.Equal(texts(back[:40]), numbers(1, 40)) || c.Status().Lost != 0 {
		t.Errorf("what was kept = %v, %d lost; want 1 to 40 first, and none", texts(back), c.Status().Lost)
	}
	c.die()
	c = openTest(t, o, em0)
	if _, err := c.Clear("nobody"); err == nil {
		t.Error("Clear(nobody) = nil; want an error")
	}
	if dropped, err := c.Clear(em1.Name); dropped < 40 || err != nil {
		t.Errorf("Clear = %d, %v; want 40 and nil", dropped, err)
	}
	deliver()
	if status := c.Status(); len(status.Consumers) != 1 || status.Segments > 1 {
		t.Errorf("after Clear %+v; want nothing of the orphan", status)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*"+em1.Name)); left != nil || err != nil {
		t.Errorf("after Clear there are %v, %v; want no marks", left, err)
	}
}

// What is for others goes, although an idle consumer has something that waits.
func TestIdleConsumer(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, segmentSize: 4 << 10}
	c := openTest(t, o, em0, em1)
	appendAll(t, c, events(1, 5)...) // for both
	busy := c.Cursor(em0.Name)
	done(busy, busy.now(t))
	for first := 6; first < 1000; first += 10 {
		batch := events(first, first+9)
		for i := range batch {
			batch[i].To = 1 << em0.Place
		}
		appendAll(t, c, batch...)
		done(busy, busy.now(t))
		c.Upkeep()
	}
	for range 2 {
		if status := c.Status(); status.Segments > 3 || status.Consumers[1].Records != 5 {
			t.Fatalf("%d segments, %d records wait; want those with the 5 that wait, and the newest", status.Segments, status.Consumers[1].Records)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = openTest(t, o, em0, em1)
	}
	appendAll(t, c, event(1000))
	wantTexts(t, "what waited", c.Cursor(em1.Name).now(t), append(numbers(1, 5), "1000"))
	wantTexts(t, "of the busy one", c.Cursor(em0.Name).now(t), []string{"1000"})
}

func TestClearOfAConsumer(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, Options{Dir: dir}, em0, em1)
	appendAll(t, c, events(1, 10)...)
	r := c.Cursor(em0.Name)
	record, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if dropped, err := c.Clear(em0.Name); dropped != 10 || err != nil {
		t.Fatalf("Clear = %d, %v; want 10, nil", dropped, err)
	}
	r.Done(record.Seq)
	appendAll(t, c, event(11))
	wantTexts(t, "after Clear", r.now(t), numbers(11, 11))
	wantTexts(t, "the other one's", c.Cursor(em1.Name).now(t), numbers(1, 11))
	c.die()
	wantTexts(t, "after a restart", openTest(t, Options{Dir: dir}, em0).Cursor(em0.Name).now(t), numbers(11, 11))
}

// What a consumer has in hand is bounded.
func TestWindow(t *testing.T) {
	c := openTest(t, Options{Dir: t.TempDir()}, em0)
	record := event(1)
	record.Payload = nil
	batch := slices.Repeat([]Record{record}, 1000)
	for range window/1000 + 5 {
		appendAll(t, c, batch...)
	}
	r := c.Cursor(em0.Name)
	if got := r.now(t); len(got) != window {
		t.Fatalf("%d records are given out; want %d", len(got), window)
	}
	r.Done(2)
	if got := r.now(t); got != nil {
		t.Fatalf("with record 1 not done %d more come; want none", len(got))
	}
	r.Done(1)
	if got := r.now(t); len(got) != 2 || got[0].Seq != window+1 {
		t.Fatalf("with 1 and 2 done %d come; want 2", len(got))
	}
}

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	start := time.Unix(1_800_000_000, 0)
	now := start
	o := Options{Dir: dir, now: func() time.Time { return now }}
	c := openTest(t, o, em0, xml1)
	for n := range 10 {
		now = start.Add(time.Duration(n) * time.Minute)
		appendAll(t, c, event(n+1))
	}
	check := func(when string, records int64, oldest time.Time) {
		t.Helper()
		consumer := c.Status().Consumers[0]
		if consumer.Records != records || !consumer.Oldest.Equal(oldest) || records*int64(segment.FrameSize(recordHeader+1)) != consumer.Bytes {
			t.Errorf("%s: %+v; want %d records since %s", when, consumer, records, oldest)
		}
		if other := c.Status().Consumers[1]; other.Records != 0 || other.Bytes != 0 || !other.Oldest.IsZero() {
			t.Errorf("%s: %+v; want nothing", when, other)
		}
	}
	check("unread", 10, start)
	r := c.Cursor(em0.Name)
	var got []Record
	for range 4 {
		record, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, record)
	}
	check("four in hand", 10, start)
	done(r, got[:3])
	check("three done", 7, start.Add(3*time.Minute))
	c.Upkeep()
	c.die()
	c = openTest(t, o, em0, xml1)
	if consumer := c.Status().Consumers[0]; consumer.Records != 7 {
		t.Errorf("after a restart %+v; want 7 records", consumer)
	}
	r = c.Cursor(em0.Name)
	done(r, r.now(t))
	check("all done", 0, time.Time{})
}

func TestSettled(t *testing.T) {
	const all = ^uint64(0)
	c := openTest(t, Options{Dir: t.TempDir(), OnFailure: true}, em0, xml1)
	r, xml := c.Cursor(em0.Name), c.Cursor(xml1.Name)
	check := func(when string, want uint64) {
		t.Helper()
		if got := c.Settled(); got != want {
			t.Errorf("%s: Settled = %d; want %d", when, got, want)
		}
	}
	check("empty", all)
	first, second, own := event(5), event(5), event(0)
	first.Source.Last, second.Source.Index = false, 1
	own.Source = Source{}
	appendAll(t, c, own)
	check("with a record of no event", 0)
	done(r, r.now(t))
	xml.now(t)
	check("with that delivered", all)
	appendAll(t, c, first)
	check("with a half of event 5", 4)
	done(r, r.now(t))
	xml.now(t)
	check("with that half delivered", 4)
	appendAll(t, c, second, event(6))
	got := r.now(t)
	xml.now(t)
	r.Done(got[0].Seq)
	check("with event 5 delivered", 5)
	r.Hold(true)
	check("with the rest on the disk", all)
	if status := c.Status(); status.MemoryRecords != 0 || !status.Consumers[0].Held {
		t.Errorf("Status = %+v; want nothing in memory and a consumer that holds", status)
	}
	r.Hold(false)
	appendAll(t, c, event(7))
	check("with event 7 in memory", 6)
}

// With on-failure nothing is written while all goes well; what Hold wrote comes
// again after a crash, and what was delivered from memory leaves no loss behind.
func TestOnFailure(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, OnFailure: true}
	c := openTest(t, o, em0)
	r := c.Cursor(em0.Name)
	deliver := func(first, last int) {
		t.Helper()
		appendAll(t, c, events(first, last)...)
		got := r.now(t)
		wantTexts(t, "from memory", got, numbers(first, last))
		done(r, got)
	}
	deliver(1, 50)
	if status := c.Status(); status.MemoryRecords != 0 || status.Bytes > 300 {
		t.Fatalf("Status = %+v; want nothing in memory and nothing on the disk", status)
	}
	appendAll(t, c, events(51, 60)...)
	got := r.now(t)
	done(r, got[2:4])
	r.Hold(true)
	appendAll(t, c, events(61, 65)...)
	done(r, r.now(t))
	r.Hold(false)
	done(r, got)
	deliver(66, 90)
	appendAll(t, c, events(91, 95)...)
	r.Hold(true)
	r.Hold(false)
	wantTexts(t, "from the disk", r.now(t), numbers(91, 95))
	c.die()
	c = openTest(t, o, em0)
	r = c.Cursor(em0.Name)
	want := append(numbers(51, 65), numbers(91, 95)...)
	wantTexts(t, "after a crash", r.now(t), want)
	if c.Status().Lost != 0 {
		t.Errorf("Lost = %d; want 0", c.Status().Lost)
	}
	if newest, _ := c.Newest(); newest.Event != 95 {
		t.Errorf("Newest = %+v; want event 95", newest)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// Close writes what is in memory.
	c = openTest(t, o, em0)
	appendAll(t, c, events(96, 99)...)
	if err := c.Close(); err != nil {
		t.Errorf("Close = %v; want nil", err)
	}
	c = openTest(t, o, em0)
	wantTexts(t, "after Close", c.Cursor(em0.Name).now(t), append(want, numbers(96, 99)...))
}

func TestPrinter(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, Options{Dir: dir}, em0)
	appendAll(t, c, event(1), cdr(2))
	c.die()
	openTest(t, Options{Dir: dir}, em0).die()
	var out strings.Builder
	if err := segment.Dump(&out, dir, []segment.Printer{Printer(func(r Record) string { return "says " + string(r.Payload) })}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# mark at-packetcable-em-0: record 1, box 0700000000000000\n",
		"# em-00000001.jnl: segment 1, ",
		"\n1 2027-01-15T08:00:00.002000Z aeaaaaaaaaaaaaaaaaaa em event=1.0 to=0,1 says 1\n",
		" cdr event=2.0 to=8 says 2\n",
		"# after record 2, the newest of event 2.0; records for each place so far: [1 1 0 0 0 0 0 0 1]\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("Dump does not say %q; it says:\n%s", want, &out)
		}
	}
	if err := segment.Verify(&out, dir, []segment.Printer{Printer(nil)}); err != nil {
		t.Errorf("Verify = %v; want nil", err)
	}
}

func TestTooLongARecord(t *testing.T) {
	c := openTest(t, Options{Dir: t.TempDir()}, em0)
	long, longest := event(1), event(2)
	long.Payload, longest.Payload = make([]byte, MaxPayload+1), make([]byte, MaxPayload)
	appendAll(t, c, long, longest)
	if got := c.Cursor(em0.Name).now(t); len(got) != 1 || len(got[0].Payload) != MaxPayload || c.Status().Refused != 1 {
		t.Errorf("%d records, %d refused; want the one that fits, and 1", len(got), c.Status().Refused)
	}
}

// Nothing but the cache's own files is touched: it shares its directory with
// the journal of call events.
func TestNeighbours(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ev-00000001.jnl", "ack", "durable", "at-", "at-UPPER", "em-1.jnl", "em-00000001.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := openTest(t, Options{Dir: dir}, em0)
	appendAll(t, c, event(1))
	done(c.Cursor(em0.Name), c.Cursor(em0.Name).now(t))
	c.Upkeep()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 9 {
		t.Errorf("there are %v, %v; want the seven others, a segment and a mark", entries, err)
	}
}
