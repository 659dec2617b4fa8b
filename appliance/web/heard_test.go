package web

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"causeway/appliance/config/change"
)

// TestAskedOnce: what several parts of a page need is asked once for a view, and
// anew for the next.
func TestAskedOnce(t *testing.T) {
	answers := newDraft(t, "sip network a\nsip network b\n").answers()
	for method, answer := range wellAnswers() {
		answers[method] = answer
	}
	answers["control.running"] = map[string]string{"text": ""}
	answers["control.revision"] = change.RevisionText{}
	answers["control.validate"] = change.Validated{}
	answers["control.standing"] = change.Standing{Changed: true, Pending: &change.Pending{Revision: 1, Until: noon}}
	var mu sync.Mutex
	count := make(map[string]int)
	asked := func(question string) {
		mu.Lock()
		defer mu.Unlock()
		count[question]++
	}
	taken := func() map[string]int { // since the last time
		mu.Lock()
		defer mu.Unlock()
		defer func() { count = make(map[string]int) }()
		return count
	}
	w := newBox(t, answers, func(o *Options) {
		call, calls, rate := o.Call, o.Sources.CallsBetween, o.Sources.CallRate
		o.Call = func(ctx context.Context, process, method string, params, result any) error {
			asked(method)
			return call(ctx, process, method, params, result)
		}
		o.Sources.CallsBetween = func(ctx context.Context, from, to time.Time, step time.Duration) ([]Calls, error) {
			asked("calls")
			return calls(ctx, from, to, step)
		}
		o.Sources.CallRate = func(ctx context.Context) (CallRate, error) {
			asked("rate")
			return rate(ctx)
		}
	}).login(t, user)
	for _, test := range []struct{ path, question string }{
		{"/configure/networks", "control.candidate"},
		{"/configure/users", "control.candidate"},
		{candidatePath, "control.candidate"},
		{candidatePath, "control.standing"},
		{"/monitor/radius", "control.running"},
		{"/reports/billing", "billing.status"},
		{"/reports/calls", "calls"},
		{"/reports/cps", "rate"},
	} {
		for range 2 {
			taken()
			status, page := w.get(test.path)
			if n := taken()[test.question]; status != http.StatusOK || n != 1 {
				t.Errorf("GET %s = %d, and %s was asked %d times; want once:\n%s", test.path, status, test.question, n, page)
			}
		}
	}
	status, _ := w.send("/configure/networks", "networks", url.Values{"networks.0.NETWORK": {"a b"}})
	if n := taken()["control.candidate"]; status != http.StatusUnprocessableEntity || n != 3 {
		t.Errorf("a form that is no good = %d, and the candidate was asked for %d times; want for the form, what it is held against, and the page after it", status, n)
	}
}
