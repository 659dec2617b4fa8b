package cache

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"causeway/appliance/billing/segment"
)

// billingUnderTest is a cache with its neighbours as they work: call events
// that are made into records, again after a crash from where the cache said they
// were settled, and consumers.
type billingUnderTest struct {
	options   Options
	cache     *Cache
	events    [][]Record // records of the events 1, 2, …
	settled   int        // events that need not be made into records again
	faults    int        // fdatasyncs to fail from now on
	consumers []*deliveryUnderTest
}

type deliveryUnderTest struct {
	Consumer
	given []Record        // in this life, not done
	last  string          // given in this life
	seen  map[string]bool // given in any life
	done  map[string]bool
	final map[string]bool // done with all before them before the cache was closed: never to come again
}

// name tells the records of all events apart, and sorts like them.
func name(r Record) string { return fmt.Sprintf("%05d.%d", r.Source.Event, r.Source.Index) }

func (b *billingUnderTest) open(t *rapid.T) {
	var consumers []Consumer
	for _, d := range b.consumers {
		consumers = append(consumers, d.Consumer)
		d.given, d.last = nil, ""
	}
	c, err := Open(b.options, consumers)
	if err != nil {
		t.Fatalf("Open = %v; want nil", err)
	}
	b.cache = c
	newest, known := c.Newest()
	if !known {
		t.Fatalf("Newest is not known")
	}
	for _, records := range b.events[b.settled:] {
		again := slices.DeleteFunc(slices.Clone(records), func(r Record) bool {
			return r.Source.Event < newest.Event || r.Source.Event == newest.Event && r.Source.Index <= newest.Index
		})
		b.append(t, again)
	}
}

func (b *billingUnderTest) append(t *rapid.T, records []Record) {
	if err := b.cache.Append(records); err != nil {
		t.Fatalf("Append = %v; want nil", err)
	}
}

// crash ends the cache without a word, and then the process that used it.
func (b *billingUnderTest) crash() {
	b.settled = int(min(b.cache.Settled(), uint64(len(b.events))))
	b.cache.die()
	b.faults = 0
	for _, d := range b.consumers { // what the marks do not say is to be done again
		d.done = maps.Clone(d.final)
	}
}

// take gets up to most records for a consumer.
func (b *billingUnderTest) take(t *rapid.T, d *deliveryUnderTest, most int) {
	r := b.cache.Cursor(d.Name)
	for range most {
		record, ok, err := r.poll()
		if err != nil {
			t.Fatalf("poll = %v; want nil", err)
		}
		if !ok {
			return
		}
		text := name(record)
		switch {
		case text <= d.last:
			t.Fatalf("%s gets %s after %s", d.Name, text, d.last)
		case d.final[text]:
			t.Fatalf("%s gets %s again, which was done when the cache was closed", d.Name, text)
		case record.To&(1<<d.Place) == 0:
			t.Fatalf("%s gets a %s", d.Name, record.Kind)
		case string(record.Payload) != text:
			t.Fatalf("record %s holds %q", text, record.Payload)
		}
		d.last = text
		d.seen[text] = true
		d.given = append(d.given, record)
	}
}

// finish makes records done that are given, from i on.
func (b *billingUnderTest) finish(d *deliveryUnderTest, i, count int) {
	for _, record := range d.given[i:min(i+count, len(d.given))] {
		b.cache.Cursor(d.Name).Done(record.Seq)
		d.done[name(record)] = true
	}
	d.given = slices.Delete(d.given, i, min(i+count, len(d.given)))
}

