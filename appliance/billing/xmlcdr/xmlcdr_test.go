package xmlcdr

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/model"
)

// numbered is the record of the call with that number, a short one.
func numbered(n int) []byte {
	call := Call{Start: at(0), End: at(100), Reason: 3, BCID: fmt.Appendf(nil, "%024d", n), CallID: fmt.Sprint(n)}
	return call.AppendTo(nil)
}

func records(first, last int) (calls [][]byte) {
	for n := first; n <= last; n++ {
		calls = append(calls, numbered(n))
	}
	return calls
}

// typical are records with media.
func typical(count int) (calls [][]byte) {
	for n := range count {
		call := example()
		call.CallID = fmt.Sprint(n)
		calls = append(calls, call.AppendTo(nil))
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

var marks = regexp.MustCompile("(?m)^<!--[0-9a-f]{8}-->\n")

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
	content, err := os.ReadFile(filepath.Join(dir, status.Current))
	if err != nil || marks.ReplaceAllString(string(content), "") != body || len(content) != len(body)+2*markSize {
		t.Errorf("the part has\n%s\n%v; want two marks and\n%s", content, err, body)
	}
	if status.CurrentBytes != int64(len(content)) || status.CurrentCalls != 3 || status.Calls != 3 || status.Files != 0 || status.FreeKB == 0 || status.Problem != "" {
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
	content, err = os.ReadFile(filepath.Join(dir, status.LastFile))
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
	f := openTest(t, Options{Dir: dir, Settings: model.XMLMethod{Size: 2}})
	long := Call{CallID: "long", Parties: [sides]Party{{URI: strings.Repeat("x", 3000)}}}
	appendAll(t, f, append(records(1, 20), long.AppendTo(nil), numbered(21))...)
	for n := 22; n <= 40; n++ {
		appendAll(t, f, numbered(n))
	}
	f.close()
	wantCalls(t, "in files", finishedIn(t, dir), slices.Concat(numbers(1, 20), []string{"long"}, numbers(21, 40)))
	one := len(numbered(10))
	full := 0
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if size := info.Size(); strings.HasSuffix(entry.Name(), ".xml") && size <= 2<<10 && size > int64(2<<10-2*one) {
			full++
		} else if size > 2<<10 && size < 3000 {
			t.Errorf("%s has %d octets; want 2048 at the most", entry.Name(), size)
		}
	}
	if perFile := 2 << 10 / one; full < 40/perFile-2 {
		t.Errorf("%d files are as full as they can be; want %d", full, 40/perFile-2)
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
	call := func(n int) callSum { return sumOfCall(fmt.Append(nil, n)) }
	for n := range 3 * remembered {
		if r.has(call(n)) {
			t.Fatalf("%d is known", n)
		}
		r.add(call(n))
		if old := max(0, n-remembered+1); !r.has(call(n)) || !r.has(call(old)) {
			t.Fatalf("after %d: it is known: %v, %d is: %v", n, r.has(call(n)), old, r.has(call(old)))
		}
	}
	if size := len(r.newer) + len(r.older); size > 2*remembered {
		t.Errorf("%d are remembered; want %d at the most", size, 2*remembered)
	}
	var all recent
	all.addAll(r)
	for n := 2 * remembered; n < 3*remembered; n++ {
		if !all.has(call(n)) {
			t.Fatalf("addAll left %d out", n)
		}
	}
}

func BenchmarkAppend64(b *testing.B) {
	f := openTest(b, Options{Dir: b.TempDir()})
	calls := typical(64)
	b.SetBytes(int64(len(slices.Concat(calls...))))
	b.ReportAllocs()
	for b.Loop() {
		f.known = recent{}
		appendAll(b, f, calls...)
	}
}

// BenchmarkScan reads a part of 10 MB, as after a crash.
func BenchmarkScan(b *testing.B) {
	f := openTest(b, Options{Dir: b.TempDir()})
	appendAll(b, f, typical(9000)...)
	status := f.Status()
	content, err := os.ReadFile(filepath.Join(status.Directory, status.Current))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if s := scan(status.Current[:len(status.Current)-len(partSuffix)], bytes.NewReader(content), func(callSum) {}); s.calls != 9000 || s.torn != 0 {
			b.Fatalf("scan = %+v", s)
		}
	}
}
