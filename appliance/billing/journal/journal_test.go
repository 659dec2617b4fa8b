package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

func TestWriteReadAcknowledge(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	r := openReader(t, dir)
	if got := drain(t, r); got != nil {
		t.Fatalf("an empty journal gives %v; want nothing", got)
	}
	commit(t, w, batchOf(1, 3), &Batch{}, batchOf(4, 5))
	wantTexts(t, "first reading", drain(t, r), numbers(1, 5))
	commit(t, w, batchOf(6, 6))
	wantTexts(t, "second reading", drain(t, r), numbers(6, 6))
	if err := r.Ack(4); err != nil {
		t.Fatalf("Ack(4) = %v; want nil", err)
	}
	r.Close()
	got, lost := readAll(t, dir)
	wantTexts(t, "reading after Ack(4)", got, numbers(5, 6))
	if lost != 0 {
		t.Errorf("Lost = %d; want 0", lost)
	}
}

func TestAckRefusesWhatWasNotGivenOut(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	commit(t, w, batchOf(1, 3))
	r := openReader(t, dir)
	if err := r.Ack(1); err == nil {
		t.Error("Ack(1) before reading = nil; want an error")
	}
}

func TestOneWriterOneReader(t *testing.T) {
	dir := t.TempDir()
	openTest(t, dir, Options{})
	openReader(t, dir)
	if _, _, err := Open(dir, Options{Box: testBox}); err == nil || !strings.Contains(err.Error(), ErrInUse.Error()) {
		t.Errorf("second Open = %v; want ErrInUse", err)
	}
	if _, err := OpenReader(dir, testBox); err == nil || !strings.Contains(err.Error(), ErrInUse.Error()) {
		t.Errorf("second OpenReader = %v; want ErrInUse", err)
	}
}

// Segments stay within their size, and go when they are acknowledged.
func TestSegmentsRollAndGo(t *testing.T) {
	dir := t.TempDir()
	const size = 4096
	w, _ := openTest(t, dir, Options{SegmentSize: size})
	r := openReader(t, dir)
	ended := &Batch{}
	for n := 1; n <= 300; n++ {
		ended.Append(event(model.CallEnded, 1, n))
		if n < 100 || n == 300 { // one a commit, then many
			commit(t, w, ended)
			ended.Reset()
		}
	}
	paths := segmentsIn(t, dir)
	if len(paths) < 4 {
		t.Fatalf("%d segments; want several", len(paths))
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || info.Size() > size {
			t.Errorf("%s has %d octets, %v; want at most %d", path, info.Size(), err, size)
		}
	}
	wantTexts(t, "reading", drain(t, r), numbers(1, 300))
	if err := r.Ack(300); err != nil {
		t.Fatal(err)
	}
	if paths := segmentsIn(t, dir); len(paths) != 1 {
		t.Errorf("after Ack of all there are %v; want the newest segment only", paths)
	}
	commit(t, w, batchOf(301, 301))
	wantTexts(t, "reading on", drain(t, r), numbers(301, 301))
}

// A record that is written but not synced yet is not given out.
func TestReaderWaitsForDurability(t *testing.T) {
	dir := t.TempDir()
	r := openReader(t, dir)
	var early []string
	look := func() error {
		early = append(early, drain(t, r)...)
		return nil
	}
	w, _ := openTest(t, dir, Options{create: func(path string) (segment.Appendable, error) {
		f, err := segment.Create(path)
		return &faultyFile{Appendable: f, sync: look}, err
	}})
	commit(t, w, batchOf(1, 3))
	if early != nil {
		t.Errorf("before fdatasync the reader has %v; want nothing", early)
	}
	wantTexts(t, "after Commit", drain(t, r), numbers(1, 3))
}

