package callhome

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
)

// TestBackOff has the destination fail, and looks when it is asked again.
func TestBackOff(t *testing.T) {
	for _, test := range []struct {
		name   string
		fault  error
		jitter float64
		want   []time.Duration // after the attempt before
	}{
		{"down", errDown, 0.5, []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, time.Hour}},
		{"a fifth less", errDown, 0, []time.Duration{48 * time.Second, 96 * time.Second}},
		{"a fifth more", errDown, 1, []time.Duration{72 * time.Second, 144 * time.Second}},
		{"later", &transport.Later{After: 3 * time.Hour, Err: errDown}, 0.5, []time.Duration{3 * time.Hour, 3 * time.Hour}},
		{"later than may be", &transport.Later{After: 100 * day, Err: errDown}, 0.5, []time.Duration{day}},
		{"sooner than may be", &transport.Later{After: time.Second, Err: errDown}, 0.5, []time.Duration{time.Minute, 2 * time.Minute}},
	} {
		t.Run(test.name, func(t *testing.T) {
			live(t, func(b *box) {
				var at []time.Time
				b.world.set(func(_ transport.Destination, m *message.Message) error {
					if m.Kind != message.Alert {
						return nil
					}
					at = append(at, time.Now())
					return test.fault
				})
				b.start()
				b.jitter = func() float64 { return test.jitter }
				b.mustAlert("a", model.Major)
				for i, want := range test.want {
					synctest.Wait()
					if got := b.Status().Waiting[0]; got.Attempts != i+1 || got.Error != errDown.Error() || !got.Next.Equal(time.Now().Add(want)) {
						t.Fatalf("after attempt %d there is %+v; want the next in %s", i+1, got, want)
					}
					time.Sleep(want)
				}
				synctest.Wait()
				if len(at) != len(test.want)+1 {
					t.Errorf("%d attempts were made; want %d", len(at), len(test.want)+1)
				}
				if tally := b.Status().Profiles[0]; tally.Failed != int64(len(at)) || tally.Error != errDown.Error() {
					t.Errorf("the tally is %+v; want %d failed attempts", tally, len(at))
				}
				b.set(func(c *model.CallHome) { c.SiteID = "another" }) // may have changed what failed
				synctest.Wait()
				if len(at) != len(test.want)+2 {
					t.Error("after a commit it was not tried at once")
				}
			})
		})
	}
}

// TestRefusedMonth: what is due every month and is refused is made again, a day
// later, after a start and with another configuration, and for the vendor alone.
func TestRefusedMonth(t *testing.T) {
	live(t, func(b *box) {
		b.config.Copies = []string{"noc@example.com"}
		refuse := func(to transport.Destination, _ *message.Message) error {
			if to.Profile == model.ProfileVendor {
				return transport.ErrRefused
			}
			return nil
		}
		b.world.set(refuse)
		time.Sleep(2 * day) // so that the first of the month is far
		b.start()
		time.Sleep(catchUp + lookEvery)
		expect := func(when string, refused int64, copies string) {
			t.Helper()
			synctest.Wait()
			b.expectDropped(map[string]int64{"refused": refused})
			if got := b.world.take(model.ProfileCopies); got != copies {
				t.Errorf("%s: the copies are %q; want %q", when, got, copies)
			}
		}
		expect("at first", 3, allGroups)
		if next := b.Status().Next.Sub(b.now()); next <= 0 || next > day {
			t.Errorf("the next are due in %s; want them within a day", next)
		}
		time.Sleep(day - time.Hour)
		expect("within a day", 3, "")
		time.Sleep(2 * time.Hour)
		expect("a day later", 6, "")
		b.set(func(c *model.CallHome) { c.SiteID = "another" })
		expect("after a commit", 9, "")
		b.stop()
		b.start()
		time.Sleep(catchUp + lookEvery)
		expect("after a start", 12, "")
		b.world.set(nil)
		time.Sleep(day + time.Hour)
		b.expectGroups("when the vendor takes them", allGroups)
		due := b.nextDue()
		if due.Day() != 1 {
			t.Errorf("the next are due at %s; want the first of the month", due)
		}
		b.world.set(refuse)
		b.until(due)
		expect("the next month", 15, allGroups)
	})
}