// Any interleaving of what can happen gives each consumer every record, in
// order, and none again but after a crash.
func TestAnyInterleaving(t *testing.T) {
	memory := t.TempDir() // it is the process that ends here, not the power
	tmpfs(t, memory, "64m")
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(memory, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		b := &billingUnderTest{}
		for _, c := range []Consumer{em0, em1, xml1} {
			b.consumers = append(b.consumers, &deliveryUnderTest{Consumer: c, seen: map[string]bool{}, done: map[string]bool{}, final: map[string]bool{}})
		}
		b.options = Options{
			Dir: dir, Box: testBox, segmentSize: 700, OnFailure: rapid.Bool().Draw(t, "on failure"),
			create: func(path string) (segment.Appendable, error) {
				f, err := segment.Create(path)
				return syncFails{f, &b.faults}, err
			},
		}
		b.open(t)
		defer func() { b.cache.die() }()
		someone := func(t *rapid.T) *deliveryUnderTest {
			return rapid.SampledFrom(b.consumers).Draw(t, "consumer")
		}
		t.Repeat(map[string]func(*rapid.T){
			"events": func(t *rapid.T) {
				var batch []Record
				for range rapid.IntRange(1, 6).Draw(t, "events") {
					var records []Record
					count := rapid.IntRange(1, 3).Draw(t, "records")
					for i := range count {
						r := Record{Kind: EM, To: toEM, Source: Source{uint64(len(b.events) + 1), uint16(i), i == count-1}}
						if i == count-1 && rapid.Bool().Draw(t, "a call record") {
							r.Kind, r.To = CDR, toCDR
						}
						r.Payload = []byte(name(r))
						records = append(records, r)
					}
					b.events = append(b.events, records)
					batch = append(batch, records...)
				}
				b.append(t, batch)
			},
			"take": func(t *rapid.T) { b.take(t, someone(t), rapid.IntRange(1, 15).Draw(t, "records")) },
			"done": func(t *rapid.T) {
				if d := someone(t); len(d.given) > 0 {
					b.finish(d, rapid.IntRange(0, len(d.given)-1).Draw(t, "from"), rapid.IntRange(1, 10).Draw(t, "records"))
				}
			},
			"a consumer starts anew": func(t *rapid.T) {
				d := someone(t)
				b.cache.Cursor(d.Name).Rewind()
				if len(d.given) > 0 {
					d.last = ""
				}
				d.given = nil
			},
			"hold":       func(t *rapid.T) { b.cache.Cursor(someone(t).Name).Hold(rapid.Bool().Draw(t, "down")) },
			"upkeep":     func(t *rapid.T) { b.cache.Upkeep() },
			"syncs fail": func(t *rapid.T) { b.faults = rapid.IntRange(1, 4).Draw(t, "faults") },
			"crash": func(t *rapid.T) {
				b.crash()
				b.open(t)
			},
			"close": func(t *rapid.T) {
				b.faults = 0
				b.cache.Upkeep()
				if err := b.cache.Close(); err != nil {
					t.Fatalf("Close = %v; want nil", err)
				}
				b.settled = len(b.events)
				for _, d := range b.consumers {
					b.eachFor(d, func(text string) bool {
						if d.done[text] {
							d.final[text] = true
						}
						return d.done[text]
					})
					d.done = maps.Clone(d.final) // what was done behind a record in hand is to be done again
				}
				b.open(t)
			},
			"": func(t *rapid.T) {
				if status := b.cache.Status(); status.Lost != 0 || status.Refused != 0 {
					t.Fatalf("Status = %+v; want nothing lost or refused", status)
				}
			},
		})
		b.faults = 0
		for range 2 { // with the memory written, and after a crash
			b.cache.Upkeep()
			for _, d := range b.consumers {
				b.finish(d, 0, len(d.given))
				b.take(t, d, 1<<20)
				b.eachFor(d, func(text string) bool {
					if !d.seen[text] {
						t.Fatalf("%s never got %s", d.Name, text)
					}
					return true
				})
			}
			if status := b.cache.Status(); status.Fault != "" {
				t.Fatalf("Status = %+v; want a disk that is well", status)
			}
			b.crash()
			b.open(t)
		}
	})
}