// Open calls are found again however often the segments they began in went.
func TestOpenCallsSurvive(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{SegmentSize: 4096})
	r := openReader(t, dir)
	batch := &Batch{}
	batch.Append(event(model.CallOffered, 1, 1))
	batch.Append(event(model.CallAnswered, 1, 2))
	batch.Append(event(model.CallOffered, 2, 3))
	batch.Append(event(model.CallOffered, 3, 4))
	batch.Append(event(model.CallRefused, 3, 5))
	for n := 6; n < 300; n += 2 {
		batch.Append(event(model.CallOffered, 4, n))
		batch.Append(event(model.CallEnded, 4, n+1))
	}
	commit(t, w, batch)
	texts := drain(t, r)
	if err := r.Ack(uint64(len(texts))); err != nil {
		t.Fatal(err)
	}
	r.Close()
	for life := range 3 {
		w.die()
		var recovery *Recovery
		w, recovery = openTest(t, dir, Options{SegmentSize: 4096})
		want := []OpenCall{
			{Key: event(0, 1, 0).Key, Start: event(0, 1, 1).Time.UTC(), Answered: event(0, 1, 2).Time.UTC()},
			{Key: event(0, 2, 0).Key, Start: event(0, 2, 3).Time.UTC()},
		}
		if !slices.Equal(recovery.Calls, want) {
			t.Fatalf("life %d: open calls = %v; want %v", life, recovery.Calls, want)
		}
		reader := openReader(t, dir)
		if got := reader.Calls.List(); !slices.Equal(got, want) {
			t.Fatalf("life %d: the reader's open calls = %v; want %v", life, got, want)
		}
		reader.Close()
	}
}

// The reader's table of open calls stands where its acknowledgement stands.
func TestReaderCallsAtAcknowledgement(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{SegmentSize: 2048})
	const calls = 100
	for n := 1; n <= calls; n++ {
		batch := &Batch{}
		batch.Append(event(model.CallOffered, n, 2*n-1))
		if n > 10 {
			batch.Append(event(model.CallEnded, n-10, 2*n))
		}
		commit(t, w, batch)
	}
	for acked := 0; ; acked++ {
		r := openReader(t, dir)
		want := Calls{}
		if len(r.Calls) > 11 || acked > 30 && len(r.Calls) < 10 {
			t.Fatalf("after %d records %d calls are open; want 10 or 11", acked, len(r.Calls))
		}
		for key, times := range r.Calls {
			want[key] = times
		}
		record, ok, err := r.Poll()
		if err != nil || int(record.Seq) != acked+1 && ok {
			t.Fatalf("Poll = record %d, %v; want %d", record.Seq, err, acked+1)
		}
		if !ok {
			if len(r.Calls) != 10 {
				t.Errorf("in the end %d calls are open; want 10", len(r.Calls))
			}
			break
		}
		if err := r.Ack(record.Seq); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
}

// The list of open calls may be longer than a record, and than a segment.
func TestManyOpenCalls(t *testing.T) {
	dir := t.TempDir()
	const calls = 3*callsPerPart + 17
	w, _ := openTest(t, dir, Options{SegmentSize: 32 << 10})
	for n := 1; n <= calls; n += 500 {
		commit(t, w, batchOf(n, min(n+499, calls)))
	}
	w.die()
	_, recovery := openTest(t, dir, Options{})
	if len(recovery.Calls) != calls {
		t.Errorf("%d calls open; want %d", len(recovery.Calls), calls)
	}
	got, lost := readAll(t, dir)
	wantTexts(t, "reading", got, numbers(1, calls))
	if lost != 0 {
		t.Errorf("Lost = %d; want 0", lost)
	}
}

func TestCredits(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{MaxSize: 100_000})
	used := w.size(t)
	if w.Reserve(100_001) {
		t.Error("Reserve(more than the limit) = true; want false")
	}
	if !w.Reserve(100_000 - used) {
		t.Fatal("Reserve(all there is) = false; want true")
	}
	if w.Reserve(1) {
		t.Error("Reserve(1) with nothing left = true; want false")
	}
	batch := &Batch{}
	took := batch.Append(event(model.CallOffered, 1, 1))
	commit(t, w, batch)
	if w.Reserve(1) {
		t.Error("Reserve(1) after a record became durable = true; want false: the room is the same")
	}
	w.Release(100_000 - used - took)
	if !w.Reserve(100_000 - used - took) {
		t.Error("Reserve(what is not written) after Release = false; want true")
	}
	w.Overdraw(5000)
	w.Release(5000 + 100)
	if !w.Reserve(100) || w.Reserve(1) {
		t.Error("after Overdraw and Release the room differs")
	}
}