// TestRefusedLate: the refusal of last month's message changes nothing about this
// month's, which is refused as well.
func TestRefusedLate(t *testing.T) {
	live(t, func(b *box) {
		b.world.set(func(transport.Destination, *message.Message) error { return transport.ErrRefused })
		time.Sleep(2 * day) // so that the first of the month is far
		b.start()
		time.Sleep(catchUp + lookEvery)
		attempts := b.world.attempts()
		last := &queued{Message: &message.Message{Kind: message.Inventory, Time: b.now().AddDate(0, -1, 0)}, deliveries: []*delivery{{Profile: model.ProfileVendor}}}
		b.mu.Lock()
		b.makeAgain(last, last.deliveries[0])
		b.mu.Unlock()
		time.Sleep(2 * time.Hour)
		if now := b.world.attempts(); attempts != 3 || now != attempts {
			t.Errorf("%d attempts were made before and %d after; want three, and no other for a day", attempts, now)
		}
	})
}

func TestRefused(t *testing.T) {
	live(t, func(b *box) {
		refusal := errors.Join(transport.ErrRefused, errors.New(strings.Repeat("no such thing\n", 100)))
		b.world.set(func(transport.Destination, *message.Message) error { return refusal })
		b.start()
		b.mustAlert("a", model.Major)
		time.Sleep(2 * time.Hour)
		b.expectDropped(map[string]int64{"refused": 4})
		s := b.Status()
		if b.world.attempts() != 4 || len(s.Waiting) != 0 || s.Recent[3].Outcome != "refused" || len(s.Recent[3].Error) > longestError+len("…") ||
			strings.Contains(s.Recent[3].Error, "\n") {
			t.Errorf("%d attempts were made, and the status is %+v; want one each, and a short error", b.world.attempts(), s)
		}
	})
}

