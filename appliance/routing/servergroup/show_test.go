package servergroup

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/alarm"
	"causeway/appliance/exec/exectest"
	"causeway/appliance/model"
	"causeway/appliance/sip/hop"
)

func TestShow(t *testing.T) {
	since := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	groups := []GroupStatus{
		{Name: "gws", Network: "core", Balance: "call-id", State: "partialdown", Elements: []ElementStatus{
			{
				Element: "udp 192.0.2.1:5060", Q: 1000, Weight: 10, State: "up", Since: since, Reason: "a call was answered",
				Calls: [4]int64{1_000_000, 3, 2, 1}, Pinged: "adaptive", Sent: 700, Answered: 699, Trip: 1234567, Loss: 20, Open: 40,
			},
			{
				Element: "tls gw.example.com", Q: 750, State: "down", Since: since, Reason: "a ping did not reach it", Failures: 4,
				Pinged: "adaptive", Problem: "bind: cannot assign requested address",
			},
			{Element: "tcp [2001:db8::1]:5070", Q: 0, State: "down", Since: since, Reason: "503 with Retry-After to a call", Rest: 20 * time.Second},
		}},
		{Name: "mail", Network: "core", Balance: "weight", State: "partialdown", Elements: []ElementStatus{
			{Element: "udp 192.0.2.8:5060", Q: 1000, Weight: 10, State: "up", Since: since, Reason: "a call was answered", Open: 1},
			{Element: "udp 192.0.2.9:5060", Q: 1000, Weight: 10, State: "up", Since: since, Shutdown: true, Reason: "a ping was answered", Open: 3},
			{Element: "udp 192.0.2.10:5060", Q: 1000, Weight: 10, State: "down", Since: since, Shutdown: true, Reason: "a ping did not reach it"},
		}},
		{Name: "empty", Network: "core", Balance: "weight", State: "down"},
	}
	for _, test := range []struct {
		golden, line string
		answer       []GroupStatus
	}{
		{"groups", "show status server-group sip", groups},
		{"group", "show status server-group sip gws", groups},
		{"group-shutdown", "show status server-group sip mail", groups},
		{"group-unknown", "show status server-group sip vxml", groups},
		{"groups-none", "show status server-group sip", nil},
	} {
		s := exectest.Session{Answers: map[string]any{"proxy.server-groups": test.answer}}
		exectest.Golden(t, test.golden, s.Type(t.Context(), t, ExecCommands(), test.line))
	}
}

// TestGroupStates: the words of CISCO-USP-MIB, and what is an alarm.
func TestGroupStates(t *testing.T) {
	for _, test := range []struct {
		elements int
		states   map[int]string
		shutdown []int
		want     string
		alarms   []string
	}{
		{0, nil, nil, "down", nil},
		{2, nil, nil, "up", nil},
		{2, map[int]string{1: "down"}, nil, "partialdown", []string{"element-down udp 192.0.2.1:5060 of net"}},
		{2, map[int]string{2: "busy"}, nil, "partialdown", []string{"element-down udp 192.0.2.2:5060 of net"}},
		{2, map[int]string{1: "down", 2: "busy"}, nil, "down", []string{
			"server-group-down g", "element-down udp 192.0.2.1:5060 of net", "element-down udp 192.0.2.2:5060 of net", "server-group-down h",
		}},
		{2, nil, []int{1}, "partialdown", nil},
		{2, map[int]string{1: "down"}, []int{1}, "partialdown", nil},
		{2, map[int]string{2: "down"}, []int{1}, "down", []string{
			"server-group-down g", "element-down udp 192.0.2.2:5060 of net", "server-group-down h",
		}},
		{2, map[int]string{1: "down"}, []int{1, 2}, "down", nil}, // on purpose
	} {
		c := configuration(
			model.ServerGroup{Name: "g", Elements: servers(make([]model.ServerElement, test.elements)...)},
			model.ServerGroup{Name: "h", Elements: servers(make([]model.ServerElement, test.elements)...)})
		r := New(Options{})
		for i := range c.SIP.Routing.Groups {
			for j := range c.SIP.Routing.Groups[i].Elements {
				c.SIP.Routing.Groups[i].Elements[j].Shutdown = slices.Contains(test.shutdown, j+1)
			}
		}
		put(compiled(t, r, c), test.states)
		for _, g := range r.Status() {
			if g.State != test.want {
				t.Errorf("with %d elements, %v and %v shut down: %s is %s; want %s", test.elements, test.states, test.shutdown, g.Name, g.State, test.want)
			}
		}
		var alarms []string
		for _, c := range r.Conditions() {
			alarms = append(alarms, c.Name+" "+c.Object)
			if _, known := alarm.Find(c.Name); !known || c.Text == "" {
				t.Errorf("condition %+v is not in the table of alarms, or says nothing", c)
			}
		}
		if !slices.Equal(alarms, test.alarms) {
			t.Errorf("with %d elements, %v and %v shut down: conditions %q; want %q", test.elements, test.states, test.shutdown, alarms, test.alarms)
		}
	}
}

