package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"causeway/appliance/alarm"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

var discard = slog.New(slog.DiscardHandler)

// day is the trusted time of most tests.
var day = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// options are those of a box whose trusted time stands still.
func options(dir string) Options {
	return Options{
		File:    filepath.Join(dir, "com", "outbox.db"),
		Trusted: func() time.Time { return day }, Now: func() time.Time { return day },
		Allowed: func() bool { return true }, Log: discard,
	}
}

// linked is a configuration with a link that sends.
func linked() *model.Config {
	return &model.Config{COM: model.COM{CustomerID: "C-1", Server: "com.example", Services: []string{model.COMAlarms}}}
}

// open opens an outbox that gathers and sends.
func open(t testing.TB, o Options) *Outbox {
	t.Helper()
	b := Open(o)
	t.Cleanup(func() { b.Close() })
	b.gathers, b.on = true, true
	return b
}

func put(t testing.TB, b *Outbox, class, kind, key string) {
	t.Helper()
	if err := b.Put(class, kind, key, kind); err != nil {
		t.Fatalf("Put(%s %s) = %v", class, kind, err)
	}
}

// kinds are those of the entries, with how much a gap misses.
func kinds(entries []kept) string {
	var list []string
	for _, e := range entries {
		kind := e.Kind
		if e.Class == wire.ClassGap {
			kind = fmt.Sprintf("gap of %d", e.Missed)
		}
		list = append(list, kind)
	}
	return strings.Join(list, " ")
}

func TestWhatIsPutSurvives(t *testing.T) {
	o := options(t.TempDir())
	b := open(t, o)
	put(t, b, wire.ClassInformational, "commit", "")
	put(t, b, wire.ClassAlarm, "alarm", "memory ")
	if err := errors.Join(b.acknowledge(b.entries[0].Sequence), b.Close()); err != nil {
		t.Fatal(err)
	}
	before := b.Status()
	b = open(t, o)
	if got := kinds(b.entries); got != "alarm" {
		t.Errorf("after a restart there are %q; want alarm", got)
	}
	if after := b.Status(); after.Newest != before.Newest || after.Acknowledged != before.Acknowledged || after.Octets != before.Octets {
		t.Errorf("Status after a restart = %+v; want %+v", after, before)
	}
}

func TestNumbersGrow(t *testing.T) {
	for _, test := range []struct {
		name    string
		between func(o *Options)
	}{
		{"the file stays", func(*Options) {}},
		{"the file is lost, a second later", func(o *Options) {
			o.File += ".elsewhere"
			o.Trusted = func() time.Time { return day.Add(time.Second) }
		}},
		{"the file stays, and the clock is behind", func(o *Options) { o.Trusted = func() time.Time { return time.Unix(0, 0) } }},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(t.TempDir())
			b := open(t, o)
			for range 100 {
				put(t, b, wire.ClassInformational, "commit", "")
			}
			before := b.Newest()
			b.Close()
			test.between(&o)
			b = open(t, o)
			put(t, b, wire.ClassInformational, "commit", "")
			if got := b.entries[len(b.entries)-1].Sequence; got <= before {
				t.Errorf("the next number is %d; want more than %d", got, before)
			}
		})
	}
}

// COM has more than the box remembers: its disk is an old one.
func TestOldDisk(t *testing.T) {
	b := open(t, options(t.TempDir()))
	put(t, b, wire.ClassInformational, "one", "")
	put(t, b, wire.ClassLicence, "two", "")
	upto := b.Newest() + 1000
	if err := b.acknowledge(upto); !errors.Is(err, errRenumbered) {
		t.Fatalf("acknowledge(%d) = %v; want %v", upto, err, errRenumbered)
	}
	if got := kinds(b.entries); got != "one two" {
		t.Errorf("there are %q; want one two", got)
	}
	for i, e := range b.entries {
		if want := upto + 1 + uint64(i); e.Sequence != want {
			t.Errorf("%s has number %d; want %d", e.Kind, e.Sequence, want)
		}
	}
	// A number that would leave none for what is to come is not believed.
	for _, far := range []uint64{1<<53 - 1, 1 << 60, uint64(day.Add(25 * time.Hour).UnixMicro())} {
		if err := b.acknowledge(far); err == nil || errors.Is(err, errRenumbered) || b.Newest() != upto+2 {
			t.Errorf("acknowledge(%d) = %v, and the last number is %d; want an error and %d", far, err, b.Newest(), upto+2)
		}
	}
}

