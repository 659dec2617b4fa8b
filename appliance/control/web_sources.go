package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"causeway/appliance/admission"
	"causeway/appliance/reports"
	"causeway/appliance/web"
)

// webSources are what the Dashboard and the Reports learn beside what the model has
// words for.
func (c *control) webSources() web.Sources {
	return web.Sources{
		CallRate:     c.webCallRate,
		License:      c.webLicense,
		COM:          c.webCOM,
		CallsBetween: c.webCalls,
		FailedCalls:  c.webFailedCalls,
	}
}

// webCallRate asks the proxy how many calls come. It tells how long ago its snapshots
// were by when the next one is.
func (c *control) webCallRate(ctx context.Context) (web.CallRate, error) {
	status, err := ask[admission.CPSStatus](c, "proxy", "cps")(ctx)
	if err != nil {
		return web.CallRate{}, err
	}
	rate := web.CallRate{
		Now: status.Now, Average: status.Average, Limit: float64(status.Limit), Rule: status.Rule,
		Rejecting: status.Rejecting, Snapshots: make([]web.Snapshot, len(status.Snapshots)),
	}
	const period = 30 * time.Second // CP-4
	end := time.Now().Add(status.Next - period)
	for i, s := range slices.Backward(status.Snapshots) {
		rate.Snapshots[i] = web.Snapshot{End: end, Span: s.Span, Rate: float64(s.Calls) / max(s.Span, time.Second).Seconds()}
		end = end.Add(-s.Span)
	}
	return rate, nil
}

func (c *control) webLicense(context.Context) (web.License, error) {
	s := c.license.Status()
	return web.License{State: s.State.String(), Calls: s.Calls, Limit: s.LimitCPS, Eval: s.Evaluation.Running, Left: licenceLeft(s)}, nil
}

func (c *control) webCOM(ctx context.Context) (web.COM, error) {
	m, err := c.comMetrics(ctx)
	return web.COM{State: string(c.com.Status().State), Connected: m.Connected, GraceLeft: m.GraceLeft, Waiting: m.OutboxEntries}, err
}

func (c *control) webCalls(_ context.Context, from, to time.Time, step time.Duration) ([]web.Calls, error) {
	series, err := c.reports.Query(reports.Query{From: from, To: to, Step: int(step / time.Minute)})
	if err != nil {
		return nil, err
	}
	calls := make([]web.Calls, len(series.Points))
	for i, p := range series.Points {
		calls[i] = web.Calls{
			Time: p.Time, Seconds: p.Seconds, Offered: p.Calls, Refused: p.Refused, Failed: p.Failed,
			MeanCPS: p.MeanCPS, PeakCPS: p.PeakCPS, PeakOpen: p.PeakOpen,
		}
	}
	return calls, nil
}

// webFailedCalls asks the proxy for its log of calls that failed.
func (c *control) webFailedCalls(ctx context.Context, q web.FailedCallsQuery) (web.FailedCalls, error) {
	var status admission.FailedCallsStatus
	query := admission.FailedCallsQuery{Last: q.Last, Rule: q.Rule, From: q.From}
	if err := c.call(ctx, "proxy", "failed-calls", query, &status); err != nil {
		return web.FailedCalls{}, err
	}
	failed := web.FailedCalls{On: status.On, Lost: status.Lost, Problem: status.Problem}
	for _, one := range slices.Backward(status.Calls) {
		failed.Calls = append(failed.Calls, web.FailedCall{
			Time: one.Time, Status: one.Status, Reason: one.Reason, Rule: one.Rule, From: one.From, To: one.To, CallID: one.CallID,
			Caller: endOf(one.Adjacency, one.Peer), Callee: endOf(one.Out, one.OutPeer),
		})
	}
	return failed, nil
}

// endOf is one end of a call: its adjacency and its address, as far as they are known.
func endOf(adjacency, peer string) string { return strings.Trim(adjacency+", "+peer, ", ") }
