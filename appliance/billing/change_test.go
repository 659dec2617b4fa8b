package billing

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/journal"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// Events that come again after a crash are billed as they were billed first,
// though the configuration is another one by then.
func TestChangedWhileItWasDown(t *testing.T) {
	dir, keeper := t.TempDir(), newKeeper(t)
	o := testOptions(dir, keeper.address)
	o.recallAfter = time.Hour // control comes first
	w := openJournal(t, o)
	kill := startChild(t, dir, keeper)
	use(t, o, billed)
	calls(t, w, 10, 10)
	keeper.await(t, 4)
	kill()
	start(t, o)
	use(t, o, element)
	waitForStatus(t, o, "the open call", func(s model.BillingStatus) bool { return s.OpenCalls == 1 })
	batch := &journal.Batch{}
	appendCall(batch, 10, model.CallDisconnect, model.CallEnded)
	appendCall(batch, 11, model.CallOffered, model.CallRouted, model.CallAnswered, model.CallDisconnect, model.CallEnded)
	if err := w.Commit(batch); err != nil {
		t.Fatal(err)
	}
	keeper.await(t, 16)
	keeper.check(t, 10, 11)
	for id := range keeper.order {
		if got, want := strings.TrimSpace(string(id.Element[:])), map[bool]string{true: "42", false: "43"}[id.Seconds == keeper.first()]; got != want {
			t.Errorf("half-call %v is of element %s; want %s", id, got, want)
		}
	}
}

// While events wait for a cache in trouble billing does not change, and says why.
func TestNoChangeWhileEventsWait(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	release := lockCache(t, o)
	start(t, o)
	use(t, o, billed)
	calls(t, w, 1, 9)
	err := call(t, o, "billing.prepare", map[string]string{"revision": off}, nil)
	if err == nil || !strings.Contains(err.Error(), "billing cannot change while call events wait: "+errNoCache.Error()) {
		t.Errorf("billing.prepare = %v; want that events wait for the cache", err)
	}
	release()
	keeper.await(t, 9*8)
	use(t, o, off)
	keeper.check(t, 1, 9)
}

