package billing

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/billing/journal"
	"causeway/appliance/billing/segment"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// In a child process these say where it works and where its RADIUS server is.
const (
	childVariable  = "BILLING_TEST_CHILD"
	serverVariable = "BILLING_TEST_SERVER"
)

// TestMain is the billing process itself when a test runs it as a child.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Fprintln(os.Stderr, Main(context.Background(), testOptions(dir, netip.MustParseAddrPort(os.Getenv(serverVariable)))))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// Texts of revisions.
const (
	billed = "billed\n" // by event messages and by XML
	off    = "off\n"    // the same, not active
	xml    = "xml\n"    // by XML only
	again  = "again\n"  // as billed, beside something else that changed
	wrong  = "wrong\n"
)

func testOptions(dir string, server netip.AddrPort) Options {
	return Options{
		Journal: filepath.Join(dir, "harddisk", "billcache"),
		Run:     filepath.Join(dir, "run"),
		Serial:  filepath.Join(dir, "serial"),
		Volumes: dir,
		KeyDir:  filepath.Join(dir, "keys"),
		Parse: func(text string) (*model.Config, error) {
			if text == wrong {
				return nil, errors.New("line 1: wrong")
			}
			sbc := billing(text != off, server)
			if text == xml {
				sbc.Billing.MethodXML, sbc.Billing.MethodPacketCable, sbc.Billing.PacketCable = true, false, nil
				sbc.Billing.XML = []model.XMLMethod{{Index: 1, Path: "usb0:cdr", Attached: true}}
			}
			return &model.Config{HostName: text, SBC: sbc}, nil
		},
		Log:         slog.New(slog.DiscardHandler),
		recallAfter: time.Millisecond,
	}
}

