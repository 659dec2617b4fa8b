package routing

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

const withFile = "route table t\nfile harddisk:routes.txt\nkey 8 response 480\nend route table\n"

const routesPath = "harddisk:/routes.txt"

// TestRouteFile: a file's lines are those of a route table.
func TestRouteFile(t *testing.T) {
	b := newBox(t)
	b.files[routesPath] = "! routes of March\n\nkey 9 response 486\r\n  key 49 target-destination 192.168.43.2:5070 wan tcp\n" +
		"key 50 policy p\nkey 51 default-sip wan"
	p := b.commit(withFile + byNumber(""))
	for uri, want := range map[string]string{
		"sip:8@x": "480 (route table t)", "sip:9@x": "486 (route table t)", "sip:49@x": "wan tcp 192.168.43.2:5070",
		"sip:50@x": "404 (no route)", // a circle
		"sip:51@x": "wan x (transport and port by DNS)", "sip:52@x": "404 (no route)",
	} {
		if got := routed(p, invite(t, p, uri)); got != want {
			t.Errorf("Route(%s) = %s; want %s", uri, got, want)
		}
	}
	if got := b.Conditions(); got != nil {
		t.Errorf("Conditions = %+v; want none", got)
	}
}

// TestRouteFileRefused: the error names file and line.
func TestRouteFileRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no route", "key 9 response 486\nkey\n", "harddisk:/routes.txt line 2: column 5: the line is not complete"},
		{"no destination", "key 9\n", "harddisk:/routes.txt line 1: column 7: the line is not complete"},
		{"two destinations", "key 9 response 486 policy p\n", "line 1: column 20: nothing is expected here"},
		{"status", "\nkey 9 response 200\n", "line 2: column 16: 200 is not between 300 and 699"},
		{"network", "key 9 default-sip moon\n", `line 1: key 9: there is no SIP network "moon"`},
		{"group", "key 9 group moon\n", `line 1: key 9: there is no route group "moon"`},
		{"twice", "key 9 response 486\nkey 9 response 480\n", "line 2: key 9: the table has it already"},
		{"typed, too", "key 8 response 486\n", "line 1: key 8: the table has it already"},
		{"long line", "key 9 response 486\nkey " + strings.Repeat("9", maxFileLine) + " response 486\n", "line 2: longer than 1024 octets"},
		{"long key", "key 9 response 486\nkey " + strings.Repeat("9", keyMax+1) + " response 486\n", "line 2: column 5: 9"},
		{"not text", "key 9 response 486\nkey \x00 response 486\n", "line 2: column 5: a character that cannot be printed"},
		{"too large", strings.Repeat("!"+strings.Repeat("x", 999)+"\n", maxFileBytes/1000), "the file is larger than 16777216 octets"},
	} {
		b := newBox(t)
		b.commit(byNumber("") + "route table t\nend route table\n")
		b.files[routesPath] = tt.text
		_, err := b.Plan(configured(t, withFile+byNumber("")))
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "route table t: ") {
			t.Errorf("%s: Plan = %v; want an error with %q", tt.name, err, tt.want)
		}
	}
}

// routes are those of a file.
func (b *box) routes(path string) (all []model.Route, err error) {
	err = b.readRouteFile(path, func(r *model.Route) error { all = append(all, *r); return nil })
	return all, err
}

// brokenFile ends with an error.
type brokenFile struct{ io.Reader }

func (brokenFile) Close() error { return nil }