// TestRefusedAttachments: an alert that is too long goes without what it brings.
func TestRefusedAttachments(t *testing.T) {
	live(t, func(b *box) {
		b.config.Traces = true
		b.world.set(func(_ transport.Destination, m *message.Message) error {
			if len(m.Attachments) > 0 {
				return fmt.Errorf("%w: 413 Request Entity Too Large", transport.ErrRefused)
			}
			return nil
		})
		b.start()
		settings, err := b.settings()
		if err != nil {
			t.Fatal(err)
		}
		m, err := message.New(message.Alert, b.newID(), b.now(), &settings, message.Facts{}, &message.Event{Name: "a", Group: model.GroupCrash},
			message.Attachment{Name: "show system", Type: "command", Text: "much"})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.put(m, []string{model.ProfileVendor}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := b.world.take(model.ProfileVendor); got != model.GroupCrash {
			t.Errorf("the vendor got %q; want the alert", got)
		}
		if e := b.Status().Recent[0]; e.Attempts != 2 || e.Outcome != outcomeSent {
			t.Errorf("the delivery is %+v; want two attempts", e)
		}
	})
}

// TestAttachmentsOfAnotherDestination: who asks for all learns of the attempt
// without attachments, and another destination is offered them again.
func TestAttachmentsOfAnotherDestination(t *testing.T) {
	live(t, func(b *box) {
		b.config.Traces = true
		var brought []int // by the alerts of each attempt
		isAway := errors.New("away")
		b.world.set(func(_ transport.Destination, m *message.Message) error {
			if m.Kind != message.Alert {
				return nil
			}
			if brought = append(brought, len(m.Attachments)); len(m.Attachments) > 0 {
				return fmt.Errorf("%w: 413 Request Entity Too Large", transport.ErrRefused)
			}
			return isAway
		})
		b.start()
		settings, err := b.settings()
		if err != nil {
			t.Fatal(err)
		}
		m, err := message.New(message.Alert, b.newID(), b.now(), &settings, message.Facts{}, &message.Event{Name: "a", Group: model.GroupCrash},
			message.Attachment{Name: "show system", Type: "command", Text: "much"})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.put(m, []string{model.ProfileVendor}, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		isAway = nil
		b.config.URL = "https://callhome.example.net/"
		b.Apply(&model.Config{CallHome: b.config})
		answer, err := b.sendAll(b.t.Context(), SendAllRequest{})
		if err != nil || slices.ContainsFunc(answer.Deliveries, func(e model.CallHomeEntry) bool { return e.Outcome != outcomeSent }) {
			t.Errorf("sendAll = %+v, %v; want all sent", answer, err)
		}
		if want := []int{1, 0, 1, 0}; !slices.Equal(brought, want) {
			t.Errorf("the attempts brought %d attachments; want %d", brought, want)
		}
	})
}

// TestForeignWords: what the other side has said is shown on terminals and stands
// in the log.
func TestForeignWords(t *testing.T) {
	live(t, func(b *box) {
		b.world.set(func(transport.Destination, *message.Message) error {
			return errors.New("it says \x1b[2J\u202ehello\u2028\x07 world\r\n.")
		})
		var log strings.Builder
		b.options.Log = slog.New(slog.NewJSONHandler(&log, nil))
		b.start()
		b.mustAlert("a", model.Major)
		synctest.Wait()
		if got, want := b.Status().Waiting[0].Error, "it says [2J hello world ."; got != want || !strings.Contains(log.String(), want) {
			t.Errorf("the error is %q, and the log\n%s\nwant %q", got, &log, want)
		}
	})
}

// TestTurns: a destination that takes its time to fail holds up no other.
func TestTurns(t *testing.T) {
	live(t, func(b *box) {
		b.config.Copies = []string{"noc@example.com"}
		b.world.took = 2 * time.Minute
		b.world.set(func(to transport.Destination, _ *message.Message) error {
			if to.Profile == model.ProfileVendor {
				return errDown
			}
			return nil
		})
		b.start()
		for range 50 {
			b.mustAlert("a", model.Major)
		}
		time.Sleep(4 * time.Hour)
		if got := len(strings.Fields(b.world.take(model.ProfileCopies))); got != 53 {
			t.Errorf("in 4 hours %d messages came; want all 53", got)
		}
		before := time.Now()
		b.mustAlert("b", model.Major)
		for b.world.take(model.ProfileCopies) == "" && time.Since(before) < day {
			time.Sleep(time.Second)
		}
		if took := time.Since(before); took > 6*time.Minute {
			t.Errorf("one more came after %s; want one attempt of the vendor in between", took)
		}
	})
}

// TestInterrupted: what is under way when the settings change or the box goes down
// was no attempt, and is delivered by what counts then.
func TestInterrupted(t *testing.T) {
	for name, interrupt := range map[string]func(*box){
		"a commit": func(b *box) {
			b.set(func(c *model.CallHome) { c.URL = "https://other.example/callhome" })
		},
		"a restart": func(b *box) {
			b.stop()
			b.config.URL = "https://other.example/callhome"
			b.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, func(b *box) {
				b.start()
				time.Sleep(catchUp)
				b.world.take("")
				b.world.took = time.Hour
				b.mustAlert("a", model.Major)
				time.Sleep(time.Minute)
				b.world.mu.Lock()
				b.world.took = 0
				b.world.mu.Unlock()
				interrupt(b)
				synctest.Wait()
				if len(b.world.got) != 1 || b.world.got[0].to.URL != "https://other.example/callhome" {
					t.Fatalf("%+v came; want the alert, at the other destination", b.world.got)
				}
				if e := b.Status().Recent[0]; e.Attempts != 1 || e.Outcome != outcomeSent || b.Status().Profiles[0].Failed != 0 {
					t.Errorf("the delivery is %+v; want one attempt", e)
				}
			})
		})
	}
}

// TestAnonymousAtOnce: nothing of Smart is sent, or goes on, once Anonymous is in force.
func TestAnonymousAtOnce(t *testing.T) {
	live(t, func(b *box) {
		b.world.took = time.Minute
		b.start()
		b.mustAlert("a", model.Major)
		time.Sleep(time.Second) // it is under way
		b.set(func(c *model.CallHome) { c.Mode, c.From = model.CallHomeAnonymous, "" })
		time.Sleep(2 * time.Hour)
		for _, a := range b.world.got {
			if a.m.Mode != model.CallHomeAnonymous || a.to.Mode != model.CallHomeAnonymous || a.to.From != "" {
				t.Errorf("%s of mode %s was sent to %+v", a.m.ID, a.m.Mode, a.to)
			}
		}
		if len(b.world.got) != 2 {
			t.Errorf("%d messages came; want inventory and telemetry", len(b.world.got))
		}
	})
}

