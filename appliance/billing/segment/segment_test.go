package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	testBox    = Box{1, 2, 3}
	testFormat = Format{Prefix: "xx-", Magic: "XXJ"}
)

// writerIn opens a writer on an empty directory. Its segments begin with a
// frame "head".
func writerIn(t testing.TB, dir string, size int64) *Writer {
	t.Helper()
	w := &Writer{
		Dir: Dir{Path: dir, Format: testFormat, Box: testBox}, Size: size, Create: Create, Next: 1,
		Report: func(err error) { t.Errorf("reported: %v", err) },
		Head: func(b []byte) []byte {
			start := len(b)
			return EndFrame(append(BeginFrame(b), "head"...), start, Head, time.Unix(1, 0))
		},
		Begun: func(Header, int64) {},
	}
	t.Cleanup(w.Close)
	return w
}

// framesOf gives the frames of records with the numbers as text.
func framesOf(first, last int) []byte {
	var b []byte
	for n := first; n <= last; n++ {
		start := len(b)
		b = EndFrame(fmt.Appendf(BeginFrame(b), "record %d", n), start, Record, time.Unix(1, 0))
	}
	return b
}

// written gives a segment of the records 1 to 20, and where each ends; ends[0]
// is where the first begins.
func written(t testing.TB) (content []byte, ends []int) {
	t.Helper()
	w := writerIn(t, t.TempDir(), DefaultSize)
	if err := w.Append(framesOf(1, 20), func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(w.path(1))
	if err != nil {
		t.Fatal(err)
	}
	f, rest := FirstFrame(content[HeaderSize:])
	for ends = []int{HeaderSize + len(f)}; len(rest) > 0; {
		f, rest = FirstFrame(rest)
		ends = append(ends, ends[len(ends)-1]+len(f))
	}
	return content, ends
}

// inMemory is a segment that is no file. What stands in bad cannot be read.
type inMemory struct {
	*bytes.Reader
	badFrom, badTo int64
}

func (m inMemory) ReadAt(p []byte, off int64) (int, error) {
	if off >= m.badTo || off+int64(len(p)) <= m.badFrom {
		return m.Reader.ReadAt(p, off)
	}
	n, _ := m.Reader.ReadAt(p[:max(0, m.badFrom-off)], off)
	return n, syscall.EIO
}

func (inMemory) Close() error { return nil }

// readThrough gives the numbers of all records that can be had.
func readThrough(t testing.TB, file File) (got []uint64) {
	t.Helper()
	s, err := NewScanner(file, testFormat.Magic, testBox)
	if err != nil {
		t.Fatal(err)
	}
	for {
		f, err := s.Next()
		switch {
		case err == io.EOF || err != nil && !s.Skip():
			return got
		case err == nil && f.Type() == Record:
			if want := fmt.Sprintf("record %d", f.Seq()); string(f.Payload()) != want {
				t.Fatalf("record %d holds %q; want %q", f.Seq(), f.Payload(), want)
			}
			got = append(got, f.Seq())
		}
	}
}

// without gives the numbers 1 to 20 but some.
func without(missing ...uint64) (all []uint64) {
	for n := uint64(1); n <= 20; n++ {
		if len(missing) == 0 || missing[0] != n {
			all = append(all, n)
			continue
		}
		missing = missing[1:]
	}
	return all
}

// Whatever bit of a record flips, only that one is lost, and the next one too
// where the flip took away what proves it.
func TestSkipPassesOneRecord(t *testing.T) {
	content, ends := written(t)
	for bit := 8 * ends[4]; bit < 8*ends[5]; bit++ {
		damaged := bytes.Clone(content)
		damaged[bit/8] ^= 1 << (bit % 8)
		want := without(5)
		if at := bit/8 - ends[4]; at >= 4 && at < 8 {
			want = without(5, 6)
		}
		if got := readThrough(t, inMemory{Reader: bytes.NewReader(damaged)}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("with bit %d of the record flipped there are %v; want %v", bit-8*ends[4], got, want)
		}
	}
}

func TestSkipOther(t *testing.T) {
	content, ends := written(t)
	zeroed := bytes.Clone(content)
	clear(zeroed[ends[2]+8 : ends[6]-8])
	for what, test := range map[string]struct {
		file inMemory
		want []uint64
	}{
		"nothing wrong":          {inMemory{Reader: bytes.NewReader(content)}, without()},
		"four records are zeros": {inMemory{Reader: bytes.NewReader(zeroed)}, without(3, 4, 5, 6, 7)},
		"the head is damaged":    {inMemory{Reader: bytes.NewReader(append(append(bytes.Clone(content[:40]), 0xFF), content[41:]...))}, without()},
		"all is unreadable":      {inMemory{bytes.NewReader(content), HeaderSize, 1 << 20}, nil},
		"an older copy of the same records behind them": {
			inMemory{Reader: bytes.NewReader(append(bytes.Clone(content), content[ends[0]:]...))}, without()},
	} {
		if got := readThrough(t, test.file); fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: there are %v; want %v", what, got, test.want)
		}
	}
}

