package callhome

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
)

// life is what happens to a box in some hundred days, and what an observer who
// knows nothing of its insides has to find at the vendor in the end.
type life struct {
	*box
	random    *rand.Rand
	timeOfDay time.Duration // of what is due on the first of a month
	vendor    *vendor
	steady    time.Time // since when the box runs, may send, and reaches the vendor; zero: it does not
	on        bool
	began     uint64 // number before the first message of this start
	made      int64  // messages, before this start
	owed      []owed // alerts that the vendor has not said it has, oldest first
	full      int64  // deliveries that found no room
}

type owed struct {
	id       string
	severity model.Severity
	at       time.Time
}

// vendor keeps what comes, once an ID.
type vendor struct {
	mu      sync.Mutex
	t       testing.TB
	random  *rand.Rand
	allowed func(m *message.Message) bool // by the settings in force
	up      bool
	slow    time.Duration
	lossy   bool // the answer is lost now and then
	got     map[string]string
	times   map[string]int  // that it came
	said    map[string]bool // that it has it
	months  map[string]int  // different messages of a group and month, "inventory 2026-05"
	month   func(time.Time) string
	lost    map[string]bool // months of messages whose answer was lost
}

func (v *vendor) Send(ctx context.Context, _ transport.Destination, m *message.Message) error {
	v.mu.Lock()
	slow := v.slow
	v.mu.Unlock()
	if slow > 0 && !pause(ctx, slow, nil) {
		return ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.up {
		return errDown
	}
	if !v.allowed(m) {
		v.t.Errorf("%s of mode %s and kind %s came, which the settings do not allow", m.ID, m.Mode, m.Kind)
	}
	if age := time.Since(m.Time); m.Kind == message.Alert && age >= alertLife+time.Second {
		v.t.Errorf("the alert %s came after %s", m.ID, age)
	}
	text, _ := json.Marshal(m)
	if had, again := v.got[m.ID]; again && had != string(text) {
		v.t.Errorf("%s came as\n%s and as\n%s", m.ID, had, text)
	}
	month := group(m) + " " + v.month(m.Time)
	if v.times[m.ID]++; v.times[m.ID] == 1 {
		v.got[m.ID] = string(text)
		v.months[month]++
	}
	if v.lossy && v.times[m.ID] <= 2 && v.random.IntN(4) == 0 {
		v.lost[month] = true
		return errDown
	}
	v.said[m.ID] = true
	return nil
}

// count is how many different messages came of a group and month.
func (v *vendor) count(month string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.months[month]
}

// month names the one that messages of a time are due for.
func (l *life) month(at time.Time) string {
	first := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	if at.Before(first.Add(l.timeOfDay)) {
		first = first.AddDate(0, -1, 0)
	}
	return first.Format("2006-01")
}

// maySend says whether the box sends anything.
func (l *life) maySend() bool { return l.config.Enabled() && len(l.config.Pending()) == 0 }

// allows says whether the settings let a message go.
func (l *life) allows(m *message.Message) bool {
	if l.config.Does() == model.CallHomeAnonymous && (m.Mode != model.CallHomeAnonymous || m.Kind != message.Inventory && m.Kind != message.Telemetry) {
		return false
	}
	return l.maySend()
}

// settle begins a steady time anew, if the box can deliver.
func (l *life) settle() {
	l.steady = time.Time{}
	if l.on && l.vendor.up && l.maySend() {
		l.steady = time.Now()
	}
}

// last is the number that was given last.
func (l *life) last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Last
}

func (l *life) powerOn() {
	l.start()
	l.began = l.last()
	l.on = true
	l.settle()
}

// powerOff ends a start: orderly, or with what the disk has at this moment.
func (l *life) powerOff(orderly bool) {
	synctest.Wait()
	l.vendor.mu.Lock()
	for _, e := range l.Status().Waiting { // it may come after what the disk has
		l.vendor.lost[e.Group+" "+l.month(e.Made)] = true
	}
	l.vendor.mu.Unlock()
	content := l.content()
	if orderly {
		l.stop()
		content = l.content()
	}
	l.made += int64(l.state.Last - l.began)
	if !orderly {
		l.stop()
		l.restore(content)
	}
	l.on = false
	l.settle()
}

