package xmlcdr

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"causeway/appliance/model"
)

// The part is cut at every octet, as a power cut does: what was acknowledged
// before is kept, and what comes again is written once.
func TestCutPart(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	f := openTest(t, o)
	var ends []int64 // of the writes
	for _, calls := range [][][]byte{records(1, 1), records(2, 3)} {
		appendAll(t, f, calls...)
		ends = append(ends, f.Status().CurrentBytes)
	}
	name := f.Status().Current
	f.die()
	content, err := os.ReadFile(filepath.Join(o.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(content) + 1 {
		whole := 0
		if int64(cut) >= ends[1] {
			whole = 3
		} else if int64(cut) >= ends[0] {
			whole = 1
		}
		o := Options{Dir: t.TempDir(), open: unsynced}
		if err := os.WriteFile(filepath.Join(o.Dir, name), content[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		f := openTest(t, o)
		wantCalls(t, fmt.Sprintf("kept of %d octets", cut), finishedIn(t, o.Dir), numbers(1, whole))
		if status := f.Status(); status.Problem != "" || int(status.Files) != min(whole, 1) {
			t.Errorf("after a cut at %d: Status = %+v", cut, *status)
		}
		appendAll(t, f, records(1, 4)...)
		f.close()
		wantCalls(t, fmt.Sprintf("after a cut at %d", cut), finishedIn(t, o.Dir), numbers(1, 4))
		for _, name := range namesIn(t, o.Dir) {
			if !strings.HasSuffix(name, ".xml") && !strings.HasSuffix(name, ".log") {
				t.Errorf("after a cut at %d there is %s", cut, name)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// unsynced is a directory that forgets to sync, for speed.
func unsynced(path string) (directory, error) {
	d, err := openDirectory(path)
	return swift{d}, err
}

type swift struct{ directory }

func (swift) Sync() error { return nil }

func (d swift) Open(name string, flag int) (file, error) {
	f, err := d.directory.Open(name, flag)
	return swiftFile{f}, err
}

type swiftFile struct{ file }

func (swiftFile) Datasync() error { return nil }

// Damage in front of whole calls: those in front of it are finished, and nothing
// is deleted.
func TestDamagedPart(t *testing.T) {
	f := openTest(t, Options{Dir: t.TempDir(), Settings: model.XMLMethod{Index: 7}})
	for n := 70; n <= 80; n++ {
		appendAll(t, f, numbered(n))
	}
	other, err := os.ReadFile(filepath.Join(f.options.Dir, f.Status().Current))
	if err != nil {
		t.Fatal(err)
	}
	for name, alter := range map[string]func(content []byte, at int) []byte{
		"changed":    func(b []byte, at int) []byte { b[at] = '<'; return b },
		"zeros":      func(b []byte, at int) []byte { clear(b[at : at+200]); return b },
		"missing":    func(b []byte, at int) []byte { return slices.Delete(b, at, at+len(numbered(1))) },
		"of another": func(b []byte, at int) []byte { return slices.Concat(b[:at], other[at-len(numbered(1)):]) },
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			f := openTest(t, o)
			for n := 1; n <= 6; n++ {
				appendAll(t, f, numbered(n))
			}
			part := filepath.Join(o.Dir, f.Status().Current)
			f.die()
			content, err := os.ReadFile(part)
			if err != nil {
				t.Fatal(err)
			}
			content = alter(content, len(content)-3*(len(numbered(1))+markSize)+50) // within the fourth
			if err := os.WriteFile(part, content, 0o644); err != nil {
				t.Fatal(err)
			}
			f = openTest(t, o)
			wantCalls(t, "in front of the damage", finishedIn(t, o.Dir), numbers(1, 3))
			if kept, err := os.ReadFile(part + ".bad"); err != nil || string(kept) != string(content) {
				t.Errorf("%s.bad: %v, or not as it was", part, err)
			}
			appendAll(t, f, records(2, 7)...)
			f.close()
			wantCalls(t, "at the end", finishedIn(t, o.Dir), numbers(1, 7))
		})
	}
}

// A part that cannot be read is tried again, for its disk may be going away, and
// then is no more in the way of others.
func TestUnreadablePart(t *testing.T) {
	for faults, want := range map[int][]string{1: numbers(1, 7), 2: numbers(1, 7), 3: append(numbers(1, 2), "7")} {
		d := &disk{now: map[string]*content{}}
		o := Options{Dir: t.TempDir(), open: d.enter}
		f := openTest(t, o)
		for n := 1; n <= 6; n++ {
			appendAll(t, f, numbered(n))
		}
		part := f.Status().Current
		f.die()
		d.readFaults = faults
		f = openTest(t, o)
		if faults > 1 {
			if err := f.Append(numbered(7)); !errors.Is(err, syscall.EIO) {
				t.Errorf("with %d faults Append = %v; want EIO", faults, err)
			}
		}
		appendAll(t, f, numbered(7))
		f.close()
		wantCalls(t, fmt.Sprintf("after %d faults", faults), finished(t, d), want)
		if kept := d.now[part+".bad"] != nil; kept != (faults == 3) {
			t.Errorf("after %d faults the part is kept aside: %v", faults, kept)
		}
	}
}

// What the disk does not give back as it was written is not finished.
func TestWrittenIsRead(t *testing.T) {
	d := &disk{now: map[string]*content{}}
	f := openTest(t, Options{Dir: t.TempDir(), open: d.enter})
	appendAll(t, f, numbered(1))
	appendAll(t, f, numbered(2))
	part := f.Status().Current
	c := d.now[part].now
	c[len(c)-100] ^= 1
	if err := f.close(); err == nil {
		t.Error("close = nil; want an error")
	}
	wantCalls(t, "in files", finished(t, d), nil)
	openTest(t, Options{Dir: t.TempDir(), open: d.enter}).close()
	wantCalls(t, "in files at the next start", finished(t, d), numbers(1, 1))
	if d.now[part+".bad"] == nil {
		t.Errorf("there is no %s.bad", part)
	}
}

// The last line of a checksum log is cut at every octet.
func TestCutChecksumLog(t *testing.T) {
	o := Options{Dir: t.TempDir(), Settings: model.XMLMethod{Size: 1}}
	f := openTest(t, o)
	appendAll(t, f, records(1, 3)...)
	f.close()
	path := filepath.Join(o.Dir, logNames[0])
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(content) {
		if err := os.WriteFile(path, content[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		openTest(t, o).close()
		wantCalls(t, fmt.Sprintf("with a log of %d octets", cut), finishedIn(t, o.Dir), numbers(1, 3))
		if again, err := os.ReadFile(path); err != nil || string(again) != string(content) {
			t.Fatalf("after a cut at %d the log has\n%s\n%v; want\n%s", cut, again, err, content)
		}
	}
}

// Power is cut at any moment, and what was not flushed is lost in part:
// acknowledged calls are in finished files, each once, whatever comes again.
func TestPowerCuts(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		d := &disk{random: random, fat: seed%2 == 0, now: map[string]*content{}}
		o := Options{Dir: t.TempDir(), Settings: model.XMLMethod{Size: 3}, open: d.enter}
		acknowledged, offered := 0, 0
		for range 6 {
			d.diesAt = d.operations + 1 + random.IntN(100)
			f := openTest(t, o)
			next := max(0, acknowledged-random.IntN(8)) + 1 // the mark of who calls is older
			for f.Status().Problem == "" {
				last := next + random.IntN(5)
				offered = max(offered, last)
				if f.Append(records(next, last)...) == nil {
					next, acknowledged = last+1, max(acknowledged, last)
				}
				if random.IntN(8) == 0 {
					f.close()
					f = openTest(t, o)
				}
			}
			f.die()
			d.cut()
		}
		f := openTest(t, o)
		appendAll(t, f, records(max(1, acknowledged-8), offered)...)
		f.close()
		wantCalls(t, fmt.Sprintf("after the power cuts of %d", seed), finished(t, d), numbers(1, offered))
		if t.Failed() {
			t.Fatal(d.now)
		}
	}
}

// One operation of the disk fails: the next try succeeds, and nothing is lost
// or written twice.
func TestFaults(t *testing.T) {
	for _, fault := range []error{syscall.EIO, syscall.ENOSPC} {
		at, operations := 0, 1
		for ; at < operations && !t.Failed(); at++ {
			d := &disk{fat: at%2 == 0, now: map[string]*content{}, fault: fault, faultAt: at}
			o := Options{Dir: t.TempDir(), Settings: model.XMLMethod{Size: 1}, open: d.enter}
			f := openTest(t, o)
			for n := 1; n <= 12; n += 3 {
				err := f.Append(records(n, n+2)...)
				if status := f.Status(); err != nil && (!errors.Is(err, fault) || status.Problem != err.Error()) {
					t.Errorf("with %v at operation %d: Append = %v, Problem = %q", fault, at, err, status.Problem)
				}
				if err != nil {
					err = f.Append(records(n, n+2)...)
				}
				if status := f.Status(); err != nil || status.Problem != "" {
					t.Errorf("after %v at operation %d: Append = %v, Problem = %q", fault, at, err, status.Problem)
				}
			}
			if f.close() != nil {
				openTest(t, o).close()
			}
			operations, d.fault = d.operations, nil
			wantCalls(t, fmt.Sprintf("with %v at operation %d", fault, at), finished(t, d), numbers(1, 12))
		}
		if !t.Failed() && at < 60 {
			t.Errorf("%v was tried at %d operations; want more", fault, at)
		}
	}
}

// FuzzRecover opens a directory where a part is cut and followed by anything,
// beside a checksum log that holds anything: what was acknowledged and is in
// front is kept, and nothing but calls gets into finished files.
func FuzzRecover(f *testing.F) {
	d := &disk{now: map[string]*content{}}
	files := openTest(f, Options{Dir: f.TempDir(), open: d.enter})
	var ends []int
	for _, calls := range [][][]byte{records(1, 1), records(2, 3)} {
		appendAll(f, files, calls...)
		ends = append(ends, int(files.Status().CurrentBytes))
	}
	part := files.Status().Current
	written := d.now[part].now
	files.die()
	log := fmt.Sprintf("%032x  billing-0-20260102T030405Z-000009.xml\n", 9)
	f.Add(uint16(0), []byte(""), []byte(""))
	f.Add(uint16(len(written)), []byte("</call>\n"), []byte(log))
	f.Add(uint16(len(written)), appendMark(numbered(4), 0), []byte(log[:40]))
	f.Add(uint16(ends[0]), []byte(footer), []byte("\n"+log))
	f.Add(uint16(ends[0]+100), written[ends[0]+100:], []byte(log+log))
	f.Fuzz(func(t *testing.T, cut uint16, tail, log []byte) {
		kept := min(int(cut), len(written))
		d := &disk{now: map[string]*content{
			part:        {now: slices.Concat(written[:kept], tail)},
			logNames[0]: {now: log},
		}}
		o := Options{Dir: t.TempDir(), open: d.enter}
		files := openTest(t, o)
		if problem := files.Status().Problem; problem != "" {
			t.Fatalf("Problem = %q", problem)
		}
		got := finished(t, d)
		if kept >= ends[0] && len(got) < 1 || kept >= ends[1] && len(got) < 3 {
			t.Errorf("calls %v are kept of %d octets; the writes ended at %d", got, kept, ends)
		}
		appendAll(t, files, records(1, 5)...)
		files.close()
		wantCalls(t, "at the end", finished(t, d), numbers(1, 5))
	})
}
