package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/appliance/model"
)

// written makes a journal of the records 1 to 6 in one segment and gives its
// octets and where each record ends; ends[0] is where the first begins.
func written(t testing.TB) (dir string, content []byte, ends []int64) {
	t.Helper()
	dir = t.TempDir()
	w, _ := openTest(t, dir, Options{})
	ends = []int64{w.size}
	for n := 1; n <= 6; n++ {
		commit(t, w, batchOf(n, n))
		ends = append(ends, w.size)
	}
	w.die()
	content, err := os.ReadFile(segmentsIn(t, dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	return dir, content, ends
}

// replaced makes a journal whose only segment has the content, and no mark.
func replaced(t testing.TB, content []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)), content, 0o640); err != nil {
		t.Fatal(err)
	}
	return dir
}

// reopen opens the journal after damage, adds record 99, and checks that the
// records 1 to survive are there before it.
func reopen(t testing.TB, what, dir string, survive int) *Recovery {
	t.Helper()
	w, recovery := openTest(t, dir, Options{})
	if len(recovery.Calls) != survive {
		t.Fatalf("%s: %d calls open; want %d", what, len(recovery.Calls), survive)
	}
	commit(t, w, batchOf(99, 99))
	w.die()
	got, lost := readAll(t, dir)
	wantTexts(t, what, got, append(numbers(1, survive), "99"))
	if lost != 0 {
		t.Fatalf("%s: Lost = %d; want 0", what, lost)
	}
	return recovery
}

// wholeRecords is how many records end at or before size.
func wholeRecords(ends []int64, size int64) int {
	n := 0
	for n+1 < len(ends) && ends[n+1] <= size {
		n++
	}
	return n
}

func TestCutAtEveryOctet(t *testing.T) {
	_, content, ends := written(t)
	for size := range int64(len(content)) {
		dir := replaced(t, content[:size])
		survive := wholeRecords(ends, size)
		recovery := reopen(t, fmt.Sprintf("cut at octet %d", size), dir, survive)
		switch clean := size == ends[survive] || size == headerSize; {
		case size < headerSize && recovery.Aside != 1:
			t.Errorf("cut at octet %d: Aside = %d; want 1", size, recovery.Aside)
		case size > headerSize && recovery.Repaired == 1 == clean:
			t.Errorf("cut at octet %d: Repaired = %d; clean %v", size, recovery.Repaired, clean)
		case size > headerSize && !clean:
			bad, err := os.ReadFile(filepath.Join(dir, "ev-00000001.bad"))
			good := size - recovery.Cut
			if err != nil || !bytes.Equal(bad, content[good:size]) {
				t.Errorf("cut at octet %d: the .bad file has %d octets, %v; want the %d cut off", size, len(bad), err, recovery.Cut)
			}
		}
	}
}

func TestFlipEveryOctetOfTheLastRecord(t *testing.T) {
	_, content, ends := written(t)
	for at := ends[5]; at < ends[6]; at++ {
		for _, bits := range []byte{0x01, 0x80, 0xFF} {
			damaged := bytes.Clone(content)
			damaged[at] ^= bits
			reopen(t, fmt.Sprintf("octet %d xor %#x", at, bits), replaced(t, damaged), 5)
		}
	}
}

func TestGarbageAfterTheTail(t *testing.T) {
	_, content, ends := written(t)
	_, other, _ := written(t)
	first, last := content[ends[0]:ends[1]], content[ends[5]:ends[6]]
	for what, garbage := range map[string][]byte{
		"zeros":                               make([]byte, 64),
		"a sector of zeros":                   make([]byte, 512),
		"0xFF":                                bytes.Repeat([]byte{0xFF}, 100),
		"the last record again":               last,
		"older records of the segment":        content[ends[0]:],
		"a record of another file":            other[ends[0]:],
		"a header":                            content[:headerSize],
		"one octet":                           {7},
		"a next record, not linked":           renumbered(first, 7, 0),
		"a record of the right chain, number": renumbered(first, 9, frame(last).crc()),
	} {
		recovery := reopen(t, what, replaced(t, append(bytes.Clone(content), garbage...)), 6)
		if recovery.Cut != int64(len(garbage)) {
			t.Errorf("%s: Cut = %d; want %d", what, recovery.Cut, len(garbage))
		}
	}
}

