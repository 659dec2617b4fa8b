package cache

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/billing/segment"
)

// written makes a cache of the records 1 to 6 in one segment, each written by
// itself, and gives its octets and where each record ends; ends[0] is where the
// first begins.
func written(t testing.TB) (dir string, content []byte, ends []int) {
	t.Helper()
	dir = t.TempDir()
	c := openTest(t, Options{Dir: dir}, em0)
	for n := range 7 {
		if n > 0 {
			appendAll(t, c, event(n))
		}
		ends = append(ends, int(c.Status().Bytes))
	}
	c.die()
	content, err := os.ReadFile(filepath.Join(dir, format.Name(1)))
	if err != nil || len(content) != ends[6] {
		t.Fatalf("the segment has %d octets, %v; want %d", len(content), err, ends[6])
	}
	return dir, content, ends
}

// reopen opens a cache whose only segment has the content, adds record 99 and
// checks what is there then.
func reopen(t testing.TB, what, dir string, content []byte, want []string) *Cache {
	t.Helper()
	for _, path := range segmentsIn(t, dir) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, format.Name(1)), content, 0o640); err != nil {
		t.Fatal(err)
	}
	c := openTest(t, Options{Dir: dir}, em0)
	defer c.die()
	appendAll(t, c, event(99))
	wantTexts(t, what, c.Cursor(em0.Name).now(t), append(want, "99"))
	newest := 0
	if len(want) > 0 {
		fmt.Sscan(want[len(want)-1], &newest)
	}
	if newest != 0 && c.onDisk.Event != 99 {
		t.Fatalf("%s: the newest source on the disk is %+v; want event 99", what, c.onDisk)
	}
	return c
}

func TestCutAtEveryOctet(t *testing.T) {
	dir, content, ends := written(t)
	for size := range content {
		survive := 0
		for survive+1 < len(ends) && ends[survive+1] <= size {
			survive++
		}
		c := reopen(t, fmt.Sprintf("cut at octet %d", size), dir, content[:size], numbers(1, survive))
		if lost := c.Status().Lost; lost != 0 {
			t.Fatalf("cut at octet %d: Lost = %d; want 0", size, lost)
		}
	}
}

func TestFlipEveryBitOfTheLastRecord(t *testing.T) {
	dir, content, ends := written(t)
	for bit := 8 * ends[5]; bit < 8*ends[6]; bit++ {
		damaged := bytes.Clone(content)
		damaged[bit/8] ^= 1 << (bit % 8)
		c := reopen(t, fmt.Sprintf("bit %d", bit), dir, damaged, numbers(1, 5))
		if status := c.Status(); status.Lost != 0 || status.RepairedBytes != int64(ends[6]-ends[5]) {
			t.Fatalf("bit %d: Status = %+v; want one record cut off", bit, status)
		}
	}
}

// A record damaged before the last write is skipped and counted, with the next
// where the damage is in what proves that one, and its segment is kept.
func TestFlipEveryBitOfAnEarlierRecord(t *testing.T) {
	dir, content, ends := written(t)
	for bit := 8 * ends[2]; bit < 8*ends[3]; bit++ {
		damaged := bytes.Clone(content)
		damaged[bit/8] ^= 1 << (bit % 8)
		want, lost := []string{"1", "2", "4", "5", "6"}, int64(1)
		if at := bit/8 - ends[2]; at >= 4 && at < 8 {
			want, lost = []string{"1", "2", "5", "6"}, 2
		}
		c := reopen(t, fmt.Sprintf("bit %d", bit), dir, damaged, want)
		if status := c.Status(); status.Lost != lost || status.RepairedBytes != 0 {
			t.Fatalf("bit %d: Status = %+v; want %d records lost and none cut off", bit, status, lost)
		}
	}
	c := openTest(t, Options{Dir: dir}, em0)
	r := c.Cursor(em0.Name)
	done(r, r.now(t))
	c.Upkeep()
	if _, err := os.Stat(filepath.Join(dir, "em-00000001.bad")); err != nil {
		t.Errorf("the damaged segment: %v; want it kept aside", err)
	}
}

