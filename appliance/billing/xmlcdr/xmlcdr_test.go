package xmlcdr

import (
	"context"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// numbered is the record of the call with that number.
func numbered(n int) []byte {
	call := example()
	call.BCID = fmt.Appendf(nil, "%024d", n)
	call.CallID = fmt.Sprint(n)
	return call.AppendTo(nil)
}

func records(first, last int) (calls [][]byte) {
	for n := first; n <= last; n++ {
		calls = append(calls, numbered(n))
	}
	return calls
}

func numbers(first, last int) (texts []string) {
	for n := first; n <= last; n++ {
		texts = append(texts, fmt.Sprint(n))
	}
	return texts
}

func openTest(t testing.TB, o Options) *Files {
	t.Helper()
	f, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.close() })
	return f
}

func appendAll(t testing.TB, f *Files, calls ...[]byte) {
	t.Helper()
	if err := f.Append(calls...); err != nil {
		t.Fatalf("Append = %v; want nil", err)
	}
}

// die ends f as a crash does.
func (f *Files) die() {
	f.writing.Lock()
	defer f.writing.Unlock()
	if f.part != nil && f.part.file != nil {
		f.part.file.Close()
	}
	f.part = nil
	f.leave()
	f.closed = true
}

// callsOf gives the call IDs in a file, which must be well-formed.
func callsOf(t testing.TB, name string, content []byte) (ids []string) {
	t.Helper()
	depth := 0
	for decoder := xml.NewDecoder(strings.NewReader(string(content))); ; {
		token, err := decoder.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, content)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if want := []string{"recordfile", "call"}; depth < 2 && token.Name.Local != want[depth] {
				t.Errorf("%s: element %s at depth %d", name, token.Name.Local, depth)
			}
			depth++
			for _, a := range token.Attr {
				if a.Name.Local == "callid" {
					ids = append(ids, a.Value)
				}
			}
		case xml.EndElement:
			depth--
		}
	}
	if !strings.HasSuffix(string(content), footer) {
		t.Errorf("%s does not end with %s:\n%s", name, footer, content)
	}
	return ids
}

// finished gives the calls of all finished files in their order. Each file must
// have its line in a checksum log, and only one.
func finished(t testing.TB, d directory) (ids []string) {
	t.Helper()
	names, err := d.Names()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string][]string{}
	for _, name := range logNames {
		content, err := readLog(d, name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			fields := strings.Fields(line)
			sums[fields[1]] = append(sums[fields[1]], fields[0])
		}
	}
	slices.SortFunc(names, byNumber)
	for _, name := range names {
		number, suffix := numberOf(name)
		if number == 0 || suffix != "" {
			continue
		}
		in, err := d.Open(name, os.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		in.Close()
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{fmt.Sprintf("%x", md5.Sum(content))}; !slices.Equal(sums[name], want) {
			t.Errorf("checksums of %s = %v; want %v", name, sums[name], want)
		}
		found := callsOf(t, name, content)
		if len(found) == 0 {
			t.Errorf("%s has no calls", name)
		}
		ids = append(ids, found...)
	}
	return ids
}

func finishedIn(t testing.TB, dir string) []string {
	t.Helper()
	d, err := openDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return finished(t, d)
}

func wantCalls(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("calls %s = %v; want %v", what, got, want)
	}
}

// namesIn gives the names in a directory, with # for the time in them.
func namesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if number, _ := numberOf(name); number > 0 {
			parts := strings.Split(name, "-")
			parts[2] = "#"
			name = strings.Join(parts, "-")
		}
		names = append(names, name)
	}
	return names
}