// billing is a border controller that bills to the server.
func billing(active bool, server netip.AddrPort) model.SBC {
	return model.SBC{
		Name: "test", SBE: true,
		RADIUSClients: []model.RADIUSClient{{Name: "mars", Interval: 100, Active: true, Servers: []model.RADIUSServer{
			{Name: "moon", Address: server.Addr(), Port: int(server.Port())}}}},
		Billing: model.Billing{
			Configured: true, Active: active, ElementID: 42, MethodPacketCable: true,
			PacketCable: []model.PacketCableMethod{{Index: 3, Client: "mars", Attached: true}},
		},
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

// use has the process go by a revision.
func use(t *testing.T, o Options, revision string) {
	t.Helper()
	waitForStatus(t, o, "answer", func(model.BillingStatus) bool { return true })
	if err := call(t, o, "billing.prepare", map[string]string{"revision": revision}, nil); err != nil {
		t.Fatal(err)
	}
	if err := call(t, o, "billing.switch", nil, nil); err != nil {
		t.Fatal(err)
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
	t.Cleanup(func() { w.Close() })
	return w
}

// callTime is when the events of a call happened: no two calls share a second,
// so that it tells them apart.
func callTime(n int) time.Time { return time.Date(2026, 11, 22, 0, 0, n, 0, time.UTC) }

// calls writes the events of the calls first to last; every tenth stays open.
func calls(t *testing.T, w *journal.Writer, first, last int) {
	t.Helper()
	batch := &journal.Batch{}
	for n := first; n <= last; n++ {
		event := model.CallEvent{Time: callTime(n), From: fmt.Appendf(nil, "<sip:1%07d@example.com>;tag=a", n), RequestURI: []byte("sip:15551230002@192.0.2.1"), CallID: fmt.Appendf(nil, "%d@192.0.2.1", n)}
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

// Every event makes its messages, and is acknowledged when they are in the cache
// and the process ends in order.
func TestEventsBecomeRecords(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	calls(t, w, 1, 20)
	stop := start(t, o)
	use(t, o, billed)
	calls(t, w, 21, 100)
	keeper.await(t, 90*8+10*4)
	keeper.check(t, 1, 100)
	status := waitForStatus(t, o, "all of it delivered", func(s model.BillingStatus) bool {
		return s.OpenCalls == 10 && len(s.Instances) == 1 && s.Cache.Records == 0
	})
	want := map[string]int64{"offered": 100, "routed": 100, "answered": 100, "disconnect": 90, "ended": 90}
	if fmt.Sprint(status.Counters) != fmt.Sprint(want) {
		t.Errorf("counters %v; want %v", status.Counters, want)
	}
	if i := status.Instances[0]; i.Name != "packetcable-em-3" || !i.Operation || !i.TransportUp || i.ActiveCalls != 10 {
		t.Errorf("instance %+v", i)
	}
	if len(status.RADIUS) != 1 || status.RADIUS[0].Servers[0].Responses == 0 || len(status.Alarms) > 0 {
		t.Errorf("RADIUS %+v, alarms %+v", status.RADIUS, status.Alarms)
	}
	stop()
	if journal, err := w.Status(); err != nil || journal.FirstSeq != 481 {
		t.Errorf("acknowledged up to %d, %v; want 480", journal.FirstSeq-1, err)
	}
}

// The process is killed while events come: each message arrives, those that
// come twice are the same octet for octet, and the open calls are the right ones.
func TestKilledInTheMiddle(t *testing.T) {
	dir, keeper := t.TempDir(), newKeeper(t)
	o := testOptions(dir, keeper.address)
	w := openJournal(t, o)
	const lives, perLife = 6, 50
	for life := range lives {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+dir, serverVariable+"="+keeper.address.String())
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if life == 0 {
			waitForStatus(t, o, "answer", func(model.BillingStatus) bool { return true })
			use(t, o, billed)
		}
		had := keeper.count()
		calls(t, w, life*perLife+1, life*perLife+perLife/2)
		keeper.await(t, had+1)
		calls(t, w, life*perLife+perLife/2+1, (life+1)*perLife)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", err)
		}
	}
	start(t, o)
	keeper.await(t, lives*perLife*9/10*8+lives*perLife/10*4)
	keeper.check(t, 1, lives*perLife)
	waitForStatus(t, o, "open calls", func(s model.BillingStatus) bool {
		return s.OpenCalls == lives*perLife/10 && s.Counters[countLost] == 0
	})
}

// While no server answers records wait, and the box says so; then all come.
func TestServerIsAway(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	keeper.silent.Store(true)
	start(t, o)
	use(t, o, billed)
	calls(t, w, 1, 50)
	waitForStatus(t, o, "alarm", func(s model.BillingStatus) bool {
		return s.Cache.Records == 45*8+5*4 && slices.ContainsFunc(s.Alarms, func(c model.Condition) bool { return c.Name == alarm.BillingTransportDown && c.Object == "mars" })
	})
	keeper.silent.Store(false)
	keeper.await(t, 45*8+5*4)
	keeper.check(t, 1, 50)
	waitForStatus(t, o, "end of the alarm", func(s model.BillingStatus) bool { return s.Cache.Records == 0 && len(s.Alarms) == 0 })
}

// What was offered while billing was active is closed when it ends (deact-mode
// abort), and what comes later is not billed.
func TestDeactivation(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	stop := start(t, o)
	use(t, o, billed)
	calls(t, w, 10, 10) // stays open
	keeper.await(t, 4)
	use(t, o, off)
	calls(t, w, 11, 12)
	waitForStatus(t, o, "no open call", func(s model.BillingStatus) bool {
		return s.OpenCalls == 0 && s.Counters["ended"] == 2 && !s.Instances[0].Operation && s.Cache.Records == 4
	})
	stop()
	start(t, o)
	waitForStatus(t, o, "no open call after a restart", func(s model.BillingStatus) bool { return s.Revision != "" && s.OpenCalls == 0 })
	use(t, o, billed)
	keeper.await(t, 8)
	keeper.check(t, 10, 10)
}

// What waits in the journal when billing ends, however much, was offered before.
func TestDeactivationWithBacklog(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	calls(t, w, 1, 999) // several batches
	start(t, o)
	use(t, o, billed)
	use(t, o, off)
	waitForStatus(t, o, "all calls", func(s model.BillingStatus) bool { return s.Counters["ended"] == 900 })
	use(t, o, billed)
	keeper.await(t, 999*8)
	keeper.check(t, 1, 999)
}

// Calls that are over stand in the XML file, each once, whether the process was
// restarted or not.
func TestXML(t *testing.T) {
	o := testOptions(t.TempDir(), newKeeper(t).address)
	if err := os.MkdirAll(filepath.Join(o.Volumes, "usb0"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := openJournal(t, o)
	stop := start(t, o)
	use(t, o, xml)
	calls(t, w, 1, 20)
	waitForStatus(t, o, "calls in the file", func(s model.BillingStatus) bool { return s.CDR != nil && s.CDR.Calls == 18 && s.OpenCalls == 2 })
	stop()
	calls(t, w, 21, 29)
	start(t, o)
	status := waitForStatus(t, o, "more calls", func(s model.BillingStatus) bool { return s.CDR != nil && s.CDR.Calls == 9 && s.Cache.Records == 0 })
	found := map[string]int{}
	entries, err := os.ReadDir(status.CDR.Directory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(status.CDR.Directory, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`callid="(\d+)@`).FindAllStringSubmatch(string(text), -1) {
			found[match[1]]++
		}
	}
	for n := 1; n <= 29; n++ {
		if want := min(1, n%10); found[fmt.Sprint(n)] != want {
			t.Errorf("call %d is there %d times; want %d", n, found[fmt.Sprint(n)], want)
		}
	}
}

// Records that a full cache keeps in memory outlive the commit that makes room.
func TestFullCacheGetsRoom(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	const full = "full\n"
	parse := o.Parse
	o.Parse = func(text string) (*model.Config, error) {
		c, err := parse(text)
		if text == full {
			c.SBC.Billing.Cache.MaxSize = 1
		}
		return c, err
	}
	w := openJournal(t, o)
	keeper.silent.Store(true)
	start(t, o)
	use(t, o, full)
	calls(t, w, 1, 9)
	waitForStatus(t, o, "records in memory", func(s model.BillingStatus) bool { return s.Cache.Records == 9*8 && s.Cache.MemoryRecords > 0 })
	use(t, o, billed)
	waitForStatus(t, o, "all records on the disk", func(s model.BillingStatus) bool { return s.Cache.Records == 9*8 && s.Cache.MemoryRecords == 0 })
	keeper.silent.Store(false)
	keeper.await(t, 9*8)
	keeper.check(t, 1, 9)
}

// A commit that changes nothing of billing leaves its instances at work.
func TestOtherChanges(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	start(t, o)
	use(t, o, billed)
	calls(t, w, 1, 5)
	keeper.await(t, 5*8)
	before := waitForStatus(t, o, "answers", func(s model.BillingStatus) bool { return len(s.RADIUS) == 1 && s.RADIUS[0].Servers[0].Responses > 0 })
	use(t, o, again)
	calls(t, w, 6, 9)
	keeper.await(t, 9*8)
	keeper.check(t, 1, 9)
	waitForStatus(t, o, "answers of the same client", func(s model.BillingStatus) bool {
		return s.RADIUS[0].Servers[0].Responses > before.RADIUS[0].Servers[0].Responses
	})
}

// A journal that is numbered anew, beside a cache that knows higher numbers of
// the one before, is billed whole.
func TestJournalBeginsAnew(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	stop := start(t, o)
	use(t, o, billed)
	calls(t, w, 1, 9)
	keeper.await(t, 9*8)
	stop()
	removeJournal(t, o)
	w = openJournal(t, o)
	calls(t, w, 11, 15)
	start(t, o)
	keeper.await(t, 14*8)
	keeper.check(t, 11, 15)
}

// The same, when the process is started once more before the first call.
func TestJournalBeginsAnewWithoutCalls(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	stop := start(t, o)
	use(t, o, billed)
	calls(t, w, 1, 9)
	keeper.await(t, 9*8)
	stop()
	removeJournal(t, o)
	w = openJournal(t, o)
	stop = start(t, o)
	waitForStatus(t, o, "cache", func(s model.BillingStatus) bool { return s.Cache.Directory != "" && s.Cache.Fault == "" })
	stop()
	start(t, o)
	calls(t, w, 11, 15)
	keeper.await(t, 14*8)
	keeper.check(t, 11, 15)
}

func removeJournal(t *testing.T, o Options) {
	t.Helper()
	for _, pattern := range []string{"ev-*", "ack", "durable", "calls.state"} {
		found, err := filepath.Glob(filepath.Join(o.Journal, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		for _, path := range found {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// While another process has the directory of the cache events wait.
func TestCacheInUse(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	dir, err := os.Open(o.Journal) // by default the cache is there
	if err == nil {
		err = segment.Lock(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	start(t, o)
	use(t, o, billed)
	calls(t, w, 1, 9)
	waitForStatus(t, o, "revision", func(s model.BillingStatus) bool { return s.Revision != "" })
	dir.Close()
	keeper.await(t, 9*8)
	keeper.check(t, 1, 9)
}

func TestRevision(t *testing.T) {
	o := testOptions(t.TempDir(), newKeeper(t).address)
	stop := start(t, o)
	waitForStatus(t, o, "answer", func(model.BillingStatus) bool { return true })
	if err := call(t, o, "billing.switch", nil, nil); err == nil || !strings.Contains(err.Error(), "no revision is prepared") {
		t.Errorf("billing.switch = %v; want %v", err, "no revision is prepared")
	}
	if err := call(t, o, "billing.prepare", map[string]string{"revision": wrong}, nil); err == nil || err.Error() != "line 1: wrong" {
		t.Errorf("billing.prepare(wrong) = %v; want the parser's word", err)
	}
	const text = off
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
	o := testOptions(t.TempDir(), newKeeper(t).address)
	path := filepath.Join(o.Run, "billing", "revision")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(wrong), 0o640)); err != nil {
		t.Fatal(err)
	}
	start(t, o)
	waitForStatus(t, o, "status without a revision", func(s model.BillingStatus) bool { return s.Revision == "" })
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
