package billing

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/billing/journal"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

const childVariable = "BILLING_TEST_CHILD"

// TestMain is the billing process itself when a test runs it as a child.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Fprintln(os.Stderr, Main(context.Background(), testOptions(dir)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func testOptions(dir string) Options {
	return Options{
		Journal: filepath.Join(dir, "journal"),
		Run:     filepath.Join(dir, "run"),
		Serial:  filepath.Join(dir, "serial"),
		Parse: func(text string) (*model.Config, error) {
			if text == "wrong\n" {
				return nil, errors.New("line 1: wrong")
			}
			return &model.Config{}, nil
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

// start runs the process until the test, or what is returned, ends it.
func start(t *testing.T, o Options) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Main(ctx, o) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-ended; err != nil {
			t.Errorf("Main = %v; want nil", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func call(t *testing.T, o Options, method string, params, result any) error {
	t.Helper()
	return link.Call(t.Context(), link.Socket(o.Run, "billing"), method, params, result)
}

// waitForStatus waits until billing.status shows what is looked for.
func waitForStatus(t *testing.T, o Options, what string, holds func(model.BillingStatus) bool) model.BillingStatus {
	t.Helper()
	var status model.BillingStatus
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		status = model.BillingStatus{}
		if err := call(t, o, "billing.status", nil, &status); err == nil && holds(status) {
			return status
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %s within a minute; status %+v", what, status)
		}
	}
}

func openJournal(t *testing.T, o Options) *journal.Writer {
	t.Helper()
	box, err := journal.ReadBox(o.Serial)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := journal.Open(o.Journal, journal.Options{Box: box, SegmentSize: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close the journal: %v", err)
		}
	})
	return w
}

// calls writes the events of the calls first to last; every tenth stays open.
func calls(t *testing.T, w *journal.Writer, first, last int) {
	t.Helper()
	batch := &journal.Batch{}
	for n := first; n <= last; n++ {
		event := model.CallEvent{Time: time.Unix(int64(n), 0), CallID: fmt.Appendf(nil, "%d@192.0.2.1", n)}
		binary.BigEndian.PutUint64(event.Key[:], uint64(n))
		kinds := []model.CallEventKind{model.CallOffered, model.CallRouted, model.CallAnswered, model.CallDisconnect, model.CallEnded}
		if n%10 == 0 {
			kinds = kinds[:3]
		}
		for _, event.Kind = range kinds {
			batch.Append(&event)
		}
	}
	if err := w.Commit(batch); err != nil {
		t.Fatal(err)
	}
}

func TestEventsAreCountedAndAcknowledged(t *testing.T) {
	o := testOptions(t.TempDir())
	w := openJournal(t, o)
	calls(t, w, 1, 20)
	start(t, o)
	calls(t, w, 21, 100)
	status := waitForStatus(t, o, "acknowledgement of all events", func(s model.BillingStatus) bool {
		return s.Journal.FirstSeq == 481 && s.Journal.NextSeq == 481
	})
	want := map[string]int64{"offered": 100, "routed": 100, "answered": 100, "disconnect": 90, "ended": 90}
	if status.OpenCalls != 10 || fmt.Sprint(status.Counters) != fmt.Sprint(want) {
		t.Errorf("status = %d open calls, %v; want 10, %v", status.OpenCalls, status.Counters, want)
	}
	if status.Journal.Segments != 1 {
		t.Errorf("%d segments are left; want the newest only", status.Journal.Segments)
	}
}

// The process is killed while events come: none is left out, and the open
// calls are the right ones after each restart.
func TestKilledInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(dir)
	w := openJournal(t, o)
	const lives, perLife = 8, 50
	events := uint64(0)
	for life := range lives {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+dir)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		calls(t, w, life*perLife+1, life*perLife+perLife/2)
		waitForStatus(t, o, "first event", func(s model.BillingStatus) bool { return s.Counters["offered"] > 0 })
		calls(t, w, life*perLife+perLife/2+1, (life+1)*perLife)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", err)
		}
		events += perLife/10*3 + perLife*9/10*5
	}
	before, err := w.Status()
	if err != nil {
		t.Fatal(err)
	}
	start(t, o)
	status := waitForStatus(t, o, "acknowledgement of all events", func(s model.BillingStatus) bool {
		return s.Journal.FirstSeq == events+1
	})
	var counted int64
	for _, n := range status.Counters {
		counted += n
	}
	if want := int64(events - (before.FirstSeq - 1)); counted != want || status.Counters[countLost] != 0 {
		t.Errorf("the last life counted %v: %d events; want the %d that were not acknowledged", status.Counters, counted, want)
	}
	if want := lives * perLife / 10; status.OpenCalls != want {
		t.Errorf("%d open calls; want %d", status.OpenCalls, want)
	}
}