// Of a write torn in its middle a prefix counts, though good records are
// behind the tear: none of them was confirmed.
func TestTornWrite(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, Options{Dir: dir}, em0)
	appendAll(t, c, events(1, 3)...)
	before := int(c.Status().Bytes)
	appendAll(t, c, events(4, 9)...)
	after := int(c.Status().Bytes)
	c.die()
	content, err := os.ReadFile(filepath.Join(dir, format.Name(1)))
	if err != nil {
		t.Fatal(err)
	}
	size := (after - before) / 6
	for _, torn := range []struct {
		from, to int // octets of the last write
		survive  int // records
	}{{0, 8, 3}, {0, size, 3}, {size + 30, size + 40, 4}, {size, 3 * size, 4}, {4 * size, 6 * size, 7}} {
		damaged := bytes.Clone(content)
		clear(damaged[before+torn.from : before+torn.to])
		c := reopen(t, fmt.Sprintf("octets %d to %d zero", torn.from, torn.to), dir, damaged, numbers(1, torn.survive))
		if lost := c.Status().Lost; lost != 0 {
			t.Errorf("octets %d to %d zero: Lost = %d; want 0", torn.from, torn.to, lost)
		}
	}
}

func TestGarbageAfterTheTail(t *testing.T) {
	dir, content, ends := written(t)
	for what, garbage := range map[string][]byte{
		"zeros":                      make([]byte, 64),
		"0xFF":                       bytes.Repeat([]byte{0xFF}, 100),
		"the last record again":      content[ends[5]:],
		"all the records once more":  content[ends[0]:],
		"a whole segment":            content,
		"one octet":                  {7},
		"half of a record, and more": append(bytes.Clone(content[ends[0]:ends[0]+20]), content[ends[3]:]...),
	} {
		c := reopen(t, what, dir, append(bytes.Clone(content), garbage...), numbers(1, 6))
		if status := c.Status(); status.RepairedBytes != int64(len(garbage)) || status.Lost != 0 {
			t.Errorf("%s: Status = %+v; want %d octets cut off", what, status, len(garbage))
		}
	}
}