// TestRouteFileUnreadable: the disk fails while the file is read.
func TestRouteFileUnreadable(t *testing.T) {
	b := newBox(t)
	b.options.OpenFile = func(string) (io.ReadCloser, error) {
		return brokenFile{io.MultiReader(strings.NewReader("key 9 response 486\n"), failing{})}, nil
	}
	if _, err := b.routes(routesPath); !errors.Is(err, errDisk) || !strings.HasPrefix(err.Error(), routesPath+" line 2: ") {
		t.Errorf("readRouteFile = %v; want %v", err, errDisk)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errDisk }

// TestRouteFileAllocates: a line whose destination is known costs its key.
func TestRouteFileAllocates(t *testing.T) {
	parser, err := newRouteParser()
	if err != nil {
		t.Fatal(err)
	}
	line := []byte("key 49  target-destination 192.168.43.2:5070 wan tcp")
	count := testing.AllocsPerRun(200, func() {
		if r, err := parser.parse(line); err != nil || r.Key != "49" || r.Port != 5070 {
			t.Errorf("parse(%s) = %+v, %v", line, r, err)
		}
	})
	if count > 1 {
		t.Errorf("parse(%s) allocates %v times; want 1", line, count)
	}
}

// TestRouteFileTooLong: no file makes the box hold more than it can.
func TestRouteFileTooLong(t *testing.T) {
	b := newBox(t)
	var text strings.Builder
	for i := range maxFileRoutes + 1 {
		fmt.Fprintf(&text, "key %d response 486\n", i)
	}
	b.files[routesPath] = text.String()
	if _, err := b.routes(routesPath); err == nil || !strings.Contains(err.Error(), "line 100001: the file has more than 100000 routes") {
		t.Errorf("readRouteFile = %v; want a refusal of line 100001", err)
	}
}

// TestRouteFileAtStart: a box starts without its file and says so; a commit
// that would lose routes is refused.
func TestRouteFileAtStart(t *testing.T) {
	b := newBox(t)
	c := configured(t, withFile+byNumber(""))
	calls := func(when, nine string) {
		t.Helper()
		p := b.current.Load()
		if got := routed(p, invite(t, p, "sip:9@x")); got != nine {
			t.Errorf("%s: Route(9) = %s; want %s", when, got, nine)
		}
		if got, want := routed(p, invite(t, p, "sip:8@x")), "480 (route table t)"; got != want {
			t.Errorf("%s: Route(8) = %s; want %s", when, got, want)
		}
	}
	b.use(c)
	calls("start without the file", "404 (no route)")
	want := []model.Condition{{Name: alarm.RouteFile, Object: "t", Text: "open route file harddisk:/routes.txt: file does not exist"}}
	if diff := cmp.Diff(want, b.Conditions()); diff != "" {
		t.Errorf("Conditions: %s", diff)
	}
	b.use(c)
	calls("commit while it is still missing", "404 (no route)")

	b.files[routesPath] = "key 9 response 486\n"
	b.use(c)
	calls("commit with the file", "486 (route table t)")
	if got := b.Conditions(); got != nil {
		t.Errorf("Conditions with the file = %+v; want none", got)
	}

	b.files[routesPath] = "key 9 response 486\nnonsense\n"
	if _, err := b.Plan(c); err == nil {
		t.Error("Plan takes a file with a fault in place of a good one")
	}
	calls("after a refused commit", "486 (route table t)")
	if _, found := alarm.Find(alarm.RouteFile); !found {
		t.Errorf("there is no alarm %s", alarm.RouteFile)
	}
}

// FuzzRouteFile: a file is taken with the routes that its lines say each for
// itself, and that a table can hold, or refused with its name and a line.
func FuzzRouteFile(f *testing.F) {
	f.Add("key 9 response 486\n")
	f.Add("key 49 target-destination 192.168.43.2:5070 wan tcp\n! x\n\nkey 4 group g\r\n")
	f.Add("key 9 policy p response 300")
	f.Add("key * target-destination [2001:db8::1]:5060 wan\n")
	f.Add("key 9 group g\nkey  8  group g\nk\t7 group\tg\nkey ü group g\nkey 6\tgr g\nkey 5 gr g\n")
	f.Fuzz(func(t *testing.T, text string) {
		b := newBox(t)
		b.files[routesPath] = text
		routes, err := b.routes(routesPath)
		if err != nil && !strings.HasPrefix(err.Error(), routesPath+" line ") {
			t.Errorf("readRouteFile(%q) = %v; the error names no line", text, err)
		}
		lines := strings.Split(text, "\n")
		for _, r := range routes {
			var alone []model.Route
			for ; len(alone) == 0 && len(lines) > 0; lines = lines[1:] {
				b.files[routesPath] = lines[0]
				alone, _ = b.routes(routesPath)
			}
			if r.Key == "" || len(alone) != 1 || alone[0] != r {
				t.Errorf("readRouteFile(%q) has %+v; the line says %+v", text, r, alone)
			}
			line := "key " + r.Key + " " + destinationText(&r.Destination) + "\n"
			b.files[routesPath] = line
			again, err := b.routes(routesPath)
			if err != nil || len(again) != 1 || again[0] != r {
				t.Errorf("readRouteFile(%q) = %+v, %v; want %+v", line, again, err, r)
			}
		}
	})
}

// BenchmarkPrepareRouteFile is what a commit does with a table of 100,000
// routes while the plan before it, of the same size, is in force: the memory
// that the plan takes then, and how far the heap grows on the way there, both
// in MB and with the collector set as the proxy has it.
func BenchmarkPrepareRouteFile(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(300))
	for _, destinations := range []int{200, maxFileRoutes} {
		b.Run(fmt.Sprintf("%d destinations", destinations), func(b *testing.B) {
			x := newBox(b)
			var text strings.Builder
			for i := range maxFileRoutes {
				fmt.Fprintf(&text, "key 49%09d target-destination 10.%d.%d.2 wan\n", i, i%destinations>>8, i%destinations&0xff)
			}
			x.files[routesPath] = text.String()
			c := configured(b, withFile+byNumber("rule prefix\n"))
			x.use(c)
			var peak, kept uint64
			b.ReportAllocs()
			for b.Loop() {
				before := heapAfterGC()
				highest := watchHeap()
				plan, err := x.Plan(c)
				peak = max(peak, highest()-before)
				if err != nil {
					b.Fatal(err)
				}
				kept = heapAfterGC() - before
				plan.Use()
			}
			b.ReportMetric(float64(kept)/1e6, "kept-MB")
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
		})
	}
}

// heapBytes are the objects on the heap, garbage included.
func heapBytes() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func heapAfterGC() uint64 {
	runtime.GC()
	return heapBytes()
}

// watchHeap looks at the heap once a millisecond until the function it gives
// is called, which says the most that was there.
func watchHeap() (highest func() uint64) {
	done, peak := make(chan struct{}), make(chan uint64)
	go func() {
		most := heapBytes()
		for {
			select {
			case <-time.After(time.Millisecond):
				most = max(most, heapBytes())
			case <-done:
				peak <- max(most, heapBytes())
				return
			}
		}
	}()
	return func() uint64 { close(done); return <-peak }
}