// Ending the process in order acknowledges what it has read.
func TestStopAcknowledges(t *testing.T) {
	o := testOptions(t.TempDir())
	w := openJournal(t, o)
	stop := start(t, o)
	calls(t, w, 1, 9)
	waitForStatus(t, o, "events", func(s model.BillingStatus) bool { return s.Counters["ended"] == 9 })
	stop()
	if status, err := w.Status(); err != nil || status.FirstSeq != 46 {
		t.Errorf("acknowledged up to %d, %v; want 45", status.FirstSeq-1, err)
	}
}

func TestRevision(t *testing.T) {
	o := testOptions(t.TempDir())
	stop := start(t, o)
	waitForStatus(t, o, "answer", func(model.BillingStatus) bool { return true })
	if err := call(t, o, "billing.switch", nil, nil); err == nil || !strings.Contains(err.Error(), "no revision is prepared") {
		t.Errorf("billing.switch = %v; want %v", err, "no revision is prepared")
	}
	if err := call(t, o, "billing.prepare", map[string]string{"revision": "wrong\n"}, nil); err == nil || err.Error() != "line 1: wrong" {
		t.Errorf("billing.prepare(wrong) = %v; want the parser's word", err)
	}
	const text = "hostname box\n"
	if err := call(t, o, "billing.prepare", map[string]string{"revision": text}, nil); err != nil {
		t.Fatalf("billing.prepare = %v; want nil", err)
	}
	waitForStatus(t, o, "revision before the switch", func(s model.BillingStatus) bool { return s.Revision == "" })
	if err := call(t, o, "billing.switch", nil, nil); err != nil {
		t.Fatalf("billing.switch = %v; want nil", err)
	}
	want := model.RevisionID(text)
	waitForStatus(t, o, "revision", func(s model.BillingStatus) bool { return s.Revision == want })
	stop()
	start(t, o)
	waitForStatus(t, o, "revision after a restart", func(s model.BillingStatus) bool { return s.Revision == want })
}

func TestKeptRevisionDoesNotServe(t *testing.T) {
	o := testOptions(t.TempDir())
	path := filepath.Join(o.Run, "billing", "revision")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("wrong\n"), 0o640)); err != nil {
		t.Fatal(err)
	}
	start(t, o)
	waitForStatus(t, o, "status without a revision", func(s model.BillingStatus) bool { return s.Revision == "" })
}

func TestTableOfOpenCallsIsBounded(t *testing.T) {
	p := &process{calls: journal.Calls{}, counters: map[string]int64{}}
	event := model.CallEvent{Kind: model.CallOffered, Time: time.Unix(1, 0)}
	var buf []byte
	for n := range maxOpenCalls + 7 {
		binary.BigEndian.PutUint64(event.Key[:], uint64(n))
		buf = event.AppendTo(buf[:0])
		p.take(journal.Record{Seq: uint64(n + 1), Payload: buf})
	}
	p.take(journal.Record{Payload: []byte("no event")})
	if got := p.report(); got.OpenCalls != maxOpenCalls || got.Counters[countUntracked] != 7 || got.Counters[countUnreadable] != 1 {
		t.Errorf("report = %d open calls, %v; want %d, 7 untracked, 1 unreadable", got.OpenCalls, got.Counters, maxOpenCalls)
	}
}

func TestFlags(t *testing.T) {
	var o Options
	set := flag.NewFlagSet("billing", flag.ContinueOnError)
	o.Flags(set)
	if err := set.Parse([]string{"-journal", "/a", "-run", "/b"}); err != nil {
		t.Fatal(err)
	}
	if o.Journal != "/a" || o.Run != "/b" || o.Serial != model.SerialFile {
		t.Errorf("options = %+v; want /a, /b and the box's serial file", o)
	}
}