func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "cdr")
	f := openTest(t, Options{Dir: dir, SBC: netip.MustParseAddr("2001:db8::1"), Settings: model.XMLMethod{Index: 1}})
	appendAll(t, f)
	if names := namesIn(t, dir); names != nil {
		t.Errorf("without calls there are %v; want no files", names)
	}
	appendAll(t, f, records(1, 2)...)
	appendAll(t, f, numbered(3))
	body := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<recordfile sbc="2001:db8::1">` + "\n" + string(slices.Concat(records(1, 3)...))
	status := f.Status()
	if content, err := os.ReadFile(filepath.Join(dir, status.Current)); err != nil || string(content) != body {
		t.Errorf("the part has\n%s\n%v; want\n%s", content, err, body)
	}
	if status.CurrentBytes != int64(len(body)) || status.CurrentCalls != 3 || status.Calls != 3 || status.Files != 0 || status.FreeKB == 0 || status.Problem != "" {
		t.Errorf("Status = %+v", *status)
	}
	if names, want := namesIn(t, dir), []string{"billing-1-#-000001.xml.part"}; !slices.Equal(names, want) {
		t.Errorf("there are %v; want %v", names, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Run(ctx); err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
	status = f.Status()
	body += "</recordfile>\n"
	content, err := os.ReadFile(filepath.Join(dir, status.LastFile))
	if sum := fmt.Sprintf("%x", md5.Sum(content)); err != nil || string(content) != body || status.LastMD5 != sum || status.Files != 1 || status.Current != "" {
		t.Errorf("the file has\n%s\n%v, Status = %+v; want the MD5 %s and\n%s", content, err, *status, sum, body)
	}
	if names, want := namesIn(t, dir), []string{"billing-1-#-000001.xml", "md5checksum1.log"}; !slices.Equal(names, want) {
		t.Errorf("there are %v; want %v", names, want)
	}
	if log, err := os.ReadFile(filepath.Join(dir, logNames[0])); err != nil || string(log) != status.LastMD5+"  "+status.LastFile+"\n" {
		t.Errorf("the log has %q, %v", log, err)
	}
	for name, mode := range map[string]fs.FileMode{".": fs.ModeDir | dirMode, status.LastFile: 0o664, logNames[0]: 0o664} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has the mode %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
	if err := f.Append(numbered(4)); err == nil {
		t.Error("Append after Run = nil; want an error")
	}
}

// A file is no longer than flipped-size, but for a call that is longer by itself.
func TestSize(t *testing.T) {
	dir := t.TempDir()
	f := openTest(t, Options{Dir: dir, Settings: model.XMLMethod{Size: 4}})
	long := example()
	long.CallID, long.BCID = "long", nil
	long.Parties[Orig].URI = strings.Repeat("x", 5000)
	appendAll(t, f, append(records(1, 10), long.AppendTo(nil), numbered(11))...)
	for n := 12; n <= 20; n++ {
		appendAll(t, f, numbered(n))
	}
	f.close()
	wantCalls(t, "in files", finishedIn(t, dir), slices.Concat(numbers(1, 10), []string{"long"}, numbers(11, 20)))
	one := len(numbered(1))
	counts := map[int64]int{}
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && strings.HasSuffix(entry.Name(), ".xml") {
			counts[(info.Size()-int64(len(header)+len(footer)))/int64(one)]++
			if info.Size() > 4<<10 && info.Size() < 5000 {
				t.Errorf("%s has %d octets; want 4096 at the most", entry.Name(), info.Size())
			}
		}
	}
	fit := int64(4<<10-len(header)-len(footer)) / int64(one)
	if want := map[int64]int{fit: 20 / int(fit)}; counts[fit] < want[fit]-2 {
		t.Errorf("files by calls in them: %v; want most with %d", counts, fit)
	}
}

func TestInterval(t *testing.T) {
	for _, c := range []struct {
		setting int
		want    time.Duration
	}{{0, 180 * time.Second}, {240, 240 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			f := openTest(t, Options{Dir: dir, Settings: model.XMLMethod{Interval: c.setting}})
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error)
			go func() { ran <- f.Run(ctx) }()
			time.Sleep(time.Hour) // without calls
			appendAll(t, f, numbered(1))
			time.Sleep(c.want - 2*time.Second)
			appendAll(t, f, numbered(2))
			synctest.Wait()
			if status := f.Status(); status.Files != 0 || status.CurrentCalls != 2 {
				t.Errorf("just before the interval Status = %+v", *status)
			}
			time.Sleep(3 * time.Second)
			synctest.Wait()
			if status := f.Status(); status.Files != 1 || status.Current != "" {
				t.Errorf("after the interval Status = %+v", *status)
			}
			wantCalls(t, "in files", finishedIn(t, dir), numbers(1, 2))
			cancel()
			if err := <-ran; err != nil {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

// What was written before a crash and not acknowledged comes again, and is
// known, also from files before the last.
func TestKnownCalls(t *testing.T) {
	dir := t.TempDir()
	o := Options{Dir: dir, Settings: model.XMLMethod{Size: 4}}
	f := openTest(t, o)
	appendAll(t, f, records(1, 20)...)
	f.die()
	f = openTest(t, o)
	appendAll(t, f, records(1, 10)...)
	appendAll(t, f, records(8, 22)...)
	f.close()
	wantCalls(t, "in files", finishedIn(t, dir), numbers(1, 22))
	f = openTest(t, Options{Dir: dir, Settings: model.XMLMethod{Index: 3}}) // another instance goes on
	appendAll(t, f, records(21, 23)...)
	f.close()
	wantCalls(t, "in files", finishedIn(t, dir), numbers(1, 23))
	if status := f.Status(); status.Calls != 1 {
		t.Errorf("Calls = %d; want 1", status.Calls)
	}
}

func TestRecent(t *testing.T) {
	var r recent
	r.add("")
	for n := range 3 * remembered {
		r.add(fmt.Sprint(n))
		if old := fmt.Sprint(max(0, n-remembered+1)); !r.has(fmt.Sprint(n)) || !r.has(old) || r.has("") {
			t.Fatalf("after %d: %d known: %v, %s known: %v, empty known: %v", n, n, r.has(fmt.Sprint(n)), old, r.has(old), r.has(""))
		}
	}
	if size := len(r.newer) + len(r.older); size > 2*remembered {
		t.Errorf("%d are remembered; want %d at the most", size, 2*remembered)
	}
	var all recent
	all.addAll(r)
	for bcid := range maps.Keys(r.newer) {
		if !all.has(bcid) {
			t.Fatalf("addAll left %s out", bcid)
		}
	}
}

// The header is as long as the text that scan looks for.
func TestBCIDOf(t *testing.T) {
	for call, want := range map[string]string{
		string(numbered(7)):                     fmt.Sprintf("%x", fmt.Sprintf("%024d", 7)),
		"<call starttime=\"1\">\n</call>\n":     "",
		"<call starttime=\"1\" bcid=\"ab\">\n":  "ab",
		"<call>\n<party bcid=\"ab\"/>\n</call>": "",
	} {
		if got := bcidOf([]byte(call)); got != want {
			t.Errorf("bcidOf(%q) = %q; want %q", call, got, want)
		}
	}
}

func BenchmarkAppend64(b *testing.B) {
	f := openTest(b, Options{Dir: b.TempDir()})
	calls := records(1, 64)
	b.SetBytes(int64(len(slices.Concat(calls...))))
	b.ReportAllocs()
	for b.Loop() {
		f.known = recent{}
		appendAll(b, f, calls...)
	}
}

// BenchmarkScan reads what 10 MB have, as a start does: those of a part that a
// crash left, and those of the newest file.
func BenchmarkScan(b *testing.B) {
	content := fmt.Sprintf(header, "192.0.2.1") + string(slices.Concat(records(1, 10_000)...))
	for name, sound := range map[string]func([]byte) bool{"part": wellFormed, "finished": unseen} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if s := scan(strings.NewReader(content), sound, func(string) {}); s.calls != 10_000 || s.torn != 0 {
					b.Fatalf("scan = %+v", s)
				}
			}
		})
	}
}