// A sector that cannot be read hides no record outside of it.
func TestSkipUnreadableSector(t *testing.T) {
	w := writerIn(t, t.TempDir(), DefaultSize)
	if err := w.Append(framesOf(1, 1000), func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(w.path(1))
	if err != nil {
		t.Fatal(err)
	}
	got := readThrough(t, inMemory{bytes.NewReader(content), 2 * sector, 3 * sector})
	octets := FrameSize(len("record 100"))
	if lost := 1000 - len(got); lost < sector/octets || lost > sector/octets+3 || got[len(got)-1] != 1000 {
		t.Errorf("%d records are lost; want those of one sector, about %d", lost, sector/octets)
	}
}

// The marks survive a cut or a flip at any octet of what was written last.
func TestMarkSurvives(t *testing.T) {
	dir := t.TempDir()
	m, err := OpenMark(dir, "mark", testBox)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for seq := uint64(1); seq <= 4; seq++ {
		turn := m.turn
		if err := m.Move(seq); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadMark(dir, "mark", testBox); got != seq || err != nil {
			t.Fatalf("ReadMark = %d, %v; want %d", got, err, seq)
		}
		content, err := os.ReadFile(m.file.Name())
		if err != nil {
			t.Fatal(err)
		}
		for at := range slotSize {
			again := t.TempDir()
			damaged := bytes.Clone(content)
			damaged[int(turn)*slotApart+at] ^= 0x55
			if err := os.WriteFile(filepath.Join(again, "mark"), damaged, 0o640); err != nil {
				t.Fatal(err)
			}
			if got, err := ReadMark(again, "mark", testBox); got != seq-1 || err != nil {
				t.Errorf("octet %d damaged: ReadMark = %d, %v; want %d", at, got, err, seq-1)
			}
		}
	}
	if got, err := ReadMark(dir, "mark", Box{9}); got != 0 || err != nil {
		t.Errorf("another box's ReadMark = %d, %v; want 0", got, err)
	}
	if _, err := OpenMark(dir, "mark", testBox); !errors.Is(err, ErrInUse) {
		t.Errorf("second OpenMark = %v; want ErrInUse", err)
	}
}

func TestOldBadFilesGo(t *testing.T) {
	d := Dir{Path: t.TempDir(), Format: testFormat}
	for n := range uint32(keepBad + 5) {
		if err := os.WriteFile(d.asideName(n+1, BadSuffix), nil, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	l, err := d.List()
	if err != nil {
		t.Fatal(err)
	}
	d.DropOldBad(l.Bad, func(err error) { t.Error(err) })
	if l, err = d.List(); err != nil || len(l.Bad) != keepBad || l.Bad[0] != "xx-00000006.bad" {
		t.Errorf("left are %v, %v; want the newest %d", l.Bad, err, keepBad)
	}
}

func TestDumpAndVerify(t *testing.T) {
	printers := []Printer{{Format{"yy-", "YYJ"}, nil}, {testFormat, func(out io.Writer, f Frame) { fmt.Fprintf(out, "%s\n", f.Payload()) }}}
	dir := t.TempDir()
	w := writerIn(t, dir, 1000)
	if err := w.Append(framesOf(1, 30), func([]byte) {}); err != nil {
		t.Fatal(err)
	}
	m, err := OpenMark(dir, "at-nobody", testBox)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Move(7); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := Verify(&out, dir, printers); err != nil || !strings.HasPrefix(out.String(), "xx-00000001.jnl: whole, ") {
		t.Errorf("Verify = %v, %q; want whole segments", err, &out)
	}
	content, err := os.ReadFile(w.path(1))
	if err != nil {
		t.Fatal(err)
	}
	f, rest := FirstFrame(content[HeaderSize:])
	g, _ := FirstFrame(rest)
	content[HeaderSize+len(f)+len(g)+FrameHeader] ^= 1 // record 2
	if err := os.WriteFile(w.path(1), content, 0o640); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct{ err, line string }{
		dir: {"1 of 2 segments are damaged",
			fmt.Sprintf("xx-00000001.jnl: damaged at octet %d: a record's checksum is wrong; records 2 to 2 cannot be read\n", HeaderSize+len(f)+len(g))},
		w.path(1):     {"1 of 1 segments are damaged", "records 2 to 2 cannot be read"},
		w.path(2):     {"", "xx-00000002.jnl: whole, "},
		m.file.Name(): {"", "at-nobody: a mark\n"},
	} {
		out.Reset()
		err := Verify(&out, path, printers)
		if text := fmt.Sprint(err); err != nil && text != want.err || err == nil && want.err != "" || !strings.Contains(out.String(), want.line) {
			t.Errorf("Verify(%s) = %v, %q; want %q, %q", filepath.Base(path), err, &out, want.err, want.line)
		}
	}
	out.Reset()
	if err := Dump(&out, dir, printers); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# mark at-nobody: record 7, box 0102030000000000\n",
		"# xx-00000001.jnl: segment 1, box 0102030000000000, from record 1, begun ",
		fmt.Sprintf("record 1\n# xx-00000001.jnl: damaged at octet %d: a record's checksum is wrong; %d octets not read\nrecord 3\n", HeaderSize+len(f)+len(g), len(g)),
		"record 30\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("Dump does not say %q; it says:\n%s", want, &out)
		}
	}
	if err := Dump(io.Discard, filepath.Join(dir, "none"), printers); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Dump(no file) = %v; want ErrNotExist", err)
	}
}

