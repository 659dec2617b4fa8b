package callhome

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
)

// page is that of bbolt on all our boards. The first two are those that make what
// was written count.
const page = 4096

// content is what the file of a box has now.
func (b *box) content() []byte {
	b.t.Helper()
	content, err := os.ReadFile(b.options.File)
	if err != nil {
		b.t.Fatal(err)
	}
	return content
}

// restore has the file be what it was, or what is left of it.
func (b *box) restore(content []byte) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.options.File), 0o750); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.options.File, content, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// kept is what the file of a box must give again, as text.
func (b *box) kept() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state.Waiting = nil
	text, err := json.Marshal(b.state)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, q := range b.queue {
		d, err := json.Marshal(q.deliveries)
		if err != nil {
			b.t.Fatal(err)
		}
		text = append(append(append(text, '\n'), q.text...), d...)
	}
	return string(text)
}

// TestCutAtEveryWrite cuts the power in each write of a life: any of its pages are
// on the disk, without or with those that make it count. The box has what it had
// before, or what it has after, and nothing in between.
func TestCutAtEveryWrite(t *testing.T) {
	b := newBox(t)
	b.boot = time.Now()
	b.CallHome = Open(b.options)
	defer b.Close()
	b.set(func(*model.CallHome) {})
	report := func(group string) func() error {
		return func() error { _, err := b.report(t.Context(), "", group); return err }
	}
	alert := func(name string, severity model.Severity) func() error {
		return func() error { return b.alert(name, severity) }
	}
	delivered := func(outcome error) func() error {
		return func() error {
			a, _ := b.next(t.Context())
			b.finish(a, outcome)
			a.end()
			return nil
		}
	}
	life := []func() error{
		report(model.GroupInventory), report(model.GroupTelemetry),
		alert("Coredumpfilefound", model.Major), alert("CPUPEGging", model.Minor),
		delivered(nil), delivered(transport.ErrRefused),
		func() error {
			b.set(func(c *model.CallHome) { c.Copies = []string{"noc@example.com"} })
			return report(model.GroupConfiguration)()
		},
		alert("CriticalServiceDown", model.Critical), delivered(nil), delivered(nil),
		func() error {
			return b.put(nil, nil, &model.CallHomeSeen{Name: "CodeYellow", At: b.now(), Repeated: 7})
		},
		report(model.GroupInventory), // takes the place of the one that waits for the copies
		func() error { b.set(func(c *model.CallHome) { c.Mode = model.CallHomeAnonymous }); return nil },
		report(model.GroupTelemetry),
		func() error { b.set(func(c *model.CallHome) { c.Mode = model.CallHomeDisabled }); return nil },
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i, step := range life {
		before, had, writes := b.content(), b.kept(), b.writes()
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		after, has := b.content(), b.kept()
		if n := b.writes() - writes; n != 1 {
			t.Fatalf("step %d is %d writes; want one", i, n)
		}
		for range 12 {
			torn := append([]byte(nil), before...)
			torn = append(torn, make([]byte, max(0, len(after)-len(before)))...)
			for at := 2 * page; at+page <= len(after); at += page {
				if random.IntN(2) == 0 {
					copy(torn[at:at+page], after[at:at+page])
				}
			}
			b.reopens(i, torn, had)
		}
		b.reopens(i, after, has)
	}
}

// writes counts those of the file.
func (b *box) writes() (n int) {
	b.t.Helper()
	if err := b.store.db.View(func(tx *bbolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		b.t.Fatal(err)
	}
	return n
}

// reopens opens a file beside the box and holds what it gives against want.
func (b *box) reopens(step int, content []byte, want string) {
	b.t.Helper()
	other := newBox(b.t)
	other.restore(content)
	other.CallHome = Open(other.options)
	defer other.Close()
	if other.trouble != nil {
		b.t.Errorf("step %d: a cut left %v", step, other.trouble)
	}
	other.state.Last = number(b.t, want) // it begins above it
	if got := other.kept(); got != want {
		b.t.Errorf("step %d: after a cut there is\n%s\nwant\n%s", step, got, want)
	}
}

// number is the last one that was given, of what kept gives.
func number(t testing.TB, kept string) uint64 {
	t.Helper()
	first, _, _ := strings.Cut(kept, "\n")
	var s state
	if err := json.Unmarshal([]byte(first), &s); err != nil {
		t.Fatal(err)
	}
	return s.Last
}

// TestDamagedFile: whatever is in the file, a box can work with it or sets it
// aside, and says so.
func TestDamagedFile(t *testing.T) {
	live(t, func(b *box) {
		b.world.set(down)
		b.start()
		time.Sleep(catchUp)
		for range 20 {
			if err := b.alert("Coredumpfilefound", model.Major); err != nil {
				t.Fatal(err)
			}
		}
		content := b.content()
		random, aside := rand.New(rand.NewPCG(9, 5)), 0
		for range 60 {
			damaged := append([]byte(nil), content...)
			for range 1 + random.IntN(200) {
				damaged[random.IntN(len(damaged))] ^= byte(1 + random.IntN(255))
			}
			aside += expectUsable(t, damaged)
		}
		for length := 0; length < len(content); length += len(content)/40 + 1 {
			aside += expectUsable(t, content[:length])
		}
		if aside < 20 {
			t.Errorf("%d damaged files were set aside; want 20 at least, or the damage is none", aside)
		}
	})
}

func expectUsable(t *testing.T, content []byte) (aside int) {
	t.Helper()
	b := newBox(t)
	b.restore(content)
	b.start()
	defer b.stop()
	if _, err := os.Stat(b.options.File + ".bad"); err == nil {
		aside = 1
	}
	status := b.Status()
	if told := status.Problem != ""; told != (aside == 1) {
		t.Errorf("set aside %d, and the status says %q", aside, status.Problem)
	}
	if told := len(b.Conditions()) > 0; told != (aside == 1) && !told {
		t.Errorf("set aside %d, and the conditions are %v", aside, b.Conditions())
	}
	_ = b.alert("After", model.Major) // may find the damage, but not lose the message
	synctest.Wait()
	if got := b.world.take(model.ProfileVendor); !strings.Contains(got, "crash") {
		t.Errorf("the vendor got %q; want the alert", got)
	}
	return aside
}

// TestImpossibleDeliveries: a file whose pages are right, and that no box has
// written, does not take control down at every start.
func TestImpossibleDeliveries(t *testing.T) {
	for _, waiting := range []string{`[null]`, `[{"profile":"vendor","attempts":-5}]`} {
		live(t, func(b *box) {
			b.world.set(down)
			b.start()
			b.mustAlert("a", model.Major)
			synctest.Wait() // the box writes nothing over what follows
			if err := b.store.db.Update(func(tx *bbolt.Tx) error {
				var s map[string]any
				if err := json.Unmarshal(tx.Bucket(bucketState).Get(keyState), &s); err != nil {
					return err
				}
				for id := range s["waiting"].(map[string]any) {
					s["waiting"].(map[string]any)[id] = json.RawMessage(waiting)
				}
				text, err := json.Marshal(s)
				if err != nil {
					return err
				}
				return tx.Bucket(bucketState).Put(keyState, text)
			}); err != nil {
				t.Fatal(err)
			}
			content := b.content()
			if aside := expectUsable(t, content); aside != 1 {
				t.Errorf("a file with %s is used", waiting)
			}
		})
	}
}

// TestInMemory: without a file messages go all the same, and it is told.
func TestInMemory(t *testing.T) {
	live(t, func(b *box) {
		b.options.File = filepath.Join(b.options.Serial, "queue.db") // below a file
		b.start()
		time.Sleep(catchUp)
		if err := b.alert("Coredumpfilefound", model.Major); err == nil {
			t.Error("an alert that nothing keeps is put without an error")
		}
		synctest.Wait()
		if got := b.world.take(model.ProfileVendor); got != allGroups+" crash" {
			t.Errorf("the vendor got %q; want all", got)
		}
		if s := b.Status(); !strings.Contains(s.Problem, "in memory") {
			t.Errorf("the problem is %q", s.Problem)
		}
	})
}

// TestDiskFails: what cannot be written is told of, and written once it can be.
func TestDiskFails(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		other := b.options.File + ".other"
		if err := os.WriteFile(other, b.content(), 0o600); err != nil {
			t.Fatal(err)
		}
		failing, err := bbolt.Open(other, 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer failing.Close()
		works := b.store.db
		change := func(db *bbolt.DB) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.store.db = db
		}
		change(failing)
		if err := b.alert("a", model.Major); err == nil || b.Status().Problem == "" {
			t.Errorf("put = %v, and the problem is %q; want both to tell of the disk", err, b.Status().Problem)
		}
		change(works)
		time.Sleep(2 * lookEvery)
		if problem := b.Status().Problem; problem != "" {
			t.Errorf("the disk works again, and the problem is %q", problem)
		}
		b.stop()
		b.start()
		if got := b.waits(model.ProfileVendor); !strings.HasSuffix(got, " a") && !strings.HasPrefix(got, "a ") {
			t.Errorf("after a restart %q waits; want the alert", got)
		}
	})
}

// TestIDsNeverRepeat holds IDs of two lives against each other.
func TestIDsNeverRepeat(t *testing.T) {
	for _, test := range []struct {
		name    string
		between func(b *box)
	}{
		{"the file stays", func(*box) {}},
		{"the file is lost, a second later", func(b *box) { b.options.File += ".new"; time.Sleep(time.Second) }},
		{"the file stays, and the clock is behind", func(b *box) { b.ahead = -365 * 24 * time.Hour }},
	} {
		t.Run(test.name, func(t *testing.T) {
			live(t, func(b *box) {
				b.start()
				given := map[string]bool{}
				for range 2 {
					for range 100 {
						if err := b.alert("Coredumpfilefound", model.Major); err != nil {
							t.Fatal(err)
						}
						synctest.Wait()
					}
					b.stop()
					test.between(b)
					b.start()
				}
				for _, a := range b.world.got {
					if given[a.m.ID] {
						t.Fatalf("%s was given twice", a.m.ID)
					}
					given[a.m.ID] = true
				}
				if len(given) < 200 {
					t.Errorf("there are %d messages; want 200", len(given))
				}
			})
		})
	}
}