// renumbered is a copy of a frame with another number, linked to chain.
func renumbered(f []byte, seq uint64, chain uint32) []byte {
	again := frame(bytes.Clone(f))
	again.setSeq(seq)
	again.link(chain)
	return again
}

// A damaged segment before the last: its good records come, the others are
// counted as lost, and the file is kept.
func TestDamageInAnEarlierSegment(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{SegmentSize: 1024})
	for n := 1; n <= 40; n++ {
		batch := &Batch{}
		batch.Append(event(model.CallEnded, n, n))
		commit(t, w, batch)
	}
	w.die()
	second := segmentsIn(t, dir)[1]
	head, err := headerOf(dir, 2, testBox)
	if err != nil {
		t.Fatal(err)
	}
	third, err := headerOf(dir, 3, testBox)
	if err != nil {
		t.Fatal(err)
	}
	file, s, err := openSegment(dir, 2, testBox)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for s.last < head.firstSeq+1 { // two events of it
		if _, err := s.next(); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	content[s.off+frameHeader] ^= 0x10
	if err := os.WriteFile(second, content, 0o640); err != nil {
		t.Fatal(err)
	}

	openTest(t, dir, Options{SegmentSize: 1024})
	r := openReader(t, dir)
	got := drain(t, r)
	want := append(numbers(1, int(head.firstSeq+1)), numbers(int(third.firstSeq), 40)...)
	wantTexts(t, "reading", got, want)
	if lost := third.firstSeq - head.firstSeq - 2; r.Lost != lost {
		t.Errorf("Lost = %d; want %d", r.Lost, lost)
	}
	if err := r.Ack(40); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "ev-00000002.bad"))
	if err != nil || !bytes.Equal(kept, content) {
		t.Errorf("the damaged segment is not kept aside: %v", err)
	}
}

