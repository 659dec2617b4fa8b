package powercut

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// recorder writes a log as QEMU does.
type recorder struct {
	bytes.Buffer
	entries int
}

const logSector = 512

// newRecorder begins a log; its superblock is filled in by log.
func newRecorder() *recorder {
	r := &recorder{}
	r.Write(make([]byte, logSector))
	return r
}

// write logs a write of data at an offset of the disk, in octets.
func (r *recorder) write(offset int64, data []byte) {
	r.entry(offset/logSector, int64(len(data))/logSector, 0)
	r.Write(data)
}

func (r *recorder) flush() { r.entry(0, 0, Flush) }

func (r *recorder) entry(sector, count int64, flags Flags) {
	header := make([]byte, logSector)
	binary.LittleEndian.PutUint64(header, uint64(sector))
	binary.LittleEndian.PutUint64(header[8:], uint64(count))
	binary.LittleEndian.PutUint64(header[16:], uint64(flags))
	r.Write(header)
	r.entries++
}

// text gives the log with its superblock.
func (r *recorder) text() []byte {
	text := bytes.Clone(r.Bytes())
	binary.LittleEndian.PutUint64(text, logMagic)
	binary.LittleEndian.PutUint64(text[8:], logVersion)
	binary.LittleEndian.PutUint64(text[16:], uint64(r.entries))
	binary.LittleEndian.PutUint32(text[24:], logSector)
	return text
}

func (r *recorder) log(t testing.TB) *Log {
	t.Helper()
	text := r.text()
	log, err := ReadLog(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// sectors gives n sectors full of one octet.
func sectors(n int, octet byte) []byte { return bytes.Repeat([]byte{octet}, n*logSector) }

func TestReadLog(t *testing.T) {
	r := newRecorder()
	r.write(4096, sectors(2, 'a'))
	r.entry(100, 8, Discard)
	r.flush()
	r.entry(7, 1, FUA)
	r.Write(sectors(1, 'b'))
	log := r.log(t)
	want := []Entry{
		{Offset: 4096, Length: 1024},
		{Offset: 51200, Length: 4096, Flags: Discard},
		{Flags: Flush},
		{Offset: 3584, Length: 512, Flags: FUA},
	}
	if diff := cmp.Diff(want, log.Entries, cmpopts.IgnoreUnexported(Entry{})); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for n, want := range []string{"aaaa", "\x00\x00\x00\x00", "", "bbbb"} {
		got := make([]byte, len(want))
		if err := log.read(log.Entries[n], 0, got); err != nil || string(got) != want {
			t.Errorf("data of entry %d = %q, %v; want %q", n, got, err, want)
		}
	}
}

// TestReadLogDamaged changes one field of a good log at a time.
func TestReadLogDamaged(t *testing.T) {
	for _, test := range []struct {
		name  string
		at    int // the octet that is changed
		to    byte
		cut   int // octets taken off the end
		fault string
	}{
		{"magic", 0, 0, 0, "magic"},
		{"version", 8, 2, 0, "version 2"},
		{"more entries than there are", 16, 3, 0, "entry 2 of 3"},
		{"sector size of 0", 25, 0, 0, "sector size of 0"},
		{"sector size that is no power of two", 24, 8, 0, "sector size of 520"},
		{"unknown flag", logSector + 16, 64, 0, "flags 0x40"},
		{"a sector beyond any disk", logSector + 7, 1, 0, "entry 0 of 2"},
		{"more sectors than any disk has", logSector + 15, 1, 0, "entry 0 of 2"},
		{"a number of sectors that overflows", logSector + 15, 0x80, 0, "entry 0 of 2"},
		{"data cut short", 0, logMagic & 0xff, logSector + 1, "entry 0 of 2"},
		{"no superblock", 0, logMagic & 0xff, 4*logSector - 5, "superblock"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRecorder()
			r.write(0, sectors(1, 'a'))
			r.flush()
			text := r.text()
			text[test.at] = test.to
			text = text[:len(text)-test.cut]
			log, err := ReadLog(bytes.NewReader(text), int64(len(text)))
			if err == nil || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("ReadLog = %v, %v; want an error on %q", log, err, test.fault)
			}
		})
	}
}

// FuzzReadLog reads logs that QEMU did not write: what is accepted can be
// replayed.
func FuzzReadLog(f *testing.F) {
	r := newRecorder()
	f.Add(r.text())
	r.write(4096, sectors(2, 'a'))
	r.entry(8, 1, Discard)
	r.flush()
	f.Add(r.text())
	f.Add(r.text()[:900])
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		log, err := ReadLog(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			return
		}
		if len(log.Entries) > len(text)/minSectorSize {
			t.Errorf("%d entries in %d octets", len(log.Entries), len(text))
		}
		if _, err := newReplay(log, 0, 1<<16).cut(len(log.Entries), testRandom()); err != nil {
			t.Errorf("replay of a log that was read = %v", err)
		}
	})
}
