package services

import (
	"context"
	"encoding/json"
	"strings"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/model"
)

// Look is what the box tells of itself.
type Look struct {
	Metrics func(context.Context) (string, error)                // as Prometheus reads it
	Alarms  func() []model.Alarm                                 // that are active, the worst first
	Log     func(ctx context.Context, lines int) (string, error) // the newest ones
}

// mostLines of the log are told at once.
const mostLines = 1000

// Methods are what COM may call.
func (l Look) Methods() []gate.Method {
	return []gate.Method{
		{Name: wire.MethodMetricsGet, Service: model.COMMetrics, May: gate.MayExec("show metrics"), Handle: taking(l.metrics)},
		{Name: wire.MethodAlarmsGet, Service: model.COMAlarms, May: gate.MayExec("show alarms"), Handle: taking(l.alarms)},
		{Name: wire.MethodLogTail, Service: model.COMFiles, May: gate.MayExec("show logging"), Handle: taking(l.log)},
	}
}

func (l Look) metrics(ctx context.Context, _ gate.Caller, _ struct{}) (wire.Text, error) {
	text, err := l.Metrics(ctx)
	if err != nil {
		return wire.Text{}, err
	}
	text, whole := cut(text)
	if !whole { // a part of them would be taken for all
		return wire.Text{}, gate.Refuse(wire.CodeUnsupported, "the metrics are longer than %d octets: they have to be scraped", longestText)
	}
	return wire.Text{Text: text}, nil
}

func (l Look) alarms(context.Context, gate.Caller, struct{}) (got wire.AlarmsGot, err error) {
	all := l.Alarms()
	for fit := len(all); ; fit /= 2 {
		got.Active, got.Omitted = all[:fit], len(all)-fit
		if text, err := json.Marshal(got); err != nil || len(text) <= longestText {
			return got, err
		}
	}
}

func (l Look) log(ctx context.Context, _ gate.Caller, p wire.LogTail) (wire.Text, error) {
	if p.Lines < 1 || p.Lines > mostLines {
		return wire.Text{}, gate.Refuse(wire.CodeParams, "%d lines cannot be had: 1 to %d", p.Lines, mostLines)
	}
	text, err := l.Log(ctx, p.Lines)
	if err != nil {
		return wire.Text{}, err
	}
	for _, whole := cut(text); !whole; _, whole = cut(text) {
		_, text, _ = strings.Cut(text[len(text)/8:], "\n") // the newest are wanted
	}
	return wire.Text{Text: text}, nil
}