func TestSacrifices(t *testing.T) {
	type entry struct{ class, kind, key string }
	for _, test := range []struct {
		name  string
		first []entry // then mostEntries-len(first) of fill, then last
		fill  string
		last  entry
		want  string // of the kinds of first and last that are left, and the gap
	}{
		{
			"the oldest informational",
			[]entry{{wire.ClassAlarm, "a", "x "}, {wire.ClassInformational, "i", ""}, {wire.ClassInformational, "j", ""}},
			wire.ClassLicence, entry{wire.ClassAlarm, "b", "x "}, "a j b gap of 1",
		},
		{
			"an alarm of which there is a later one",
			[]entry{{wire.ClassAlarm, "a", "x "}, {wire.ClassAlarm, "b", "y "}, {wire.ClassAlarm, "c", "y "}},
			wire.ClassLicence, entry{wire.ClassAlarm, "d", "z "}, "a c d gap of 1",
		},
		{
			"the oldest alarm",
			[]entry{{wire.ClassAlarm, "a", "x "}, {wire.ClassAlarm, "b", "y "}},
			wire.ClassLicence, entry{wire.ClassLicence, "l", ""}, "b l gap of 1",
		},
		{"what is informational itself", nil, wire.ClassLicence, entry{wire.ClassInformational, "i", ""}, "gap of 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := open(t, options(t.TempDir()))
			var entries []wire.Entry
			for _, e := range test.first {
				entries = append(entries, wire.Entry{Class: e.class, Kind: e.kind, Key: e.key})
			}
			for len(entries) < mostEntries {
				entries = append(entries, wire.Entry{Class: test.fill, Kind: "fill"})
			}
			if err := b.put(0, entries...); err != nil {
				t.Fatal(err)
			}
			put(t, b, test.last.class, test.last.kind, test.last.key)
			left := slices.DeleteFunc(slices.Clone(b.entries), func(e kept) bool { return e.Kind == "fill" })
			if got := kinds(left); got != test.want {
				t.Errorf("left are %q; want %q", got, test.want)
			}
			if s := b.Status(); s.Dropped != 1 || s.Refused != 0 {
				t.Errorf("dropped %d, refused %d; want 1 and 0", s.Dropped, s.Refused)
			}
		})
	}
}

func TestFullOfLicenceEvents(t *testing.T) {
	b := open(t, options(t.TempDir()))
	if err := b.put(0, slices.Repeat([]wire.Entry{{Class: wire.ClassLicence, Kind: "l"}}, mostEntries)...); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(wire.ClassLicence, "one more", "", nil); err == nil {
		t.Error("Put of one more = nil; want an error")
	}
	if s := b.Status(); s.Refused != 1 || s.Classes[wire.ClassLicence] != mostEntries || s.Classes[wire.ClassGap] != 1 {
		t.Errorf("Status = %+v; want one refused, %d of the licence and a gap", s, mostEntries)
	}
}

func TestOctetsAreBounded(t *testing.T) {
	b := open(t, options(t.TempDir()))
	long := strings.Repeat("x", longestBody-2)
	var entries []wire.Entry
	for range mostOctets/longestBody + 10 {
		entries = append(entries, wire.Entry{Class: wire.ClassInformational, Kind: "i", Body: []byte(`"` + long + `"`)})
	}
	if err := b.put(0, entries...); err != nil {
		t.Fatal(err)
	}
	s := b.Status()
	if s.Octets > mostOctets+1<<10 || s.Octets < mostOctets*9/10 || s.Dropped < 10 {
		t.Errorf("%d octets are kept and %d entries dropped; want about %d, and at least 10", s.Octets, s.Dropped, mostOctets)
	}
	if err := b.Put(wire.ClassAlarm, "alarm", "x ", long+"."); err == nil {
		t.Error("Put of a body that is too long = nil; want an error")
	}
}

func TestOnlyForCOM(t *testing.T) {
	b := Open(options(t.TempDir()))
	defer b.Close()
	b.Apply(&model.Config{})
	put(t, b, wire.ClassInformational, "commit", "")
	b.Tell(wire.ClassInformational, "boot", "1", nil)
	if len(b.entries) != 0 {
		t.Errorf("without a customer ID there are %q; want nothing", kinds(b.entries))
	}
	b.Apply(linked())
	b.Tell(wire.ClassInformational, "boot", "1", nil)
	if got := kinds(b.entries); got != "boot" {
		t.Errorf("with one there are %q; want boot", got)
	}
}

func TestTell(t *testing.T) {
	o := options(t.TempDir())
	b := open(t, o)
	for _, state := range []string{"1", "1", "2", "2", "1"} {
		b.Tell(wire.ClassLicence, "licence", state, state)
		b.Tell(wire.ClassInformational, "boot", "a", nil)
	}
	b.Close()
	b = open(t, o)
	b.Tell(wire.ClassLicence, "licence", "1", nil)
	if got := kinds(b.entries); got != "licence boot licence licence" {
		t.Errorf("there are %q; want one boot, and licence when its state changed", got)
	}
}