// tell has something go wrong, and the vendor owed an alert of it.
func (l *life) tell() {
	if !l.maySend() || l.config.Does() != model.CallHomeSmart {
		return
	}
	severity := severities[l.random.IntN(len(severities))]
	before := l.last()
	if err := l.alert("CodeYellow", severity); err != nil && err != errFull {
		l.t.Errorf("alert = %v", err)
	}
	l.owed = append(l.owed, owed{fmt.Sprintf("CH:%s:%014x", l.serial, before+1), severity, time.Now()})
	l.settleDebts()
}

// settleDebts forgets what the vendor has, and what it is not to have any more: of
// what finds no room the oldest of the mildest goes.
func (l *life) settleDebts() {
	synctest.Wait()
	for full := l.Status().Dropped["full"]; l.full < full; l.full++ {
		victim := slices.MinFunc(l.owed, func(x, y owed) int {
			return cmp.Compare(slices.Index(severities, x.severity), slices.Index(severities, y.severity))
		})
		l.owed = slices.DeleteFunc(l.owed, func(o owed) bool { return o == victim })
	}
	l.vendor.mu.Lock()
	defer l.vendor.mu.Unlock()
	l.owed = slices.DeleteFunc(l.owed, func(o owed) bool {
		return l.vendor.said[o.id] || time.Since(o.at) >= alertLife
	})
}

// commit has other settings in force.
func (l *life) commit(change func(*model.CallHome)) {
	l.settleDebts()
	l.vendor.mu.Lock()
	l.set(change)
	l.vendor.mu.Unlock()
	if l.config.Does() != model.CallHomeSmart || !l.config.Accepted {
		l.owed = nil
	}
	l.settle()
}

// step is something that happens.
func (l *life) step() {
	switch n := l.random.IntN(20); {
	case n < 6 && l.on:
		for range 1 + l.random.IntN(4) {
			l.tell()
		}
	case n == 6 && l.on && !l.vendor.up:
		for range 130 {
			l.tell()
		}
	case n < 10:
		l.vendor.mu.Lock()
		l.vendor.up = !l.vendor.up
		l.vendor.slow = []time.Duration{0, 0, 20 * time.Second}[l.random.IntN(3)]
		l.vendor.lossy = l.random.IntN(2) == 0
		l.vendor.mu.Unlock()
		l.settle()
	case n < 15 && l.on:
		l.powerOff(l.random.IntN(2) == 0)
	case n < 16 && l.on:
		l.commit(func(c *model.CallHome) {
			c.Mode = []string{model.CallHomeSmart, model.CallHomeAnonymous, model.CallHomeNone, model.CallHomeDisabled}[l.random.IntN(4)]
		})
	case n < 17 && l.on:
		l.commit(func(c *model.CallHome) { c.Accepted = !c.Accepted })
	case n < 18 && l.on:
		l.commit(func(c *model.CallHome) { c.SiteID = fmt.Sprint(n) })
	}
	if l.on && !l.maySend() && l.random.IntN(2) == 0 { // it does not stay so for long
		l.commit(func(c *model.CallHome) { c.Mode, c.Accepted = model.CallHomeSmart, true })
	}
}

// look holds what the vendor has against what it must have by now.
func (l *life) look() {
	l.settleDebts()
	s := l.Status()
	var dropped int64
	for _, n := range s.Dropped {
		dropped += n
	}
	tally := s.Profiles[0]
	if made := l.made + int64(l.last()-l.began); made != tally.Sent+dropped+int64(len(s.Waiting)) || tally.Dropped != dropped {
		l.t.Errorf("%d were made; %d were sent, %v dropped, %d wait", made, tally.Sent, s.Dropped, len(s.Waiting))
	}
	if l.steady.IsZero() || time.Since(l.steady) < 4*time.Hour {
		return
	}
	if len(s.Waiting) > 0 || len(l.owed) > 0 {
		l.t.Errorf("%s: for %s everything could be sent; %v wait, and %v are owed", time.Now(), time.Since(l.steady), s.Waiting, l.owed)
	}
	month := l.month(time.Now())
	if month != l.month(time.Now().Add(-90*time.Minute)) {
		return
	}
	for _, group := range periodic {
		if group == model.GroupConfiguration && l.config.Does() == model.CallHomeAnonymous {
			continue
		}
		if l.vendor.count(group+" "+month) == 0 {
			l.t.Errorf("%s: the vendor has no %s of %s", time.Now(), group, month)
		}
	}
}