// Damage while the cache runs, in the segment being written and in one before.
func TestDamageUnderTheReader(t *testing.T) {
	dir := t.TempDir()
	c := openTest(t, Options{Dir: dir, segmentSize: 1 << 10}, em0, em1)
	for n := 1; n <= 30; n++ {
		appendAll(t, c, event(n))
	}
	paths := segmentsIn(t, dir)
	for _, path := range []string{paths[0], paths[len(paths)-1]} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, rest := segment.FirstFrame(content[segment.HeaderSize:])
		second, _ := segment.FirstFrame(rest)
		content[segment.HeaderSize+len(f)+len(second)-1] ^= 1 // the first record
		if err := os.WriteFile(path, content, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	last := int(c.parts[len(c.parts)-1].FirstSeq)
	want := append(numbers(2, last-1), numbers(last+1, 30)...)
	got := c.Cursor(em0.Name).now(t)
	wantTexts(t, "reading", got, want)
	appendAll(t, c, events(31, 32)...)
	wantTexts(t, "another's reading", c.Cursor(em1.Name).now(t), append(want, numbers(31, 32)...))
	wantTexts(t, "reading on", c.Cursor(em0.Name).now(t), numbers(31, 32))
	if status := c.Status(); status.Lost != 2 || status.Consumers[0].Records != 30 {
		t.Errorf("Status = %+v; want 2 lost, and 30 that wait", status)
	}
	wantTexts(t, "after a restart", func() []Record {
		c.die()
		again := openTest(t, Options{Dir: dir}, em0)
		if lost := again.Status().Lost; lost != 0 {
			t.Errorf("before reading Lost = %d; want 0", lost)
		}
		return again.Cursor(em0.Name).now(t)
	}(), append(want, numbers(31, 32)...))
}

// A segment that vanished or whose header is damaged is lost as a whole, which
// the one after it tells.
func TestSegmentLost(t *testing.T) {
	for _, how := range []string{"header", "gone while it runs"} {
		dir := t.TempDir()
		o := Options{Dir: dir, segmentSize: 1 << 10}
		c := openTest(t, o, em0)
		for n := 1; n <= 40; n++ {
			appendAll(t, c, event(n))
		}
		lost := c.parts[1]
		path := segmentsIn(t, dir)[1]
		r := c.Cursor(em0.Name)
		switch how {
		case "header":
			c.die()
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			content[5] ^= 1
			if err := os.WriteFile(path, content, 0o640); err != nil {
				t.Fatal(err)
			}
			c = openTest(t, o, em0)
			r = c.Cursor(em0.Name)
		default:
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		got := r.now(t)
		for range readTries {
			c.Upkeep()
			got = append(got, r.now(t)...)
		}
		wantTexts(t, how, got, append(numbers(1, int(lost.FirstSeq)-1), numbers(int(lost.last)+1, 40)...))
		if want := int64(lost.last + 1 - lost.FirstSeq); c.Status().Lost != want {
			t.Errorf("%s: Lost = %d; want %d", how, c.Status().Lost, want)
		}
	}
}

func TestForeignBox(t *testing.T) {
	dir, content, _ := written(t)
	var reports []error
	other, err := Open(Options{Dir: dir, Box: segment.Box{9}, Report: func(err error) { reports = append(reports, err) }}, []Consumer{em0})
	if err != nil {
		t.Fatal(err)
	}
	defer other.die()
	r := other.Cursor(em0.Name)
	if got := r.now(t); got != nil {
		t.Fatalf("another box reads %v; want nothing", texts(got))
	}
	appendAll(t, other, event(1))
	wantTexts(t, "its own", r.now(t), numbers(1, 1))
	if newest, _ := other.Newest(); newest.Event != 1 || other.Status().Aside != 1 {
		t.Errorf("Newest = %+v, Status = %+v; want its own, and a segment aside", newest, other.Status())
	}
	if len(reports) != 2 || !errors.Is(reports[0], segment.ErrForeign) || !errors.Is(reports[1], segment.ErrForeign) {
		t.Errorf("reported %v; want the segment and the mark", reports)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "em-00000001.foreign"))
	if err != nil || !bytes.Equal(kept, content) {
		t.Errorf("the foreign segment is not kept as it was: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "at-packetcable-em-0.foreign")); err != nil {
		t.Errorf("the foreign mark: %v; want it kept", err)
	}
}

// A mark that is damaged makes all come again; one whose making the power cut
// ended is a new one.
func TestDamagedMark(t *testing.T) {
	for content, want := range map[string][]string{"": nil, strings.Repeat("x", 5000): numbers(1, 6)} {
		dir, _, _ := written(t)
		if err := os.WriteFile(filepath.Join(dir, "at-"+em0.Name), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		c := openTest(t, Options{Dir: dir}, em0)
		if got := c.Cursor(em0.Name).now(t); !slices.Equal(texts(got), want) {
			t.Errorf("with a mark of %d octets = %v; want %v", len(content), texts(got), want)
		}
	}
}

// FuzzRecover opens a cache on any octets: it gives records as they stand
// there, numbered upwards, or none, and takes new ones.
func FuzzRecover(f *testing.F) {
	_, content, ends := written(f)
	f.Add(content)
	f.Add(content[:ends[3]+7])
	f.Add(append(bytes.Clone(content), content...))
	f.Add(append(bytes.Clone(content[:ends[2]]), content[ends[3]:]...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, format.Name(1)), b, 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "at-"+em0.Name), []byte("damaged"), 0o640); err != nil {
			t.Fatal(err)
		}
		c := openTest(t, Options{Dir: dir}, em0)
		defer c.die()
		appendAll(t, c, event(99))
		got := c.Cursor(em0.Name).now(t)
		if len(got) == 0 || string(got[len(got)-1].Payload) != "99" {
			t.Fatalf("records = %v; want 99 at the end", texts(got))
		}
		for i, record := range got[:len(got)-1] {
			if !bytes.Contains(b, record.Payload) || record.Seq >= got[i+1].Seq {
				t.Fatalf("record %d %q is not of the file, or the next has number %d", record.Seq, record.Payload, got[i+1].Seq)
			}
		}
	})
}

// FuzzDecodeHead reads any octets as what a segment begins with.
func FuzzDecodeHead(f *testing.F) {
	h := head{newest: Source{Event: 5, Index: 3, Last: true}, era: 11, written: 9}
	h.before.records[EM], h.before.octets[EM] = 7, 700
	seed := segment.Frame(h.appendTo(nil, openTestTime)).Payload()
	f.Add(seed)
	f.Add(seed[:10])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHead(b)
		if err != nil {
			return
		}
		again, err := decodeHead(segment.Frame(h.appendTo(nil, openTestTime)).Payload())
		if err != nil || again != h {
			t.Fatalf("decodeHead(%x) = %+v and, encoded again, %+v, %v", b, h, again, err)
		}
	})
}
