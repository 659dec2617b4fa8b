package callhome

import (
	"context"
	"errors"
	"slices"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/callhome/message"
	"causeway/appliance/model"
)

const (
	consumer = "callhome" // of the alarms
	pageMost = 100        // events that are looked at in one step
)

// feed makes alerts of what happens to the alarms, until ctx ends. Its place among
// the events moves once what came of them is kept: after a cut in between they are
// looked at again, and count as repetitions.
func (c *CallHome) feed(ctx context.Context) {
	alarms := c.options.Alarms
	wake, stop := alarms.Subscribe()
	defer stop()
	at, behind := alarms.Cursor(consumer), false
	for {
		page := alarms.Events(at, pageMost)
		if page.Missed > 0 {
			c.options.Log.Warn("alarms are forgotten that Call Home has not looked at", "events", page.Missed)
		}
		for _, event := range page.Events {
			kept, err := c.process(ctx, event)
			if ctx.Err() != nil {
				break
			}
			at = event.Number
			// What was not kept is written together with the next that is.
			behind = err != nil || behind && !kept
		}
		if !behind {
			if err := alarms.Advance(consumer, at); err != nil {
				c.options.Log.Warn("alarms may be told twice by Call Home", "error", err)
			}
		}
		if len(page.Events) > 0 && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
	}
}

// process makes an alert of an event, if it is one that is told now. kept says that
// something came of it that survives a cut; the error, that it does not.
func (c *CallHome) process(ctx context.Context, event model.AlarmEvent) (kept bool, err error) {
	alert, source, about := alertOf(event.Name, event.Object)
	settings, off := c.settings()
	if alert == nil || off != nil || settings.Does() != model.CallHomeSmart || time.Since(event.Time) > alertLife || !c.isNews(event) {
		return false, nil
	}
	now := c.options.Now()
	seen, duplicate := c.seen(alert.Name, about, now)
	if duplicate && !worse(event.Severity, seen.Severity) { // else who subscribes to the worse ones would never know
		seen.Repeated++
		err := c.put(nil, nil, &seen)
		return err == nil, err
	}
	gathering, end := context.WithTimeout(ctx, factsLimit)
	defer end()
	facts := c.options.Facts(gathering)
	row, _ := alarm.Find(event.Name)
	var attachments []message.Attachment
	if settings.Traces {
		attachments = c.diagnose(ctx, alert.Commands)
		if source.Crash {
			attachments = append(attachments, c.trace(event.Object))
		}
	}
	if ctx.Err() != nil {
		return false, ctx.Err() // half of what was asked did not answer because of that
	}
	m, err := message.New(message.Alert, c.newID(), c.now(), &settings, facts, &message.Event{
		Name: alert.Name, Type: alert.Type, Group: alert.Group, Object: about, Severity: event.Severity,
		Description: event.Text, Impact: row.Text, Remedy: row.Remedy,
		First: event.Time.In(c.options.Zone()), Repeated: seen.Repeated, Node: facts.HostName,
	}, attachments...)
	if err != nil {
		c.options.Log.Error("no alert is made", "alert", alert.Name, "error", err)
		return false, nil
	}
	err = c.put(m, c.subscribers(alert.Group, event.Severity), &model.CallHomeSeen{Name: alert.Name, Object: about, Severity: event.Severity, At: now})
	if errors.Is(err, errMode) || errors.Is(err, errFull) {
		return false, nil // the operator has changed his mind meanwhile, or it is counted
	}
	return err == nil, err
}

// isNews says whether an event is a raise, or a change for the worse: the event of
// the alarm before it has the severity until then. Of one that is forgotten nobody
// knows.
func (c *CallHome) isNews(event model.AlarmEvent) bool {
	if event.Kind != "change" {
		return event.Kind == "raise"
	}
	was := model.Severity("")
	for _, before := range c.options.Alarms.Events(event.Alarm-1, int(event.Number-event.Alarm)).Events {
		if before.Alarm == event.Alarm && before.Number < event.Number {
			was = before.Severity
		}
	}
	return worse(event.Severity, was)
}

func worse(severity, than model.Severity) bool {
	return slices.Index(severities, severity) > slices.Index(severities, than)
}
