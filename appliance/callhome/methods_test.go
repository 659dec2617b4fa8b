package callhome

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/callhome/message"
	"causeway/appliance/callhome/transport"
	"causeway/appliance/model"
)

// outcomes are those of deliveries, "inventory to vendor sent".
func outcomes(a Answer) string {
	var list []string
	for _, e := range a.Deliveries {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s to %s %s %s", e.Group, e.Profile, e.Outcome, e.Error)))
	}
	return strings.Join(list, ", ")
}

// TestOperatorsOnly: no other process of the box learns who the contact is, or has
// messages sent or dropped.
func TestOperatorsOnly(t *testing.T) {
	for name, method := range new(CallHome).Methods() {
		call := reflect.ValueOf(method) // by a process whose user nobody knows
		params := []reflect.Value{reflect.ValueOf(t.Context())}
		for i := 1; i < call.Type().NumIn(); i++ {
			params = append(params, reflect.Zero(call.Type().In(i)))
		}
		answer := call.Call(params)
		if err, _ := answer[len(answer)-1].Interface().(error); err == nil || !strings.Contains(err.Error(), "only an operator's session may") {
			t.Errorf("%s: %v; want it refused", name, err)
		}
	}
}

func TestSend(t *testing.T) {
	live(t, func(b *box) {
		b.config.Copies = []string{"noc@example.com"}
		b.config.Profiles = []model.CallHomeProfile{{Name: "p", URL: "https://p.example"}}
		b.start()
		time.Sleep(catchUp)
		b.world.set(func(to transport.Destination, m *message.Message) error {
			if to.Profile == model.ProfileCopies {
				return errDown
			}
			return nil
		})
		for _, test := range []struct {
			request SendRequest
			want    string
		}{
			{SendRequest{Group: "inventory"}, "inventory to vendor sent, inventory to copies waiting connection refused"},
			{SendRequest{Group: "telemetry", Profile: "vendor"}, "telemetry to vendor sent"},
			{SendRequest{Group: "configuration", Profile: "p"}, "configuration to p sent"}, // it need not subscribe
			{SendRequest{Group: "crash"}, `"crash" is not sent on request: inventory, telemetry and configuration are`},
			{SendRequest{Group: "inventory", Profile: "q"}, `no messages go to a profile "q": there is none, it is not active, or has no destination`},
		} {
			answer, err := b.send(b.t.Context(), test.request)
			got := outcomes(answer)
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("send %+v: %s; want %s", test.request, got, test.want)
			}
		}
		b.set(func(c *model.CallHome) { c.Mode = model.CallHomeAnonymous })
		if _, err := b.send(b.t.Context(), SendRequest{Group: "configuration"}); err == nil {
			t.Error("a configuration message is sent in anonymous mode")
		}
		b.set(func(c *model.CallHome) { c.Mode, c.Accepted = "", false })
		if _, err := b.send(b.t.Context(), SendRequest{Group: "inventory"}); err == nil || !strings.Contains(err.Error(), "show call-home eula") {
			t.Errorf("send before the agreement = %v; want an error that says what is missing", err)
		}
		b.set(func(c *model.CallHome) { c.Mode = model.CallHomeDisabled })
		if _, err := b.test(b.t.Context(), TestRequest{}); err == nil || !strings.Contains(err.Error(), "mode disabled") {
			t.Errorf("test while disabled = %v; want an error that says so", err)
		}
	})
}

// TestSendAll: Save and Call Home now.
func TestSendAll(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		b.mustAlert("a", model.Major)
		time.Sleep(20 * time.Minute)
		failed := "configuration to vendor waiting connection refused"
		answer, err := b.sendAll(b.t.Context(), SendAllRequest{})
		if got := outcomes(answer); err != nil || strings.Count(got, "waiting connection refused") != 4 || !strings.Contains(got, failed) || !strings.Contains(got, "crash to vendor") {
			t.Errorf("send-all = %s, %v; want the alert and the three of the month, which failed", got, err)
		}

		b.world.took = 3 * time.Minute
		before := time.Now()
		answer, err = b.sendAll(b.t.Context(), SendAllRequest{})
		if took := time.Since(before); err != nil || took != sendWait || strings.Contains(outcomes(answer), "sent") || len(answer.Deliveries) != 4 {
			t.Errorf("send-all of a slow vendor = %s, %v after %s; want what was not sent after %s", outcomes(answer), err, took, sendWait)
		}

		b.world.mu.Lock()
		b.world.took = 0
		b.world.mu.Unlock()
		b.world.set(nil)
		time.Sleep(10 * time.Minute)
		answer, err = b.sendAll(b.t.Context(), SendAllRequest{})
		if got := outcomes(answer); err != nil || got != "inventory to vendor sent, telemetry to vendor sent, configuration to vendor sent" {
			t.Errorf("send-all = %s, %v; want all sent", got, err)
		}
		b.world.take("")
		due := b.nextDue()
		time.Sleep(time.Until(due) - time.Hour)
		b.expectGroups("what was sent by hand counts for this month", "")
	})
}

func TestTest(t *testing.T) {
	live(t, func(b *box) {
		b.config.Profiles = []model.CallHomeProfile{{Name: "p", URL: "https://p.example"}}
		b.start()
		time.Sleep(catchUp)
		b.world.take("")
		answer, err := b.test(b.t.Context(), TestRequest{Text: "hello", Profile: "p"})
		if got := outcomes(answer); err != nil || got != "test to p sent" {
			t.Errorf("test = %s, %v; want it sent to p", got, err)
		}
		if e := b.world.got[0].m.Event; e == nil || e.Description != "hello" || e.Node != "box" {
			t.Errorf("the event is %+v", e)
		}
		answer, err = b.test(b.t.Context(), TestRequest{})
		if got := outcomes(answer); err != nil || got != "test to vendor sent, test to p sent" {
			t.Errorf("test = %s, %v; want it sent to all", got, err)
		}
	})
}

func TestClear(t *testing.T) {
	live(t, func(b *box) {
		b.cutOff()
		b.mustAlert("a", model.Major)
		synctest.Wait()
		if cleared, err := b.clearDedup(b.t.Context(), ClearRequest{}); err != nil || cleared.Count != 1 {
			t.Errorf("clear dedup = %v, %v; want 1", cleared, err)
		}
		if _, seen := b.seen("a", "", b.now()); seen {
			t.Error("the alert still counts as processed")
		}
		if cleared, err := b.clearQueue(b.t.Context(), ClearRequest{}); err != nil || cleared.Count != 4 {
			t.Errorf("clear queue = %v, %v; want 4", cleared, err)
		}
		b.expectDropped(map[string]int64{"cleared": 4})
		b.stop()
		b.start()
		if s := b.Status(); len(s.Waiting) != 0 || s.Dropped["cleared"] != 4 {
			t.Errorf("after a restart the status is %+v; want nothing that waits", s)
		}
	})
}
