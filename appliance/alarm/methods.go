package alarm

import (
	"context"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// What the methods of control about alarms take and give.
type (
	// ActiveAlarms is the answer of control.alarms.
	ActiveAlarms struct {
		Active []model.Alarm `json:"active"` // as Alarms.Active gives them
	}
	// HistoryRequest asks control.alarm-history for a Page: at most Max
	// events (0: all) after the one numbered After.
	HistoryRequest struct {
		After uint64 `json:"after"`
		Max   int    `json:"max"`
	}
	// ClearRequest is what control.clear-alarm takes.
	ClearRequest struct {
		Which
		Operator model.Operator `json:"operator"`
	}
	// Cleared is its answer.
	Cleared struct {
		Cleared []model.Alarm `json:"cleared"`
	}
	// Rows is the answer of control.alarm-table: all alarms, with the levels in force.
	Rows struct {
		Rows []Row `json:"rows"`
	}
)

// Methods are what control serves about alarms.
func (a *Alarms) Methods() link.Methods {
	return link.Methods{
		"control.alarms": func(context.Context) (ActiveAlarms, error) {
			return ActiveAlarms{a.Active()}, nil
		},
		"control.alarm-history": func(_ context.Context, r HistoryRequest) (Page, error) {
			if r.Max <= 0 {
				r.Max = historyMost
			}
			return a.Events(r.After, r.Max), nil
		},
		"control.alarm-table": func(context.Context) (Rows, error) {
			return Rows{a.Table()}, nil
		},
		"control.clear-alarm": link.ForOperators(func(_ context.Context, r ClearRequest) (Cleared, error) {
			cleared, err := a.Clear(r.Which, r.Operator)
			return Cleared{cleared}, err
		}),
	}
}

// Table gives all alarms, with the levels in force.
func (a *Alarms) Table() []Row {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []Row
	for _, row := range table {
		row.Levels = a.levels(row)
		list = append(list, row)
	}
	return list
}

// levels gives the levels of a row that are in force.
func (a *Alarms) levels(row Row) []Level {
	if row.Setting == "" {
		return row.Levels
	}
	return moved(row.Levels, *threshold(&a.thresholds, row.Setting))
}
