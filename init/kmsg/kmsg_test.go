package kmsg

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Record
		err  bool
	}{
		{"6,339,5140900,-;NET: Registered protocol family 10\n", Record{339, 6, 5140900 * time.Microsecond, "NET: Registered protocol family 10"}, false},
		{"31,340,0,-;init: ready", Record{340, 31, 0, "init: ready"}, false},
		{"6,341,1,c,caller=T1;more; of it\n SUBSYSTEM=usb\n DEVICE=+usb:1-1\n", Record{341, 6, time.Microsecond, "more; of it"}, false},
		{`4,342,1,-;caf\xc3\xa9 \x5cx41 \x1b[2J a\x0ab \x zz \xg0` + "\n", Record{342, 4, time.Microsecond, `café \x41 ?[2J a b \x zz \xg0`}, false},
		{`4,343,1,-;\xff \x09 ` + "\n", Record{343, 4, time.Microsecond, "?"}, false},
		{"4,344,1,-;", Record{344, 4, time.Microsecond, ""}, false},
		{"", Record{}, true},
		{"6,1,2,-", Record{}, true},
		{"6,1,2;x", Record{}, true},
		{"-1,1,2,-;x", Record{}, true},
		{"6,x,2,-;x", Record{}, true},
		{"6,1,99999999999999999999,-;x", Record{}, true},
	} {
		got, err := Parse([]byte(tt.line))
		if got != tt.want || errors.Is(err, errFormat) != tt.err {
			t.Errorf("Parse(%q) = %+v, %v; want %+v, error %v", tt.line, got, err, tt.want, tt.err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("6,339,5140900,-;text\n SUBSYSTEM=usb\n"))
	f.Add([]byte(`4,342,1,-;caf\xc3\xa9 \x5c \x1b`))
	f.Add([]byte(",,,;"))
	f.Fuzz(func(t *testing.T, line []byte) {
		record, err := Parse(line)
		if err != nil {
			return
		}
		if strings.ContainsFunc(record.Text, func(r rune) bool { return !unicode.IsPrint(r) }) || record.Time < 0 || record.Priority < 0 {
			t.Errorf("Parse(%q) = %+v", line, record)
		}
	})
}

// ring is a device that loses its oldest records.
type ring struct {
	first, last uint64 // the records that it holds
	next        uint64
	rewinds     int
}

func (r *ring) Rewind() error {
	r.rewinds++
	r.next = 0
	return nil
}

func (r *ring) Read(record []byte) (int, error) {
	if r.next == 0 {
		r.next = r.first
	}
	switch {
	case r.next < r.first:
		r.next = r.first
		return 0, unix.EPIPE
	case r.next > r.last:
		return 0, unix.EAGAIN
	}
	r.next++
	return copy(record, fmt.Sprintf("31,%d,%d,-;line\n", r.next-1, r.next)), nil
}

func TestReader(t *testing.T) {
	device := &ring{first: 1, last: 5}
	reader := NewReader(device)
	for _, tt := range []struct {
		what    string
		change  func()
		from    uint64
		limit   int
		want    []uint64
		next    uint64
		rewinds int
	}{
		{"the first page", nil, 0, 3, []uint64{1, 2, 3}, 4, 0},
		{"the next page", nil, 4, 3, []uint64{4, 5}, 6, 0},
		{"nothing new", nil, 6, 3, nil, 6, 0},
		{"one more", func() { device.last = 6 }, 6, 3, []uint64{6}, 7, 0},
		{"from the middle again", nil, 3, 2, []uint64{3, 4}, 5, 1},
		{"further on", nil, 6, 9, []uint64{6}, 7, 1},
		{"records were lost", func() { device.first, device.last = 9, 11 }, 7, 2, []uint64{9, 10}, 11, 1},
		{"from what is lost", nil, 1, 9, []uint64{9, 10, 11}, 12, 2},
		{"from an earlier boot", nil, 5000, 9, nil, 12, 2},
	} {
		if tt.change != nil {
			tt.change()
		}
		records, next, err := reader.From(tt.from, tt.limit)
		var got []uint64
		for _, record := range records {
			got = append(got, record.Seq)
		}
		if !slices.Equal(got, tt.want) || next != tt.next || err != nil || device.rewinds != tt.rewinds {
			t.Errorf("%s: From(%d, %d) = %v, next %d, %v after %d rewinds; want %v, next %d after %d",
				tt.what, tt.from, tt.limit, got, next, err, device.rewinds, tt.want, tt.next, tt.rewinds)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, unix.EIO }
func (broken) Rewind() error            { return unix.EIO }

// lines are a device with just these records.
type lines struct {
	all  []string
	next int
}

func (l *lines) Rewind() error { l.next = 0; return nil }

func (l *lines) Read(record []byte) (int, error) {
	if l.next == len(l.all) {
		return 0, unix.EAGAIN
	}
	l.next++
	return copy(record, l.all[l.next-1]), nil
}

// A record that cannot be read keeps nobody from those behind it.
func TestReaderPassesOddRecords(t *testing.T) {
	reader := NewReader(&lines{all: []string{"31,1,1,-;a", "what is this", "x,2,2,-;b", "31,3,3,-;c"}})
	for range 2 {
		records, next, err := reader.From(0, 9)
		if len(records) != 2 || records[1].Seq != 3 || next != 4 || err != nil {
			t.Errorf("From = %v, next %d, %v; want 1 and 3, next 4", records, next, err)
		}
	}
}

// One of two readers that follow the log is a line behind, in a full ring.
func BenchmarkFromBehind(b *testing.B) {
	device := &lines{}
	for i := range 10_000 {
		device.all = append(device.all, fmt.Sprintf(`31,%d,%d,-;proxy: level=INFO msg="a line of usual length" subject=sip caf\xc3\xa9`, i, i))
	}
	reader := NewReader(device)
	for b.Loop() {
		reader.From(uint64(len(device.all)-1), 500)
	}
}

func TestReaderFails(t *testing.T) {
	if _, _, err := NewReader(broken{}).From(1, 1); !errors.Is(err, unix.EIO) {
		t.Errorf("From = %v; want %v", err, unix.EIO)
	}
}

// The ring of this machine is read as it comes, up to a line that we write.
func TestRealRing(t *testing.T) {
	device, err := Open("/dev/kmsg")
	if err != nil {
		t.Fatal(err)
	}
	ours := fmt.Sprintf("kmsg test %d: caf\u00e9", os.Getpid())
	write, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	if _, err := write.WriteString("<31>" + ours + "\n"); err != nil {
		t.Fatal(err)
	}
	reader, next := NewReader(device), uint64(0)
	for {
		records, after, err := reader.From(next, 500)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			if record.Text == ours && record.Priority == 31 {
				return
			}
		}
		if len(records) == 0 {
			t.Fatal("what was written is not there")
		}
		next = after
	}
}
