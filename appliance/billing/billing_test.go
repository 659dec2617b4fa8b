package billing

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/appliance/alarm"
	"causeway/appliance/model"
)

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
		kill := startChild(t, dir, keeper)
		if life == 0 {
			waitForStatus(t, o, "answer", func(model.BillingStatus) bool { return true })
			use(t, o, billed)
		}
		had := keeper.count()
		calls(t, w, life*perLife+1, life*perLife+perLife/2)
		keeper.await(t, had+1)
		awaitFile(t, filepath.Join(o.Run, "billing", "revision")) // no control brings it again
		calls(t, w, life*perLife+perLife/2+1, (life+1)*perLife)
		kill()
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
	waitForStatus(t, o, "its end", func(s model.BillingStatus) bool { return !s.Manager.Operation })
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
	waitForStatus(t, o, "all calls", func(s model.BillingStatus) bool { return s.Counters["ended"] == 900 && !s.Manager.Operation })
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
	found := callsIn(t, status.CDR.Directory)
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

// anew has nine calls billed and takes their journal away, so that the next one is
// numbered from 1.
func anew(t *testing.T, revision string) (*keeper, Options) {
	t.Helper()
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	stop := start(t, o)
	use(t, o, revision)
	calls(t, w, 1, 9)
	keeper.await(t, 9*8)
	stop()
	removeJournal(t, o)
	return keeper, o
}

// A journal that is numbered anew, beside a cache that knows higher numbers of
// the one before, is billed whole.
func TestJournalBeginsAnew(t *testing.T) {
	keeper, o := anew(t, billed)
	w := openJournal(t, o)
	calls(t, w, 11, 15)
	start(t, o)
	keeper.await(t, 14*8)
	keeper.check(t, 11, 15)
}

// The same, when the process is started once more before the first call.
func TestJournalBeginsAnewWithoutCalls(t *testing.T) {
	keeper, o := anew(t, billed)
	w := openJournal(t, o)
	stop := start(t, o)
	waitForStatus(t, o, "cache", func(s model.BillingStatus) bool { return s.Cache.Directory != "" && s.Cache.Fault == "" })
	stop()
	start(t, o)
	calls(t, w, 11, 15)
	keeper.await(t, 14*8)
	keeper.check(t, 11, 15)
}

// The same, when the stick of the cache is not there at first.
func TestJournalBeginsAnewWithoutTheCache(t *testing.T) {
	keeper, o := anew(t, moved)
	dir, aside := filepath.Join(o.Volumes, "usb0", "elsewhere"), filepath.Join(o.Volumes, "aside")
	if err := errors.Join(os.Rename(dir, aside), os.WriteFile(dir, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	w := openJournal(t, o)
	stop := start(t, o)
	waitForStatus(t, o, "fault of the cache", func(s model.BillingStatus) bool { return s.Cache.Fault != "" })
	stop()
	if err := errors.Join(os.Remove(dir), os.Rename(aside, dir)); err != nil {
		t.Fatal(err)
	}
	start(t, o)
	calls(t, w, 11, 15)
	keeper.await(t, 14*8)
	keeper.check(t, 11, 15)
}

// While another process has the directory of the cache events wait.
func TestCacheInUse(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	release := lockCache(t, o)
	start(t, o)
	use(t, o, billed)
	calls(t, w, 1, 9)
	waitForStatus(t, o, "revision", func(s model.BillingStatus) bool { return s.Revision != "" })
	release()
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
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(`{"revision":"`+wrong+`"}`), 0o640)); err != nil {
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
