package billing

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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
	os.Exit(onDisk(m))
}

// onDisk runs the tests on a disk of their own: where this host has little
// room, CDR files would have none.
func onDisk(m *testing.M) int {
	dir, err := os.MkdirTemp("", "billing")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=512m"); err != nil {
		panic(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	os.Setenv("TMPDIR", dir)
	return m.Run()
}

// Texts of revisions.
const (
	billed = "billed\n" // by event messages
	off    = "off\n"    // the same, not active
	xml    = "xml\n"    // by XML only
	again  = "again\n"  // as billed, beside something else that changed
	wrong  = "wrong\n"

	element   = "element\n"    // as billed, of another network element
	moved     = "moved\n"      // as billed, with another cache path
	onFailure = "on-failure\n" // as xml, with cache policy on-failure
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
			switch text {
			case element:
				sbc.Billing.ElementID++
			case moved:
				sbc.Billing.Cache.Path = "usb0:/elsewhere/"
			case onFailure:
				sbc.Billing.Cache.OnFailure = true
			}
			if text == xml || text == onFailure {
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

// awaitFile waits for a file.
func awaitFile(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("a minute later: %v", err)
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

// appendCall adds events of a call.
func appendCall(batch *journal.Batch, n int, kinds ...model.CallEventKind) {
	event := model.CallEvent{Time: callTime(n), From: fmt.Appendf(nil, "<sip:1%07d@example.com>;tag=a", n), RequestURI: []byte("sip:15551230002@192.0.2.1"), CallID: fmt.Appendf(nil, "%d@192.0.2.1", n)}
	binary.BigEndian.PutUint64(event.Key[:], uint64(n))
	for _, event.Kind = range kinds {
		batch.Append(&event)
	}
}

// calls writes the events of the calls first to last; every tenth stays open.
func calls(t *testing.T, w *journal.Writer, first, last int) {
	t.Helper()
	batch := &journal.Batch{}
	for n := first; n <= last; n++ {
		appendCall(batch, n, model.CallOffered, model.CallRouted, model.CallAnswered)
		if n%10 != 0 {
			appendCall(batch, n, model.CallDisconnect, model.CallEnded)
		}
	}
	if err := w.Commit(batch); err != nil {
		t.Fatal(err)
	}
}

// startChild runs the process as another one, until it is killed.
func startChild(t *testing.T, dir string, keeper *keeper) (kill func()) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+dir, serverVariable+"="+keeper.address.String())
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
			t.Fatalf("the child ended by itself: %v", err)
		}
	}
}

// callsIn counts the records of each call in the XML files of a directory.
func callsIn(t *testing.T, dir string) (found map[string]int) {
	t.Helper()
	found = map[string]int{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`callid="(\d+)@`).FindAllStringSubmatch(string(text), -1) {
			found[match[1]]++
		}
	}
	return found
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

// lockCache takes the directory of the cache, as another process that has it.
func lockCache(t *testing.T, o Options) (release func()) {
	t.Helper()
	dir, err := os.Open(o.Journal) // by default the cache is there
	if err == nil {
		err = segment.Lock(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { dir.Close() }
}
