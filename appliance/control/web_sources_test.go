package control

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/appliance/admission"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/web"
)

// TestWebSources asks what the Dashboard and the Reports learn of a box whose proxy
// answers.
func TestWebSources(t *testing.T) {
	b := newBox(t)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	asked := admission.FailedCallsQuery{}
	t.Cleanup(serve(t, link.Socket(b.options.Run, "proxy"), link.Methods{
		"proxy.cps": func(context.Context) (admission.CPSStatus, error) {
			return admission.CPSStatus{
				Now: 7, Average: 9.5, Limit: 10, Rule: model.RuleCPS, Rejecting: true, Next: 10 * time.Second,
				Snapshots: []admission.Snapshot{{Calls: 90, Span: time.Minute}, {Calls: 300, Span: 30 * time.Second}},
			}, nil
		},
		"proxy.failed-calls": func(_ context.Context, q admission.FailedCallsQuery) (admission.FailedCallsStatus, error) {
			asked = q
			return admission.FailedCallsStatus{On: true, Lost: 3, Problem: "full", Calls: []*admission.FailedCall{
				{Time: at, Status: 503, Reason: "Busy", Rule: "cps", From: "sip:a@example.com", To: "sip:b@example.com", CallID: "1", Adjacency: "west", Peer: "udp 192.0.2.1:5060"},
				{Time: at.Add(time.Second), Status: 486, Adjacency: "west", Peer: "udp 192.0.2.1:5060", Out: "east", OutPeer: "198.51.100.1:5060"},
			}}, nil
		},
	}))
	c := build(b.options, b.pace)
	c.license.Apply(new(model.Config)) // nothing is set: the evaluation runs
	sources, ctx := c.webSources(), t.Context()

	rate, err := sources.CallRate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(rate.Snapshots) != 2 {
		t.Fatalf("%d snapshots; want 2", len(rate.Snapshots))
	}
	// The open snapshot has run for 20 of its 30 s.
	newest := rate.Snapshots[1].End
	if age := time.Since(newest); age < 20*time.Second || age > 20*time.Second+limit {
		t.Errorf("the newest snapshot ended %v ago; want 20 s", age)
	}
	want := web.CallRate{Now: 7, Average: 9.5, Limit: 10, Rule: model.RuleCPS, Rejecting: true, Snapshots: []web.Snapshot{
		{End: newest.Add(-30 * time.Second), Span: time.Minute, Rate: 1.5}, {End: newest, Span: 30 * time.Second, Rate: 10},
	}}
	if diff := cmp.Diff(want, rate); diff != "" {
		t.Errorf("call rate (-want +got):\n%s", diff)
	}

	license, err := sources.License(ctx)
	if want := (web.License{State: "UNIDENTIFIED", Calls: true, Limit: model.DefaultLicenseCPS, Eval: true, Left: license.Left}); err != nil || license != want || license.Left <= 0 {
		t.Errorf("licence = %+v, %v; want %+v with some time left", license, err, want)
	}
	com, err := sources.COM(ctx)
	if want := (web.COM{State: com.State, GraceLeft: model.COMGrace, Waiting: com.Waiting}); err != nil || com != want || com.State == "" {
		t.Errorf("COM = %+v, %v; want %+v with a state", com, err, want)
	}

	failed, err := sources.FailedCalls(ctx, web.FailedCallsQuery{Last: 5, Rule: "cps", From: "a"})
	if err != nil || asked != (admission.FailedCallsQuery{Last: 5, Rule: "cps", From: "a"}) {
		t.Errorf("failed calls: %v, asked for %+v", err, asked)
	}
	if diff := cmp.Diff(web.FailedCalls{On: true, Lost: 3, Problem: "full", Calls: []web.FailedCall{
		{Time: at.Add(time.Second), Status: 486, Caller: "west, udp 192.0.2.1:5060", Callee: "east, 198.51.100.1:5060"},
		{Time: at, Status: 503, Reason: "Busy", Rule: "cps", From: "sip:a@example.com", To: "sip:b@example.com", CallID: "1", Caller: "west, udp 192.0.2.1:5060"},
	}}, failed); diff != "" {
		t.Errorf("failed calls (-want +got):\n%s", diff)
	}

	if calls, err := sources.CallsBetween(ctx, at, at.Add(time.Hour), time.Minute); err != nil || len(calls) != 0 {
		t.Errorf("calls of an hour without any = %v, %v; want none", calls, err)
	}
	if calls, err := sources.CallsBetween(ctx, at, at.Add(90*24*time.Hour), time.Minute); err == nil {
		t.Errorf("all minutes of 90 days = %d steps; want an error", len(calls))
	}
}

// TestWebSourcesWithoutProxy: what cannot be asked is said so.
func TestWebSourcesWithoutProxy(t *testing.T) {
	b := newBox(t)
	sources := build(b.options, b.pace).webSources()
	if rate, err := sources.CallRate(t.Context()); err == nil {
		t.Errorf("call rate = %v; want an error", fmt.Sprint(rate))
	}
	if failed, err := sources.FailedCalls(t.Context(), web.FailedCallsQuery{Last: 1}); err == nil {
		t.Errorf("failed calls = %v; want an error", fmt.Sprint(failed))
	}
}
