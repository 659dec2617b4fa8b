package web

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"causeway/appliance/config"
	"causeway/appliance/model"
	"causeway/appliance/web/chart"
)

// billingReports are the parts of the report on billing.
func billingReports() []part {
	return []part{
		billingReport{"cache", "The cache", cacheChart, cacheTable},
		billingReport{"waiting", "Records that wait", waitingChart, waitingTable},
		billingReport{"radius", "RADIUS servers", radiusChart, radiusTable},
		billingReport{"cdr", "CDR files", nil, cdrTable},
		billingReport{"events", "Call events", eventsChart, nil},
	}
}

// billingReport is a chart of how billing stands, and a table.
type billingReport struct {
	id, title string
	chart     func(model.BillingStatus) chart.Chart // nil: there is none; it draws nothing without labels
	// table is that of the page and of the file; nil: that of the chart.
	table func(*visit, model.BillingStatus) (heading []string, rows [][]string)
}

func (r billingReport) name() string { return r.id }
func (r billingReport) permits(rights model.Rights) error {
	return config.PermitsCommand(rights, "show billing status")
}

func (r billingReport) show(ctx context.Context, v *visit) (view, error) {
	status, err := ask[model.BillingStatus](ctx, v, "billing", "billing.status")
	if err != nil {
		return view{}, err
	}
	data := report{Title: r.title}
	data.Heading, data.Rows = r.rows(v, status)
	if len(data.Rows) == 0 {
		data.Note = "There are none."
		return view{template: "report", data: data}, nil
	}
	data.CSV = v.csv(r.id)
	if r.chart != nil {
		data.Chart, err = r.drawn(status).HTML()
	}
	return view{template: "report", data: data}, err
}

// list implements lister.
func (r billingReport) list(ctx context.Context, v *visit) (heading []string, rows [][]string, err error) {
	status, err := ask[model.BillingStatus](ctx, v, "billing", "billing.status")
	if err != nil {
		return nil, nil, err
	}
	heading, rows = r.rows(v, status)
	return heading, rows, nil
}

func (r billingReport) rows(v *visit, status model.BillingStatus) (heading []string, rows [][]string) {
	if r.table != nil {
		return r.table(v, status)
	}
	return r.drawn(status).Table()
}

func (r billingReport) drawn(status model.BillingStatus) chart.Chart {
	c := r.chart(status)
	c.Name, c.Title, c.Shape = r.id, r.title, chart.Ranks
	return c
}

// ranks is a chart of one thing after the other.
func ranks(axis, series string) chart.Chart {
	return chart.Chart{Axis: chart.Names(axis), Series: []chart.Series{{Name: series}}}
}

// rank adds a thing to a chart.
func rank(c *chart.Chart, name string, value int64) {
	c.Axis.Labels = append(c.Axis.Labels, name)
	c.Series[0].Values = append(c.Series[0].Values, float64(value))
}

func cacheChart(status model.BillingStatus) chart.Chart {
	c := ranks("Of", "Size")
	c.Unit = "KB"
	rank(&c, "On the disk", status.Cache.Bytes/1024)
	for _, l := range []struct {
		name string
		kb   int
	}{{"Minor alarm", status.Manager.CacheMinor}, {"Major alarm", status.Manager.CacheMajor}, {"Critical alarm", status.Manager.CacheCritical}} {
		if l.kb > 0 {
			c.Limits = append(c.Limits, chart.Limit{Name: l.name, Value: float64(l.kb)})
		}
	}
	return c
}

func cacheTable(v *visit, status model.BillingStatus) (heading []string, rows [][]string) {
	cache, oldest := status.Cache, "-"
	if !cache.Oldest.IsZero() {
		oldest = v.clock(cache.Oldest)
	}
	return []string{"Of the cache", "Value"}, [][]string{
		{"Directory", cache.Directory}, {"Records that wait", fmt.Sprint(cache.Records)}, {"The oldest since", oldest},
		{"Octets on the disk", fmt.Sprint(cache.Bytes)}, {"Records in memory", fmt.Sprint(cache.MemoryRecords)}, {"Octets in memory", fmt.Sprint(cache.MemoryBytes)},
		{"Records refused for want of room", fmt.Sprint(cache.Refused)}, {"Records lost to damage of the disk", fmt.Sprint(cache.Lost)},
		{"Octets of the journal of call events", fmt.Sprint(status.Journal.Bytes)}, {"Problem", cache.Fault},
	}
}

func waitingChart(status model.BillingStatus) chart.Chart {
	c := ranks("Instance", "Records")
	for _, one := range status.Cache.Consumers {
		rank(&c, one.Name, one.Records)
	}
	return c
}

func waitingTable(v *visit, status model.BillingStatus) (heading []string, rows [][]string) {
	for _, one := range status.Cache.Consumers {
		state, oldest := "delivers", "-"
		switch {
		case one.Orphaned:
			state = "not configured any more"
		case one.Held:
			state = "cannot deliver at present"
		}
		if !one.Oldest.IsZero() {
			oldest = v.clock(one.Oldest)
		}
		rows = append(rows, []string{one.Name, fmt.Sprint(one.Records), fmt.Sprint(one.Bytes), oldest, state})
	}
	return []string{"Instance", "Records", "Octets", "The oldest since", "State"}, rows
}

func radiusChart(status model.BillingStatus) chart.Chart {
	c := ranks("Server", "Requests")
	for _, client := range status.RADIUS {
		for _, server := range client.Servers {
			rank(&c, client.Name+" "+server.Name, server.Requests)
		}
	}
	return c
}

func radiusTable(_ *visit, status model.BillingStatus) (heading []string, rows [][]string) {
	for _, client := range status.RADIUS {
		for _, s := range client.Servers {
			state := "down"
			if s.Up {
				state = "up"
			}
			rows = append(rows, []string{
				client.Name, s.Name, s.Address, state, fmt.Sprint(s.Requests), fmt.Sprint(s.Responses), fmt.Sprint(s.Retransmissions),
				fmt.Sprint(s.Timeouts), fmt.Sprint(s.Pending), fmt.Sprintf("%.1f", float64(s.RoundTripTime.Microseconds())/1000), s.Problem,
			})
		}
	}
	return []string{"Client", "Server", "Address", "State", "Requests", "Responses", "Retransmissions", "Timeouts", "Pending", "Round trip (ms)", "Problem"}, rows
}

func cdrTable(_ *visit, status model.BillingStatus) (heading []string, rows [][]string) {
	if cdr := status.CDR; cdr != nil {
		rows = [][]string{
			{"Directory", cdr.Directory}, {"Files finished", fmt.Sprint(cdr.Files)}, {"Calls written", fmt.Sprint(cdr.Calls)},
			{"File being written", cdr.Current}, {"Calls in it", fmt.Sprint(cdr.CurrentCalls)}, {"Octets of it", fmt.Sprint(cdr.CurrentBytes)},
			{"Last file finished", cdr.LastFile}, {"Its MD5", cdr.LastMD5}, {"Last file transferred", cdr.Transferred},
			{"Files to be transferred", fmt.Sprint(cdr.Waiting)}, {"Free (KB)", fmt.Sprint(cdr.FreeKB)}, {"Problem", cdr.Problem}, {"Problem with transfers", cdr.TransferProblem},
		}
	}
	return []string{"Of the CDR files", "Value"}, rows
}

func eventsChart(status model.BillingStatus) chart.Chart {
	c := ranks("Event", "Read")
	for _, name := range slices.Sorted(maps.Keys(status.Counters)) {
		rank(&c, name, status.Counters[name])
	}
	return c
}