// TestLife: whatever happens, everything due comes, once; IDs are never given
// twice; what is dropped is counted.
func TestLife(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			live(t, func(b *box) {
				b.start()
				time.Sleep(time.Hour)
				due := b.nextDue()
				b.stop()
				b.options.File += ".life"

				l := &life{timeOfDay: due.Sub(due.Truncate(day)), box: b, random: rand.New(rand.NewPCG(seed, 27))}
				l.vendor = &vendor{
					t: t, random: rand.New(rand.NewPCG(seed, 28)), up: true, month: l.month,
					got: map[string]string{}, times: map[string]int{}, said: map[string]bool{}, months: map[string]int{}, lost: map[string]bool{},
				}
				l.vendor.allowed = l.allows
				b.options.Sender = l.vendor
				l.powerOn()
				for end := time.Now().Add(400 * day); time.Now().Before(end) && !t.Failed(); {
					l.step()
					for range l.random.IntN(72) {
						time.Sleep(time.Hour)
						if l.on {
							l.look()
						}
					}
					if !l.on {
						l.powerOn()
					}
				}
				for month, n := range l.vendor.months {
					if group, _, _ := strings.Cut(month, " "); monthly(group) && n > 1 && !l.vendor.lost[month] {
						t.Errorf("%d different messages came of %s; want one", n, month)
					}
				}
				t.Logf("%d messages came; dropped: %v", len(l.vendor.got), l.Status().Dropped)
			})
		})
	}
}

// TestDeadForAWeek: a vendor that cannot be reached for a week is asked ever more
// rarely, and the disk is left alone; when it is back it gets what is not too old.
func TestDeadForAWeek(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		if conditions := b.Conditions(); len(conditions) != 0 {
			t.Errorf("after a quarter of an hour there is %v", conditions)
		}
		time.Sleep(2 * day) // the first of the month was in between
		if conditions := b.Conditions(); len(conditions) != 1 || conditions[0].Name != alarm.CallHomeUndelivered {
			t.Errorf("after two days there is %v; want %s", conditions, alarm.CallHomeUndelivered)
		}
		for range 5 * 4 {
			b.mustAlert("a", model.Major)
			time.Sleep(6 * time.Hour)
		}
		before, writes := b.world.attempts(), b.writes()
		time.Sleep(5*time.Hour + 30*time.Minute)
		synctest.Wait()
		waiting := len(b.Status().Waiting)
		if attempts := b.world.attempts() - before; attempts > 6*waiting || attempts < 5*waiting {
			t.Errorf("%d attempts were made for %d messages in 5½ hours; want about one an hour", attempts, waiting)
		}
		if n := b.writes() - writes; n > 1 { // one alert expires
			t.Errorf("%d writes in 5½ hours of nothing; want one at most", n)
		}
		b.world.set(nil)
		b.world.take("")
		time.Sleep(time.Hour)
		if got := len(strings.Fields(b.world.take(model.ProfileVendor))); got != waiting || waiting < 3+6 {
			t.Errorf("within an hour %d messages came; want all %d", got, waiting)
		}
		s := b.Status()
		if s.Profiles[0].Sent+s.Dropped["expired"]+s.Dropped["replaced"] != 5*4+6 || len(b.Conditions()) != 0 {
			t.Errorf("%d were sent, and %v dropped; the conditions are %v; want all there were, and none", s.Profiles[0].Sent, s.Dropped, b.Conditions())
		}
	})
}