func TestDestination(t *testing.T) {
	servers := []model.MailServer{{Host: "mail.example"}}
	base := model.CallHome{
		ContactEmail: "noc@example.com", URL: "https://v.example", Email: "v@example.com", ProxyHost: "192.0.2.9", ProxyPort: 3128,
		Copies: []string{"a@example.com", "b@example.com"}, MailServers: servers, ReplyTo: "reply@example.com",
		Profiles: []model.CallHomeProfile{
			{Name: "url", URL: "https://p.example"}, {Name: "mail", Emails: []string{"p@example.com"}},
			{Name: "long", Emails: []string{"p@example.com"}, Format: model.CallHomeLong},
		},
	}
	common := transport.Destination{Mode: model.CallHomeSmart, Servers: servers, From: "noc@example.com", ReplyTo: "reply@example.com"}
	for _, test := range []struct {
		profile string
		set     func(*model.CallHome)
		mode    string
		want    func(*transport.Destination)
	}{
		{model.ProfileVendor, nil, "", func(d *transport.Destination) { d.URL, d.Format = "https://v.example", model.CallHomeXML }},
		{model.ProfileVendor, func(c *model.CallHome) { c.Transport, c.Format = model.CallHomeProxy, model.CallHomeJSON }, "",
			func(d *transport.Destination) {
				d.URL, d.Proxy, d.Format = "https://v.example", "192.0.2.9:3128", model.CallHomeJSON
			}},
		{model.ProfileVendor, func(c *model.CallHome) { c.Transport = model.CallHomeEmail }, "",
			func(d *transport.Destination) { d.Emails, d.Format = []string{"v@example.com"}, model.CallHomeXML }},
		{model.ProfileVendor, nil, model.CallHomeAnonymous,
			func(d *transport.Destination) {
				d.URL, d.Format, d.Mode, d.From = "https://v.example", model.CallHomeXML, model.CallHomeAnonymous, ""
			}},
		{model.ProfileVendor, func(c *model.CallHome) { c.From = "NOC@example.com" }, model.CallHomeAnonymous,
			func(d *transport.Destination) {
				d.URL, d.Format, d.Mode, d.From = "https://v.example", model.CallHomeXML, model.CallHomeAnonymous, ""
			}},
		{model.ProfileVendor, func(c *model.CallHome) { c.From = "box@example.com" }, "",
			func(d *transport.Destination) {
				d.URL, d.Format, d.From = "https://v.example", model.CallHomeXML, "box@example.com"
			}},
		{model.ProfileVendor, func(c *model.CallHome) { c.From = "box@example.com" }, model.CallHomeAnonymous,
			func(d *transport.Destination) {
				d.URL, d.Format, d.Mode, d.From = "https://v.example", model.CallHomeXML, model.CallHomeAnonymous, "box@example.com"
			}},
		{model.ProfileCopies, nil, "",
			func(d *transport.Destination) { d.Emails, d.Format = base.Copies, model.CallHomeLong }},
		{"url", func(c *model.CallHome) { c.Transport, c.Format = model.CallHomeProxy, model.CallHomeJSON }, "",
			func(d *transport.Destination) {
				d.URL, d.Proxy, d.Format = "https://p.example", "192.0.2.9:3128", model.CallHomeXML
			}},
		{"url", nil, "", func(d *transport.Destination) { d.URL, d.Format = "https://p.example", model.CallHomeXML }},
		{"mail", nil, "", func(d *transport.Destination) { d.Emails, d.Format = []string{"p@example.com"}, model.CallHomeShort }},
		{"long", nil, "", func(d *transport.Destination) { d.Emails, d.Format = []string{"p@example.com"}, model.CallHomeLong }},
	} {
		c := &CallHome{config: base}
		if test.set != nil {
			test.set(&c.config)
		}
		want := common
		want.Profile = test.profile
		test.want(&want)
		if test.mode == "" {
			test.mode = model.CallHomeSmart
		}
		if got := c.destination(test.profile, test.mode); !reflect.DeepEqual(got, want) {
			t.Errorf("destination(%s) = %+v; want %+v", test.profile, got, want)
		}
	}
}
