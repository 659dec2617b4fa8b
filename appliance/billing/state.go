package billing

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"causeway/appliance/alarm"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/billing/xmlcdr"
	"causeway/appliance/link"
	"causeway/appliance/model"
)

// methods are what the other processes may ask.
func (p *process) methods() link.Methods {
	methods := p.revision.Methods()
	maps.Copy(methods, p.options.Debug)
	methods["billing.status"] = func(context.Context) (model.BillingStatus, error) { return p.status(), nil }
	methods["billing.clear-cache"] = link.ForOperators(func(_ context.Context, which clearing) (cleared, error) {
		var records int64
		var refusal error
		if err := p.do(func() { records, refusal = p.clear(which.Instance) }); err != nil {
			return cleared{}, err
		}
		return cleared{records}, refusal
	})
	return methods
}

// clearing names the instance whose records are given up.
type clearing struct {
	Instance string `json:"instance"` // "packetcable-em-0", "xml-1"
}

// cleared is how many there were.
type cleared struct {
	Records int64 `json:"records"`
}

// stall is how long run may be at one thing without being thought stuck.
const stall = 20 * time.Second

// status is what was noted last, with the revision of now. It waits for nothing.
func (p *process) status() model.BillingStatus {
	revision := p.revision.ID()
	p.mu.Lock()
	defer p.mu.Unlock()
	status := p.report
	status.Revision = revision
	if at := time.Since(p.began); p.doing != "" && at > stall {
		status.Alarms = append(slices.Clip(status.Alarms), model.Condition{Name: alarm.BillingCacheFault,
			Text: fmt.Sprintf("billing has been at work on %s for %v: a disk may not answer; its cache is %s", p.doing, at.Round(time.Second), status.Manager.CachePath)})
	}
	return status
}

// noteStatus notes how everything stands.
func (p *process) noteStatus() {
	calls, billed := p.manager.Open()
	status := model.BillingStatus{OpenCalls: calls, Counters: maps.Clone(p.counters)}
	var err error
	status.Journal, err = p.reader.Status()
	p.note("journal status", err)
	if p.reader.Lost > 0 {
		status.Counters[countLost] = int64(p.reader.Lost)
	}
	if p.cache != nil {
		status.Cache = p.cache.Status()
	}
	for _, l := range p.left {
		status.Cache.Consumers = append(status.Cache.Consumers, model.CacheConsumerStatus{Name: l.Path.String(), Records: l.Records, Orphaned: true})
	}
	if p.plan != nil {
		status.Manager = p.managerStatus()
		for _, m := range p.plan.PacketCable {
			status.Instances = append(status.Instances, p.packetCableStatus(m, billed[m.Index]))
		}
		for _, x := range p.plan.XML {
			status.Instances = append(status.Instances, p.xmlStatus(x, billed[placeXML]))
		}
	}
	for _, i := range p.instances {
		if i.client != nil {
			status.RADIUS = append(status.RADIUS, i.client.Status())
		}
		if i.files != nil {
			status.CDR = i.files.Status()
		}
	}
	status.Alarms = p.conditions(&status)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report = status
}

func (p *process) managerStatus() model.BillingManagerStatus {
	n := p.plan
	status := model.BillingManagerStatus{
		SBC: n.sbc, Configured: n.Configured, LongCheck: n.LongCheck, Admin: n.Active, Operation: p.terms != nil && p.terms.Bills != 0,
		CachePath: cmp.Or(n.Cache.Path, defaultCachePath), CacheMax: n.Cache.MaxSize, OnFailure: n.Cache.OnFailure, Resend: resendInterval,
		MediaInfo: n.MediaInfo, EndpointInfo: n.EndpointInfo, ElementID: n.ElementID,
	}
	status.CacheMinor, status.CacheMajor, status.CacheCritical = n.Cache.Thresholds()
	if a := n.localAddress(n.LocalAddress); a.IsValid() {
		status.LocalAddress = a.String()
	}
	if n.MethodPacketCable {
		status.Methods = append(status.Methods, "packetcable-em")
	}
	if n.MethodXML {
		status.Methods = append(status.Methods, "xml")
	}
	return status
}

func (p *process) packetCableStatus(m model.PacketCableMethod, calls int) model.BillingInstanceStatus {
	status := model.BillingInstanceStatus{
		Name: packetCableName(m.Index), Method: "packetcable-em", Index: m.Index, Client: m.Client, ActiveCalls: calls,
		DeactMode: m.DeactMode.String(), Admin: m.Attached, LongCheck: p.plan.longCheck(m.LongCheck),
		BatchSize: min(m.BatchSize, packetcable.MaxBatch), BatchTime: int(batchTime(m).Milliseconds()),
	}
	if a := p.plan.localAddress(m.LocalAddress); a.IsValid() {
		status.LocalAddress = a.String()
	}
	status.Problem = p.faults[status.Name]
	if i := p.atWork(status.Name); i != nil {
		status.Operation, status.TransportUp = true, i.client.Up()
	} else if m.Attached && p.plan.Active && !p.plan.clients[m.Client].Active {
		status.Problem = "RADIUS client " + m.Client + " is not active"
	}
	return status
}

func (p *process) xmlStatus(x model.XMLMethod, calls int) model.BillingInstanceStatus {
	status := model.BillingInstanceStatus{
		Name: xmlName(x.Index), Method: "xml", Index: x.Index, ActiveCalls: calls,
		DeactMode: x.DeactMode.String(), Admin: x.Attached, LongCheck: p.plan.longCheck(x.LongCheck),
		CDRPath: cmp.Or(x.Path, model.DefaultCDRPath), Interval: cmp.Or(x.Interval, xmlcdr.DefaultInterval), Size: cmp.Or(x.Size, xmlcdr.DefaultSize),
		Problem: p.faults[xmlName(x.Index)],
	}
	if i := p.atWork(status.Name); i != nil {
		files := i.files.Status()
		status.Operation, status.TransportUp, status.Problem = true, files.Problem == "", files.Problem
	}
	return status
}

// atWork gives the instance of that name, or nil.
func (p *process) atWork(name string) *instance {
	i := slices.IndexFunc(p.instances, func(i *instance) bool { return i.name == name })
	if i < 0 {
		return nil
	}
	return p.instances[i]
}