// FuzzScanner reads any octets behind a good header: what is accepted must be
// frames as they stand there, numbered upwards. With relink the checksums are
// made right first, so that the fuzzer gets behind them.
func FuzzScanner(f *testing.F) {
	content, ends := written(f)
	body := content[HeaderSize:]
	f.Add(body, false)
	f.Add(body[:ends[3]+5-HeaderSize], true)
	f.Add(append(bytes.Clone(body), make([]byte, 64)...), false)
	f.Add(append(bytes.Clone(body), body...), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, body []byte, relink bool) {
		b := append(bytes.Clone(content[:HeaderSize]), body...)
		_, chain, err := decodeHeader(b, testFormat.Magic)
		if err != nil {
			t.Fatal(err)
		}
		for rest := b[HeaderSize:]; relink && len(rest) > FrameHeader; {
			if length := uint32(rest[0]) | uint32(rest[1])<<8; length == 0 || rest[2]|rest[3] != 0 || FrameSize(int(length)) > len(rest) {
				break
			}
			var f Frame
			f, rest = FirstFrame(rest)
			chain = f.link(f.Seq(), chain)
		}
		s, err := NewScanner(inMemory{Reader: bytes.NewReader(b)}, testFormat.Magic, testBox)
		if err != nil {
			t.Fatal(err)
		}
		at, last := int64(HeaderSize), uint64(0)
		for {
			fr, err := s.Next()
			if err == io.EOF || err != nil && !s.Skip() {
				break
			}
			if err != nil {
				if s.off <= at {
					t.Fatalf("Skip from octet %d to %d", at, s.off)
				}
				at = s.off
				continue
			}
			if end := at + int64(len(fr)); end > int64(len(b)) || !bytes.Equal(fr, b[at:end]) {
				t.Fatalf("the frame at octet %d is not what stands there", at)
			}
			if fr.Type() == Record {
				if fr.Seq() <= last {
					t.Fatalf("record %d after %d", fr.Seq(), last)
				}
				last = fr.Seq()
			}
			at += int64(len(fr))
		}
		if s.off != at {
			t.Fatalf("off = %d; want %d", s.off, at)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	content, _ := written(f)
	f.Add(content[:HeaderSize])
	f.Add([]byte{})
	f.Add(make([]byte, HeaderSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, _, err := decodeHeader(b, testFormat.Magic); err == nil && !bytes.Equal(h.appendTo(nil, testFormat.Magic), b[:HeaderSize]) {
			t.Fatalf("decodeHeader(%x) does not encode to the same", b)
		}
	})
}