// TestStatus: what an operator is told follows what happened.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := configuration(model.ServerGroup{Name: "g", Balance: model.BalanceWeight, Elements: []model.ServerElement{{Host: "192.0.2.1", Q: 500, Weight: 3}}})
		r := New(Options{})
		e := compiled(t, r, c).groups[0].members[0].element
		want := ElementStatus{Element: "udp 192.0.2.1:5060", Q: 500, Weight: 3, State: "up", Since: start, Reason: "not heard of yet"}
		check := func(when string) {
			t.Helper()
			if diff := cmp.Diff([]GroupStatus{{Name: "g", Network: "net", Balance: "weight", State: want.State, Elements: []ElementStatus{want}}}, r.Status()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		check("at first")
		time.Sleep(time.Second)
		e.Report(hop.Answered, 0)
		want.Calls[hop.Answered], want.Reason = 1, "a call was answered"
		check("after an answer")
		e.Report(hop.Unreachable, 0)
		time.Sleep(time.Second)
		e.Report(hop.TimedOut, 0)
		want.Calls = [4]int64{1, 0, 1, 1}
		want.State, want.Since, want.Reason, want.Failures = "down", time.Now(), "a call was not answered", 2
		time.Sleep(time.Second)
		check("after two failures")
		e.Report(hop.Failed, 10*time.Second)
		want.Calls[hop.Failed] = 1
		want.Since, want.Reason, want.Failures, want.Rest = time.Now(), "503 with Retry-After to a call", 0, 10*time.Second
		check("after a Retry-After")
		time.Sleep(time.Minute)
		want.State, want.Since, want.Reason, want.Rest = "up", time.Now().Add(-50*time.Second), "the time of its Retry-After is over", 0
		check("after its end")
		r.Clear()
		want.Calls = [4]int64{}
		check("after clear")
		e.Feedback(40, time.Second)
		want.Loss = 40
		check("while it is overloaded")
		r.options.OpenCalls = func() map[hop.Element]int { return map[hop.Element]int{e: 7} }
		want.Open = 7
		check("with open calls")
	})
}

// TestCommandsOverLink types the commands where the proxy answers.
func TestCommandsOverLink(t *testing.T) {
	r := New(Options{})
	e := compiled(t, r, configuration(model.ServerGroup{Name: "g", Elements: servers(model.ServerElement{})})).groups[0].members[0].element
	e.Report(hop.Answered, 0)
	var s exectest.Session
	s.Serve(t, "proxy", r.Methods())
	for _, test := range []struct{ line, want string }{
		{"show status server-group sip g", "Calls answered: 1"},
		{"clear server-group sip statistics", ""},
		{"show status server-group sip g", "Calls answered: 0"},
	} {
		if got := s.Type(t.Context(), t, ExecCommands(), test.line); !strings.Contains(got, test.want) || strings.HasPrefix(got, "%") {
			t.Errorf("%s prints %q; want %q in it", test.line, got, test.want)
		}
	}
}