// Whatever sticks come and go, and whenever the process ends, each record is
// delivered once all of them were there.
func TestSticksAtRandom(t *testing.T) {
	sticks := newSticks(t)
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		b := &billingUnderTest{consumers: []*deliveryUnderTest{{Consumer: em0, seen: map[string]bool{}}, {Consumer: em1, seen: map[string]bool{}}}}
		b.options = Options{
			Dir: filepath.Join(sticks.point, fmt.Sprint(round)), Mount: sticks.point, Box: testBox, segmentSize: 700,
			OnFailure: rapid.Bool().Draw(t, "on failure"),
		}
		plugged := ""
		plug := func(stick string) {
			if plugged != "" {
				sticks.pull()
			}
			if plugged = stick; stick != "" {
				sticks.plug(stick)
			}
		}
		start := func(t *rapid.T) {
			c, err := Open(b.options, []Consumer{em0, em1})
			if err != nil {
				t.Fatalf("Open = %v; want nil", err)
			}
			b.cache = c
			newest, _ := c.Newest()
			for _, records := range b.events[b.settled:] {
				if records[0].Source.Event > newest.Event {
					b.append(t, records)
				}
			}
		}
		deliver := func(t *rapid.T, d *deliveryUnderTest, most int) {
			r := b.cache.Cursor(d.Name)
			for ; most > 0; most-- {
				record, ok, err := r.poll()
				if err != nil {
					t.Fatalf("poll = %v; want nil", err)
				}
				if !ok {
					break
				}
				d.seen[string(record.Payload)] = true
				d.given = append(d.given, record)
			}
		}
		finish := func(d *deliveryUnderTest, count int) {
			for ; count > 0 && len(d.given) > 0; count-- {
				b.cache.Cursor(d.Name).Done(d.given[0].Seq)
				d.given = d.given[1:]
			}
		}
		plug(rapid.SampledFrom([]string{sticks.a, sticks.b}).Draw(t, "stick"))
		start(t)
		defer func() {
			b.cache.die()
			plug("")
		}()
		// Each stick knows the consumers before the first record.
		for _, stick := range []string{sticks.a, sticks.b} {
			plug(stick)
			b.cache.Upkeep()
			b.cache.Upkeep()
		}
		t.Repeat(map[string]func(*rapid.T){
			"events": func(t *rapid.T) {
				for range rapid.IntRange(1, 9).Draw(t, "events") {
					b.events = append(b.events, []Record{event(len(b.events) + 1)})
					b.append(t, b.events[len(b.events)-1])
				}
			},
			"take": func(t *rapid.T) {
				deliver(t, rapid.SampledFrom(b.consumers).Draw(t, "consumer"), rapid.IntRange(1, 15).Draw(t, "records"))
			},
			"done": func(t *rapid.T) {
				finish(rapid.SampledFrom(b.consumers).Draw(t, "consumer"), rapid.IntRange(1, 20).Draw(t, "records"))
			},
			"upkeep": func(*rapid.T) { b.cache.Upkeep() },
			"stick": func(t *rapid.T) {
				plug(rapid.SampledFrom([]string{"", sticks.a, sticks.b}).Draw(t, "stick"))
			},
			"crash": func(t *rapid.T) {
				b.settled = int(min(b.cache.Settled(), uint64(len(b.events))))
				b.cache.die()
				for _, d := range b.consumers {
					d.given = nil
				}
				start(t)
			},
			"": func(t *rapid.T) {
				if status := b.cache.Status(); status.Lost != 0 || status.Refused != 0 {
					t.Fatalf("Status = %+v; want nothing lost or refused", status)
				}
			},
		})
		for _, stick := range []string{sticks.a, sticks.b} {
			plug(stick)
			b.cache.Upkeep()
			b.cache.Upkeep()
			for _, d := range b.consumers {
				finish(d, 1<<20)
				deliver(t, d, 1<<20)
				finish(d, 1<<20)
			}
		}
		for _, d := range b.consumers {
			for _, records := range b.events {
				if !d.seen[string(records[0].Payload)] {
					t.Fatalf("%s never got the record of event %d", d.Name, records[0].Source.Event)
				}
			}
		}
	})
}

// eachFor gives the names of all records for a consumer, in order, until more
// is false.
func (b *billingUnderTest) eachFor(d *deliveryUnderTest, visit func(text string) (more bool)) {
	for _, records := range b.events {
		for _, r := range records {
			if r.To&(1<<d.Place) != 0 && !visit(name(r)) {
				return
			}
		}
	}
}

// syncFails is a segment of which so many fdatasyncs fail.
type syncFails struct {
	segment.Appendable
	faults *int
}

func (f syncFails) Datasync() error {
	if *f.faults > 0 {
		*f.faults--
		return syscall.EIO
	}
	return f.Appendable.Datasync()
}
