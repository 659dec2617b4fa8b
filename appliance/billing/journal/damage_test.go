package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/appliance/billing/segment"
	"causeway/appliance/model"
)

// written makes a journal of the records 1 to 6 in one segment and gives its
// octets and where each record ends; ends[0] is where the first begins.
func written(t testing.TB) (dir string, content []byte, ends []int64) {
	t.Helper()
	dir = t.TempDir()
	w, _ := openTest(t, dir, Options{})
	ends = []int64{w.size(t)}
	for n := 1; n <= 6; n++ {
		commit(t, w, batchOf(n, n))
		ends = append(ends, w.size(t))
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
	if err := os.WriteFile(filepath.Join(dir, format.Name(1)), content, 0o640); err != nil {
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
		switch clean := size == ends[survive] || size == segment.HeaderSize; {
		case size < segment.HeaderSize && recovery.Aside != 1:
			t.Errorf("cut at octet %d: Aside = %d; want 1", size, recovery.Aside)
		case size > segment.HeaderSize && recovery.Repaired == 1 == clean:
			t.Errorf("cut at octet %d: Repaired = %d; clean %v", size, recovery.Repaired, clean)
		case size > segment.HeaderSize && !clean:
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
		"a header":                            content[:segment.HeaderSize],
		"one octet":                           {7},
		"a next record, not linked":           renumbered(first, 7, 0),
		"a record of the right chain, number": renumbered(first, 9, crcOf(last)),
	} {
		recovery := reopen(t, what, replaced(t, append(bytes.Clone(content), garbage...)), 6)
		if recovery.Cut != int64(len(garbage)) {
			t.Errorf("%s: Cut = %d; want %d", what, recovery.Cut, len(garbage))
		}
	}
}

// renumbered is a copy of a frame with another number, linked to chain.
func renumbered(f []byte, seq uint64, chain uint32) []byte {
	again := bytes.Clone(f)
	forge(again, seq, chain)
	return again
}

// forge numbers a frame and links it to chain, as the writer does.
func forge(f []byte, seq uint64, chain uint32) {
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint64(f[12:], seq)
	binary.LittleEndian.PutUint32(f[4:], crc32.Update(crc32.Update(chain, table, f[:4]), table, f[8:]))
}

func crcOf(f []byte) uint32 { return binary.LittleEndian.Uint32(f[4:]) }

// lastCRC gives the end of the chain of a whole segment.
func lastCRC(content []byte) uint32 {
	chain := binary.LittleEndian.Uint32(content[segment.HeaderSize-4:])
	for f, rest := segment.Frame(nil), content[segment.HeaderSize:]; len(rest) > 0; chain = crcOf(f) {
		f, rest = segment.FirstFrame(rest)
	}
	return chain
}

// A damaged record in a segment before the last is counted as lost, the others
// come, and the file is kept.
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
	head, err := dirOf(dir, testBox).Header(2)
	if err != nil {
		t.Fatal(err)
	}
	third, err := dirOf(dir, testBox).Header(3)
	if err != nil {
		t.Fatal(err)
	}
	s, err := dirOf(dir, testBox).Open(2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for s.Last() < head.FirstSeq+1 { // two events of it
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	content[s.Offset()+segment.FrameHeader] ^= 0x10
	if err := os.WriteFile(second, content, 0o640); err != nil {
		t.Fatal(err)
	}

	openTest(t, dir, Options{SegmentSize: 1024})
	r := openReader(t, dir)
	got := drain(t, r)
	if third.FirstSeq < head.FirstSeq+4 {
		t.Fatalf("the second segment has the records %d to %d; want some after the damaged one", head.FirstSeq, third.FirstSeq-1)
	}
	want := append(numbers(1, int(head.FirstSeq+1)), numbers(int(head.FirstSeq+3), 40)...)
	wantTexts(t, "reading", got, want)
	if r.Lost != 1 {
		t.Errorf("Lost = %d; want 1", r.Lost)
	}
	if err := r.Ack(40); err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "ev-00000002.bad"))
	if err != nil || !bytes.Equal(kept, content) {
		t.Errorf("the damaged segment is not kept aside: %v", err)
	}
}

// Damage in the segment being written does not stop the reader where records
// follow it, and is said where none do until the writer goes on elsewhere.
func TestDamageUnderTheWriter(t *testing.T) {
	dir := t.TempDir()
	w, _ := openTest(t, dir, Options{})
	commit(t, w, batchOf(1, 1))
	first := w.size(t)
	commit(t, w, batchOf(2, 3))
	last := w.size(t)
	commit(t, w, batchOf(4, 4))
	file, err := os.OpenFile(segmentsIn(t, dir)[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, at := range []int64{first, last} {
		if _, err := file.WriteAt([]byte{0xFF}, at+segment.FrameHeader); err != nil {
			t.Fatal(err)
		}
	}
	r := openReader(t, dir)
	for _, want := range []uint64{1, 3} {
		if record, ok, err := r.Poll(); !ok || record.Seq != want || err != nil {
			t.Fatalf("Poll = record %d, %v; want record %d", record.Seq, err, want)
		}
	}
	var damage *segment.DamageError
	if _, ok, err := r.Poll(); ok || !errors.As(err, &damage) || damage.Offset != last {
		t.Fatalf("Poll = %v, %v; want damage at octet %d", ok, err, last)
	}
	w.die()
	w, _ = openTest(t, dir, Options{})
	if got := drain(t, r); got != nil {
		t.Fatalf("reading = %v; want nothing", got)
	}
	commit(t, w, batchOf(5, 5))
	wantTexts(t, "reading on", drain(t, r), []string{"5"})
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
	w, _ := openTest(t, dir, Options{create: func(path string) (segment.Appendable, error) {
		f, err := segment.Create(path)
		return &faultyFile{Appendable: f, sync: func() error {
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
	size := w.size(t)
	w.die()
	for _, left := range []int64{0, 10, segment.HeaderSize, segment.HeaderSize + 100, size - int64(segment.FrameSize(1+10*callSize)), size - 1} {
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
	if recovery.Aside != 1 || len(recovery.Calls) != 0 || len(reports) != 1 || !errors.Is(reports[0], segment.ErrForeign) {
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

func TestDump(t *testing.T) {
	dir, content, ends := written(t)
	w, _ := openTest(t, dir, Options{})
	batch := &Batch{}
	ended := event(model.CallEnded, 6, 7)
	ended.Status, ended.Cause, ended.Peer = 486, model.EndFailed, []byte("192.0.2.1:5060")
	batch.Append(ended)
	commit(t, w, batch)
	w.die()
	content[ends[4]+segment.FrameHeader] ^= 1
	if err := os.WriteFile(filepath.Join(dir, format.Name(1)), content, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, format.Name(9)), []byte("EVJ"), 0o640); err != nil {
		t.Fatal(err)
	}
	before := readDirAll(t, dir)
	var out strings.Builder
	if err := segment.Dump(&out, dir, []segment.Printer{Printer()}); err != nil {
		t.Fatalf("Dump = %v; want nil", err)
	}
	for _, want := range []string{
		"# mark durable: record 7, box ",
		"# ev-00000001.jnl: segment 1, box ",
		"\n6 2027-01-15T08:00:00.000000Z aaaaabqaaaaaaaaaaaaa offered call-id=\"6\"\n",
		"\n4 2027-01-15T08:00:00.000000Z aaaaabaaaaaaaaaaaaaa offered call-id=\"4\"\n",
		fmt.Sprintf("# ev-00000001.jnl: damaged at octet %d: a record's checksum is wrong; %d octets not read\n", ends[4], ends[5]-ends[4]),
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