// Damage in the segment being written is said while nothing follows it, and
// passed when the writer goes on elsewhere.
func TestDamageUnderTheWriter(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	commit(t, w, batchOf(1, 1))
	good := w.size
	commit(t, w, batchOf(2, 3))
	file, err := os.OpenFile(segmentsIn(t, dir)[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte{0xFF}, good+frameHeader); err != nil {
		t.Fatal(err)
	}
	r := openReader(t, dir)
	if record, ok, err := r.Poll(); !ok || record.Seq != 1 || err != nil {
		t.Fatalf("Poll = record %d, %v; want record 1", record.Seq, err)
	}
	var damage *DamageError
	if _, ok, err := r.Poll(); ok || !errors.As(err, &damage) || damage.Offset != good {
		t.Fatalf("Poll = %v, %v; want damage at octet %d", ok, err, good)
	}
	w.die()
	w, _ = openTest(t, dir, Options{})
	if got := drain(t, r); got != nil {
		t.Fatalf("reading = %v; want nothing", got)
	}
	commit(t, w, batchOf(4, 4))
	wantTexts(t, "reading on", drain(t, r), []string{"4"})
	if r.Lost != 2 {
		t.Errorf("Lost = %d; want 2", r.Lost)
	}
}

// After a loss too the reader waits for durability.
func TestReaderWaitsAfterALoss(t *testing.T) {
	dir, _, ends := written(t)
	if err := os.Truncate(segmentsIn(t, dir)[0], ends[1]); err != nil {
		t.Fatal(err)
	}
	r := openReader(t, dir)
	syncs := 0
	w, _ := openTest(t, dir, Options{create: func(path string) (segmentFile, error) {
		f, err := createSegment(path)
		return &faultyFile{segmentFile: f, sync: func() error {
			if syncs++; syncs == 2 {
				wantTexts(t, "before fdatasync", drain(t, r), []string{"1"})
			}
			return nil
		}}, err
	}})
	commit(t, w, batchOf(7, 7))
	wantTexts(t, "after Commit", drain(t, r), []string{"7"})
	if syncs != 2 || r.Lost != 5 {
		t.Errorf("%d syncs, Lost = %d; want 2, 5", syncs, r.Lost)
	}
}

// A power cut while a segment begins leaves the open calls in the one before.
func TestCutWhileASegmentBegins(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	const calls = callsPerPart + 10 // a list of two parts
	commit(t, w, batchOf(1, calls))
	w.die()
	w, _ = openTest(t, dir, Options{})
	size := w.size
	w.die()
	for _, left := range []int64{0, 10, headerSize, headerSize + 100, size - int64(frameSize(1+10*callSize)), size - 1} {
		again := copyDir(t, dir)
		if err := os.Truncate(segmentsIn(t, again)[1], left); err != nil {
			t.Fatal(err)
		}
		w, recovery := openTest(t, again, Options{})
		if len(recovery.Calls) != calls {
			t.Errorf("cut at octet %d of the new segment: %d calls open; want %d", left, len(recovery.Calls), calls)
		}
		w.die()
	}
}

func TestForeignBox(t *testing.T) {
	dir, content, _ := written(t)
	r := openReader(t, dir)
	drain(t, r)
	if err := r.Ack(3); err != nil {
		t.Fatal(err)
	}
	r.Close()

	other := BoxOf("another")
	r, err := OpenReader(dir, other)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok, err := r.Poll(); ok || err != nil || len(r.Calls) != 0 {
		t.Fatalf("another box's Poll = %v, %v, calls %v; want nothing", ok, err, r.Calls)
	}
	var reports []error
	w, recovery, err := Open(dir, Options{Box: other, Report: func(err error) { reports = append(reports, err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.die()
	if recovery.Aside != 1 || len(recovery.Calls) != 0 || len(reports) != 1 || !errors.Is(reports[0], ErrForeign) {
		t.Errorf("Open = %+v, reported %v; want one segment aside and no calls", recovery, reports)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "ev-00000001.foreign"))
	if err != nil || !bytes.Equal(kept, content) {
		t.Errorf("the foreign segment is not kept as it was: %v", err)
	}
	commit(t, w, batchOf(1, 2))
	wantTexts(t, "reading our own", drain(t, r), numbers(1, 2))
	if err := r.Ack(2); err != nil {
		t.Errorf("Ack(2) = %v; want nil", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ev-00000001.foreign")); err != nil {
		t.Errorf("after Ack: %v; want the foreign segment kept", err)
	}
}

// A number is never used twice, even if the disk lost what it called durable.
func TestNumbersAreNotReused(t *testing.T) {
	dir, _, ends := written(t)
	r := openReader(t, dir)
	drain(t, r)
	if err := r.Ack(6); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := errors.Join(os.Truncate(segmentsIn(t, dir)[0], ends[2]), forgetMark(dir)); err != nil {
		t.Fatal(err)
	}
	w, _ := openTest(t, dir, Options{})
	commit(t, w, batchOf(7, 8))
	got, lost := readAll(t, dir)
	wantTexts(t, "reading", got, numbers(7, 8))
	if lost != 0 {
		t.Errorf("Lost = %d; want 0: all were acknowledged", lost)
	}
}

// The marks survive a cut or a flip at any octet of what was written last.
func TestMarkSurvives(t *testing.T) {
	dir := t.TempDir()
	m, err := openMark(dir, ackName, testBox)
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	for seq := uint64(1); seq <= 4; seq++ {
		turn := m.turn
		if err := m.move(seq); err != nil {
			t.Fatal(err)
		}
		if got, err := readMark(dir, ackName, testBox); got != seq || err != nil {
			t.Fatalf("readMark = %d, %v; want %d", got, err, seq)
		}
		content, err := os.ReadFile(m.file.Name())
		if err != nil {
			t.Fatal(err)
		}
		for at := range slotSize {
			again := t.TempDir()
			damaged := bytes.Clone(content)
			damaged[int(turn)*slotApart+at] ^= 0x55
			if err := os.WriteFile(filepath.Join(again, ackName), damaged, 0o640); err != nil {
				t.Fatal(err)
			}
			if got, err := readMark(again, ackName, testBox); got != seq-1 || err != nil {
				t.Errorf("octet %d damaged: readMark = %d, %v; want %d", at, got, err, seq-1)
			}
		}
	}
	if got, err := readMark(dir, ackName, BoxOf("another")); got != 0 || err != nil {
		t.Errorf("another box's readMark = %d, %v; want 0", got, err)
	}
}

func TestOldBadFilesGo(t *testing.T) {
	dir := t.TempDir()
	for n := range uint32(keepBad + 5) {
		if err := os.WriteFile(asideName(dir, n+1, badSuffix), nil, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	openTest(t, dir, Options{})
	l, err := list(dir)
	if err != nil || len(l.bad) != keepBad || l.bad[0] != "ev-00000006.bad" {
		t.Errorf("left are %v, %v; want the newest %d", l.bad, err, keepBad)
	}
}

func TestDump(t *testing.T) {
	dir, content, ends := written(t)
	w, _ := openTest(t, dir, Options{})
	batch := &Batch{}
	ended := event(model.CallEnded, 6, 7)
	ended.Status, ended.Cause, ended.Peer = 486, model.EndFailed, []byte("192.0.2.1:5060")
	batch.Append(ended)
	commit(t, w, batch)
	w.die()
	content[ends[4]+frameHeader] ^= 1
	if err := os.WriteFile(filepath.Join(dir, segmentName(1)), content, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, segmentName(9)), []byte("EVJ"), 0o640); err != nil {
		t.Fatal(err)
	}
	before := readDirAll(t, dir)
	var out strings.Builder
	if err := Dump(&out, dir); err != nil {
		t.Fatalf("Dump = %v; want nil", err)
	}
	for _, want := range []string{
		"# mark durable: record 7, box ",
		"# no mark ack: ",
		"# ev-00000001.jnl: segment 1, box ",
		"\n4 2027-01-15T08:00:00.000000Z aaaaabaaaaaaaaaaaaaa offered call-id=\"4\"\n",
		fmt.Sprintf("# ev-00000001.jnl: damaged at octet %d: a record's checksum is wrong; %d octets not read\n", ends[4], ends[6]-ends[4]),
		"# after record 6: 6 calls open\n",
		"\n7 2027-01-15T08:00:00.000000Z aaaaabqaaaaaaaaaaaaa ended status=486 cause=failed peer=\"192.0.2.1:5060\" call-id=\"7\"\n",
		"# ev-00000009.jnl: damaged at octet 0: the header is cut short\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("Dump does not say %q; it says:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\n5 ") {
		t.Errorf("Dump prints a record behind the damage:\n%s", out.String())
	}
	if after := readDirAll(t, dir); after != before {
		t.Error("Dump changed the directory")
	}
}

func readDirAll(t testing.TB, dir string) string {
	t.Helper()
	var all strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %x\n", entry.Name(), content)
	}
	return all.String()
}

// FuzzScanner reads any octets behind a good header: what is accepted must be
// a prefix of them, frame by frame, numbered without gaps. With relink the
// checksums are made right first, so that the fuzzer gets behind them.
func FuzzScanner(f *testing.F) {
	_, content, ends := written(f)
	body := content[headerSize:]
	f.Add(body, false)
	f.Add(body[:ends[3]+5-headerSize], true)
	f.Add(append(bytes.Clone(body), make([]byte, 64)...), false)
	f.Add(append(bytes.Clone(body), renumbered(content[ends[0]:ends[1]], 7, 0)...), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, body []byte, relink bool) {
		b := append(bytes.Clone(content[:headerSize]), body...)
		_, chain, err := decodeHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		for rest := b[headerSize:]; relink && len(rest) > frameHeader; {
			size := frameSize(int(binary.LittleEndian.Uint32(rest)))
			if size > len(rest) || size > maxFrame {
				break
			}
			chain = frame(rest[:size]).link(chain)
			rest = rest[size:]
		}
		s, err := newScanner(bytes.NewReader(b), testBox)
		if err != nil {
			t.Fatal(err)
		}
		at, calls := int64(headerSize), Calls{}
		for due := uint64(1); ; {
			fr, err := s.next()
			if err != nil {
				break
			}
			if end := at + int64(len(fr)); end > int64(len(b)) || !bytes.Equal(fr, b[at:end]) {
				t.Fatalf("the frame at octet %d is not what stands there", at)
			}
			if fr.kind() == recordEvent {
				if fr.seq() != due {
					t.Fatalf("record %d; want %d", fr.seq(), due)
				}
				due++
			}
			calls.takePart(fr.payload())
			dumpFrame(io.Discard, fr)
			at += int64(len(fr))
		}
		if s.off != at {
			t.Fatalf("off = %d; want %d", s.off, at)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	_, content, _ := written(f)
	f.Add(content[:headerSize])
	f.Add([]byte{})
	f.Add(make([]byte, headerSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, _, err := decodeHeader(b); err == nil && !bytes.Equal(h.appendTo(nil), b[:headerSize]) {
			t.Fatalf("decodeHeader(%x) does not encode to the same", b)
		}
	})
}