// A call that is closed because billing ends has one record, whatever happens.
func TestKilledAfterDeactivation(t *testing.T) {
	dir, keeper := t.TempDir(), newKeeper(t)
	o := testOptions(dir, keeper.address)
	if err := os.MkdirAll(filepath.Join(dir, "usb0"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := openJournal(t, o)
	kill := startChild(t, dir, keeper)
	use(t, o, xml)
	calls(t, w, 10, 10)
	waitForStatus(t, o, "the open call", func(s model.BillingStatus) bool { return s.OpenCalls == 1 })
	use(t, o, off)
	waitForStatus(t, o, "its end", func(s model.BillingStatus) bool { return !s.Manager.Operation && s.OpenCalls == 0 })
	kill()
	stop := start(t, o)
	use(t, o, xml)
	calls(t, w, 11, 11)
	status := waitForStatus(t, o, "later records", func(s model.BillingStatus) bool {
		return s.CDR != nil && s.Counters["ended"] == 1 && s.Cache.Records == 0
	})
	stop()
	if found := callsIn(t, status.CDR.Directory); found["10"] != 1 || found["11"] != 1 {
		t.Errorf("records by call: %v; want one of 10 and one of 11", found)
	}
}

// Calls that are offered until the proxy knows that billing ends are billed.
func TestLateEvents(t *testing.T) {
	keeper := newKeeper(t)
	o := testOptions(t.TempDir(), keeper.address)
	w := openJournal(t, o)
	start(t, o)
	use(t, o, billed)
	use(t, o, off)
	calls(t, w, 9, 10)
	waitForStatus(t, o, "its end", func(s model.BillingStatus) bool { return !s.Manager.Operation && s.OpenCalls == 0 })
	use(t, o, billed)
	keeper.await(t, 16)
	keeper.check(t, 9, 10)
}

// With "cache policy on-failure" what an instance cannot deliver goes to the disk.
func TestOnFailure(t *testing.T) {
	o := testOptions(t.TempDir(), newKeeper(t).address)
	file := filepath.Join(o.Volumes, "usb0", "cdr") // in the place of the directory
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	w := openJournal(t, o)
	start(t, o)
	use(t, o, onFailure)
	calls(t, w, 1, 9)
	waitForStatus(t, o, "records on the disk", func(s model.BillingStatus) bool { return s.Cache.Records == 9 && s.Cache.MemoryRecords == 0 })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	status := waitForStatus(t, o, "records in the file", func(s model.BillingStatus) bool { return s.Cache.Records == 0 })
	if found := callsIn(t, status.CDR.Directory); len(found) != 9 {
		t.Errorf("records by call: %v; want those of 9", found)
	}
}

// The path of the cache is another one when billing comes back: a few records
// are taken along, many stay behind and are told of.
func TestCachePathChangedWhileItWasDown(t *testing.T) {
	for _, test := range []struct {
		name  string
		calls int
		moves bool
	}{{"a few", 9, true}, {"many", 2009, false}} {
		t.Run(test.name, func(t *testing.T) {
			keeper := newKeeper(t)
			o := testOptions(t.TempDir(), keeper.address)
			o.recallAfter = time.Hour
			w := openJournal(t, o)
			keeper.silent.Store(true)
			stop := start(t, o)
			use(t, o, billed)
			calls(t, w, 1, test.calls)
			records := int64(test.calls*8 - test.calls/10*4)
			waitForStatus(t, o, "records", func(s model.BillingStatus) bool { return s.Cache.Records == records })
			stop()
			stop = start(t, o)
			use(t, o, moved)
			waitForStatus(t, o, "records there", func(s model.BillingStatus) bool {
				return filepath.Base(s.Cache.Directory) == "elsewhere" && s.Cache.Consumers[0].Records == records == test.moves
			})
			if !test.moves {
				waitForStatus(t, o, "word of them", func(s model.BillingStatus) bool {
					for _, c := range s.Alarms {
						if c.Name == alarm.BillingCacheOrphaned && c.Object == "harddisk:/billcache" {
							return true
						}
					}
					return false
				})
				stop()
				start(t, o)
				use(t, o, billed)
			}
			keeper.silent.Store(false)
			keeper.await(t, int(records))
			keeper.check(t, 1, test.calls)
		})
	}
}

// A configuration that comes without billing, as by a rollback, takes no record
// along: calls in progress are closed, whenever their instance ended.
func TestBillingIsGone(t *testing.T) {
	const none, quiet = "none\n", "quiet\n"
	for _, test := range []struct {
		name string
		uses []string
	}{
		{"while active", []string{none, xml}},
		{"while it is quiet", []string{quiet, none, xml}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := testOptions(t.TempDir(), newKeeper(t).address)
			if err := os.MkdirAll(filepath.Join(o.Volumes, "usb0"), 0o755); err != nil {
				t.Fatal(err)
			}
			parse := o.Parse
			o.Parse = func(text string) (*model.Config, error) {
				c, err := parse(xml)
				switch text {
				case none:
					c.SBC.Billing = model.Billing{}
				case quiet:
					c.SBC.Billing.Active = false
				}
				c.SBC.Billing.XML = append([]model.XMLMethod(nil), c.SBC.Billing.XML...)
				for i := range c.SBC.Billing.XML {
					c.SBC.Billing.XML[i].DeactMode = model.DeactQuiesce
				}
				return c, err
			}
			w := openJournal(t, o)
			start(t, o)
			use(t, o, xml)
			calls(t, w, 10, 10) // stays open
			waitForStatus(t, o, "the open call", func(s model.BillingStatus) bool { return s.OpenCalls == 1 })
			for _, text := range test.uses {
				use(t, o, text)
				waitForStatus(t, o, text, func(s model.BillingStatus) bool {
					return s.Manager.Operation == (text == xml) && (text == quiet) == (s.OpenCalls == 1)
				})
			}
			calls(t, w, 11, 11)
			status := waitForStatus(t, o, "records", func(s model.BillingStatus) bool {
				return s.Counters["ended"] == 1 && s.Cache.Records == 0 && s.CDR != nil
			})
			if found := callsIn(t, status.CDR.Directory); found["10"] != 1 || found["11"] != 1 {
				t.Errorf("records by call: %v; want one of 10 and one of 11", found)
			}
		})
	}
}

// What is given up of a path that was left costs no records that wait in memory.
func TestClearLeftPath(t *testing.T) {
	keeper := newKeeper(t)
	keeper.silent.Store(true)
	o := testOptions(t.TempDir(), keeper.address)
	file := filepath.Join(o.Volumes, "usb0", "elsewhere") // in the place of the directory
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	w := openJournal(t, o)
	p := inHand(t, o, moved)
	p.left = []left{{Path: storage.Path{Volume: "harddisk", Name: "old"}, Records: 5}}
	calls(t, w, 1, 9)
	if err := p.catchUp(); err != nil {
		t.Fatal(err)
	}
	if dropped, err := p.clear("harddisk:/old"); dropped != 5 || err != nil || len(p.left) > 0 {
		t.Errorf("clear = %d, %v, %v are left; want 5", dropped, err, p.left)
	}
	kept, err := readSnapshot(p.file(snapshotName), p.box)
	if err != nil {
		t.Fatal(err)
	}
	if kept.Event > 0 && len(kept.Fresh) != 9*8 {
		t.Errorf("the snapshot of event %d has %d records, and the disk none; want %d", kept.Event, len(kept.Fresh), 9*8)
	}
}

// A record that waits for several is one when it is taken along: of two with one
// source the second would be thought to be there already.
func TestWaitingForSeveral(t *testing.T) {
	consumers := []cache.Consumer{{Name: "packetcable-em-0", Place: 0}, {Name: "packetcable-em-5", Place: 5}}
	opened, err := cache.Open(cache.Options{Dir: t.TempDir()}, consumers)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	records := []cache.Record{
		{Kind: cache.EM, To: 1<<0 | 1<<5, Source: cache.Source{Event: 1}, Payload: []byte("first")},
		{Kind: cache.EM, To: 1 << 5, Source: cache.Source{Event: 1, Index: 1, Last: true}, Payload: []byte("second")},
	}
	if err := opened.Append(records); err != nil {
		t.Fatal(err)
	}
	p := &process{cache: opened, cacheUsed: cacheUse{consumers: consumers}}
	status := opened.Status()
	moved, all := p.waiting(&status)
	if !all || len(moved) != 2 || moved[0].To != records[0].To || moved[1].To != records[1].To {
		t.Errorf("waiting = %+v, %v; want both records, each for those that it was for", moved, all)
	}
}

// A state of open calls that cannot be read is tried again before it is given up.
func TestStateThatCannotBeRead(t *testing.T) {
	for _, test := range []struct {
		name  string
		fails int // times
		calls int // that are open then
	}{{"for a while", readTries - 1, 1}, {"for good", readTries, 0}} {
		t.Run(test.name, func(t *testing.T) {
			o := testOptions(t.TempDir(), newKeeper(t).address)
			w := openJournal(t, o)
			stop := start(t, o)
			use(t, o, billed)
			calls(t, w, 10, 10)
			waitForStatus(t, o, "the open call", func(s model.BillingStatus) bool { return s.OpenCalls == 1 })
			stop()
			p := &process{options: o, box: journal.BoxOf("")}
			file, aside := p.file(snapshotName), p.file("aside")
			if err := errors.Join(os.Rename(file, aside), os.Mkdir(file, 0o700)); err != nil {
				t.Fatal(err)
			}
			for try := 1; try <= test.fails; try++ {
				if err := p.open(); (err == nil) != (try == readTries) {
					t.Errorf("open, try %d = %v", try, err)
				}
			}
			if test.fails < readTries {
				if err := errors.Join(os.Remove(file), os.Rename(aside, file), p.open()); err != nil {
					t.Fatal(err)
				}
			}
			defer p.reader.Close()
			if open, _ := p.manager.Open(); open != test.calls || p.counters[countStateless] != int64(1-test.calls) {
				t.Errorf("%d calls are open, counters %v; want %d", open, p.counters, test.calls)
			}
		})
	}
}