func TestAlarmsAreFed(t *testing.T) {
	alarms := alarm.Open(alarm.Options{File: filepath.Join(t.TempDir(), "alarms.db"), Log: discard})
	defer alarms.Close()
	o := options(t.TempDir())
	o.Alarms = alarms
	b := open(t, o)
	run := func() {
		t.Helper()
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		alarms.Report("trial", []model.Condition{{Name: alarm.SlotOnTrial, Text: "slot A"}})
		alarms.Report("trial", nil)
		wanted := alarms.Events(0, 0).Last
		for deadline := time.Now().Add(30 * time.Second); alarms.Cursor(consumer) < wanted && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		end()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
	run()
	run() // nothing twice
	if got := kinds(b.entries); got != "alarm alarm alarm alarm" {
		t.Fatalf("there are %q; want a raise and a clear, twice", got)
	}
	var event model.AlarmEvent
	if err := json.Unmarshal(b.entries[0].Body, &event); err != nil || event.Text != "slot A" || event.Kind != "raise" {
		t.Errorf("the first body is %s; want the event", b.entries[0].Body)
	}
	if e := b.entries[0]; e.Key != alarm.SlotOnTrial+" " || e.Class != wire.ClassAlarm {
		t.Errorf("the first entry is of class %s and key %q", e.Class, e.Key)
	}
}

// TestProperties puts, acknowledges, loses acknowledgements and restarts in any
// order, and holds the outbox against what must always be true.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		o := options(t.TempDir())
		b := open(t, o)
		puts, got, missed, highest := uint64(0), uint64(0), uint64(0), uint64(0)
		licence := 0 // events of the licence that wait or were acknowledged
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 12).Draw(rt, "steps")
		for _, step := range steps {
			switch step {
			case 0: // a restart
				b.Close()
				b = open(t, o)
			case 1, 2: // COM has some
				if n := rapid.IntRange(0, len(b.entries)).Draw(rt, "taken"); n > 0 {
					for _, e := range b.entries[:n] {
						switch e.Class {
						case wire.ClassGap:
							missed += e.Missed
						default:
							got++
						}
					}
					if err := b.acknowledge(b.entries[n-1].Sequence); err != nil {
						rt.Fatalf("acknowledge = %v", err)
					}
				}
			default:
				class := rapid.SampledFrom([]string{wire.ClassInformational, wire.ClassAlarm, wire.ClassLicence}).Draw(rt, "class")
				n := rapid.IntRange(1, 900).Draw(rt, "n")
				var list []wire.Entry
				for i := range n {
					list = append(list, wire.Entry{Class: class, Kind: "k", Key: fmt.Sprint(i % 50), Body: []byte(`"` + strings.Repeat("x", i) + `"`)})
				}
				refused := b.numbers.Refused
				if err := b.put(0, list...); err != nil && b.numbers.Refused == refused {
					rt.Fatalf("put = %v", err)
				}
				puts += uint64(n)
			}
			var waiting, gaps, octets uint64
			licence = 0
			for _, e := range b.entries {
				if e.Sequence > b.numbers.Last {
					rt.Fatalf("entry %d is beyond the last number %d", e.Sequence, b.numbers.Last)
				}
				octets += uint64(e.octets)
				switch e.Class {
				case wire.ClassGap:
					gaps += e.Missed
				case wire.ClassLicence:
					licence++
					fallthrough
				default:
					waiting++
				}
			}
			switch {
			case !slices.IsSortedFunc(b.entries, func(x, y kept) int { return int(int64(x.Sequence) - int64(y.Sequence)) }):
				rt.Fatal("the entries are not in the order of their numbers")
			case b.numbers.Last < highest:
				rt.Fatalf("the last number went from %d back to %d", highest, b.numbers.Last)
			case waiting > mostEntries || int64(octets) > mostOctets+1<<10 || int64(octets) != b.octets:
				rt.Fatalf("%d entries of %d octets wait, counted as %d", waiting, octets, b.octets)
			case puts != waiting+got+missed+gaps:
				rt.Fatalf("%d were put; %d wait, %d COM has, %d+%d are in gaps", puts, waiting, got, missed, gaps)
			case b.numbers.Refused > 0 && b.numbers.Refused+b.numbers.Dropped < missed+gaps:
				rt.Fatalf("%d dropped and %d refused do not make up for gaps of %d", b.numbers.Dropped, b.numbers.Refused, missed+gaps)
			}
			highest = b.numbers.Last
		}
		b.Close()
	})
}

func TestConditions(t *testing.T) {
	for name, test := range map[string]struct {
		status Status
		want   string
	}{
		"empty":   {Status{}, ""},
		"waiting": {Status{Entries: 3, Dropped: 7, Classes: map[string]int{wire.ClassAlarm: 3}}, ""},
		"gap":     {Status{Entries: 3, Classes: map[string]int{wire.ClassGap: 1}}, "com-outbox"},
		"broken":  {Status{Problem: "the disk is full"}, "com-outbox"},
	} {
		got := ""
		for _, c := range test.status.Conditions() {
			got = c.Name
		}
		if got != test.want {
			t.Errorf("%s: Conditions() = %q; want %q", name, got, test.want)
		}
	}
}