// Acknowledged segments make room again, also when nobody commits.
func TestRoomComesBack(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{MaxSize: 64 << 10, SegmentSize: 4096})
	n := 0
	for w.Reserve(MaxRecord) {
		batch := &Batch{}
		n++
		w.Release(MaxRecord - batch.Append(event(model.CallEnded, n, n)))
		commit(t, w, batch)
	}
	r := openReader(t, dir)
	wantTexts(t, "reading", drain(t, r), numbers(1, n))
	if err := r.Ack(uint64(n)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "room after Ack", func() bool { return w.Reserve(MaxRecord) })
}

func TestReadBox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "serial")
	if box, err := ReadBox(path); err != nil || box != BoxOf("") {
		t.Errorf("ReadBox(no file) = %x, %v; want that of no serial number", box, err)
	}
	if err := os.WriteFile(path, []byte("qzHWUdZfXhQ\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if box, err := ReadBox(path); err != nil || box != BoxOf("qzHWUdZfXhQ") {
		t.Errorf("ReadBox = %x, %v; want that of the serial number", box, err)
	}
}

// What a call reserves covers its events, whatever stands in the messages.
func TestRecordsFitTheirRoom(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 1<<16)
	full := &model.CallEvent{Kind: model.CallOffered, Time: time.Unix(1, 0), CallID: long, From: long, To: long,
		RequestURI: long, Network: long, Peer: long, Rule: long, SDP: long, Adjacency: long, Account: long, Transport: long, CalleeOffered: true}
	plain := *full
	plain.SDP = nil
	media := &model.CallEvent{Kind: model.CallMediaChanged, Time: time.Unix(1, 0), SDP: long, Offer: long, CalleeOffered: true}
	bare := &model.CallEvent{Kind: model.CallEnded, Time: time.Unix(1, 0)}
	for most, event := range map[int64]*model.CallEvent{MaxRecord: full, MaxMediaRecord: media, MaxPlainRecord: &plain, MaxBareRecord: bare} {
		if got := new(Batch).Append(event); got != most {
			t.Errorf("Append takes %d octets; want %d", got, most)
		}
	}
}

func TestFreeSpaceLimits(t *testing.T) {
	for _, test := range []struct {
		space segment.Space
		want  int64
	}{
		{segment.Space{Total: 100 << 30, Free: 50 << 30}, 49 << 30},
		{segment.Space{Total: 100 << 20, Free: 50 << 20}, 34 << 20},
		{segment.Space{Total: 64 << 20, Free: 10 << 20}, -6 << 20},
	} {
		w, _ := openTest(t, t.TempDir(), Options{space: func(string) (segment.Space, error) { return test.space, nil }})
		if got := w.limit.Load(); got != test.want {
			t.Errorf("limit with %+v = %d; want %d", test.space, got, test.want)
		}
	}
}

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	commit(t, w, batchOf(1, 9))
	r := openReader(t, dir)
	drain(t, r)
	if err := r.Ack(4); err != nil {
		t.Fatal(err)
	}
	fromWriter, err := w.Status()
	if err != nil {
		t.Fatal(err)
	}
	fromReader, err := r.Status()
	if err != nil {
		t.Fatal(err)
	}
	want := model.JournalStatus{Directory: dir, Segments: 1, Bytes: w.size(t), FirstSeq: 5, NextSeq: 10}
	if fromWriter != want || fromReader != want {
		t.Errorf("Status = %+v and %+v; want %+v", fromWriter, fromReader, want)
	}
}
