package billing

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/packetcable"
	"causeway/appliance/billing/radius"
	"causeway/appliance/billing/xmlcdr"
	"causeway/appliance/certificates"
	"causeway/appliance/model"
)

// instance is one instance of a method at work: it delivers what the cache has
// for it.
type instance struct {
	name   string
	client *radius.Client // of PacketCable
	files  *xmlcdr.Files  // of XML
	stop   context.CancelFunc
	parts  sync.WaitGroup
}

// start has a part of the instance run until it is stopped.
func (i *instance) start(ctx context.Context, part func(context.Context) error, failed func(error)) {
	i.parts.Go(func() {
		if err := part(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
	})
}

// end stops the instance and waits.
func (i *instance) end() {
	i.stop()
	i.parts.Wait()
}

// reconcile has those instances run that should.
func (p *process) reconcile() {
	if p.plan == nil || p.cache == nil {
		return
	}
	for _, m := range p.plan.PacketCable {
		client := p.plan.clients[m.Client]
		works := client.Active && (m.Attached && p.plan.Active || m.DeactMode != model.DeactAbort && p.unfinished(packetCableName(m.Index), uint8(m.Index)))
		p.keepRunning(packetCableName(m.Index), works, func() (*instance, error) { return p.startPacketCable(m, client) })
	}
	for _, x := range p.plan.XML {
		works := x.Attached && p.plan.Active || x.DeactMode != model.DeactAbort && p.unfinished(xmlName(x.Index), placeXML)
		p.keepRunning(xmlName(x.Index), works, func() (*instance, error) { return p.startXML(x) })
	}
}

// unfinished says whether an instance that was deactivated has still to do:
// calls that it bills to their end, or records that wait.
func (p *process) unfinished(name string, place uint8) bool {
	if _, billed := p.manager.Open(); billed[place] > 0 {
		return true
	}
	status := p.cache.Status()
	waiting := consumer(&status, name)
	return waiting != nil && waiting.Records > 0
}

// keepRunning starts or stops an instance.
func (p *process) keepRunning(name string, wanted bool, start func() (*instance, error)) {
	at := slices.IndexFunc(p.instances, func(i *instance) bool { return i.name == name })
	switch {
	case wanted && at < 0:
		if p.cache.Cursor(name) == nil {
			return // another one has its place until the plan's terms are in force
		}
		started, err := start()
		p.note(name, err)
		if err != nil {
			return
		}
		p.instances = append(p.instances, started)
		p.options.Log.Info("billing instance at work", "instance", name)
	case !wanted && at >= 0:
		p.stopInstance(p.instances[at])
	}
}

func (p *process) stopInstance(i *instance) {
	i.end()
	if cursor := p.cache.Cursor(i.name); cursor != nil {
		cursor.Hold(true) // what is in memory only must not wait for its return
	}
	p.instances = slices.DeleteFunc(p.instances, func(other *instance) bool { return other == i })
	p.options.Log.Info("billing instance stopped", "instance", i.name)
}

func (p *process) stopInstances() {
	for _, i := range slices.Clone(p.instances) {
		p.stopInstance(i)
	}
}

// startPacketCable begins to send event messages.
func (p *process) startPacketCable(m model.PacketCableMethod, client model.RADIUSClient) (*instance, error) {
	keys := p.plan.keys[m.Client]
	i := &instance{name: packetCableName(m.Index), client: radius.New(radius.Options{
		Client: client, Keys: func(server string) string { return keys[server] }, Local: p.plan.aaa,
		NASAddress: p.plan.localAddress(m.LocalAddress), TLS: radiusTLS(certificates.NewReader(p.options.TLS, p.options.Log)), Log: p.options.Log,
	})}
	cursor := p.cache.Cursor(i.name)
	cursor.Rewind()
	sender := packetcable.Instance{
		Source: messages{cursor}, Transport: transport{i.client},
		BatchSize:   m.BatchSize,
		BatchTime:   batchTime(m),
		Outstanding: 2 * concurrent(client),
	}
	ctx, stop := context.WithCancel(context.Background())
	i.stop = stop
	failed := func(err error) { p.options.Log.Error("billing instance", "instance", i.name, "error", err) }
	i.start(ctx, i.client.Run, failed)
	i.start(ctx, sender.Run, failed)
	i.start(ctx, func(ctx context.Context) error { return hold(ctx, i.client, cursor) }, failed)
	return i, nil
}

// hold tells the cache whenever the transport goes down or up.
func hold(ctx context.Context, client *radius.Client, cursor *cache.Cursor) error {
	for {
		changed := client.Changed()
		cursor.Hold(!client.Up())
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// messages lets an instance take event messages from the cache.
type messages struct{ *cache.Cursor }

// Next implements packetcable.Source.
func (m messages) Next(ctx context.Context) (packetcable.Record, error) {
	r, err := m.Cursor.Next(ctx)
	return packetcable.Record{Number: r.Seq, Call: r.Call, Message: r.Payload}, err
}

// transport lets an instance send by a RADIUS client.
type transport struct{ *radius.Client }

// Send implements packetcable.Transport.
func (t transport) Send(ctx context.Context, session string, messages []byte) error {
	return t.Account(ctx, session, messages)
}

// AwaitUp implements packetcable.Transport.
func (t transport) AwaitUp(ctx context.Context) error {
	for {
		changed := t.Changed()
		if t.Up() {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// startXML begins to write call records.
func (p *process) startXML(x model.XMLMethod) (*instance, error) {
	dir, mount := p.options.directory(p.plan.cdr)
	files, err := xmlcdr.Open(xmlcdr.Options{Dir: dir, Mount: mount, SBC: p.plan.localAddress(p.plan.LocalAddress), Settings: x, Journal: p.options.Journal,
		Secret: p.plan.transfer, Log: p.options.Log})
	if err != nil {
		return nil, err
	}
	i := &instance{name: xmlName(x.Index), files: files}
	cursor := p.cache.Cursor(i.name)
	cursor.Rewind()
	cursor.Hold(files.Status().Problem != "")
	ctx, stop := context.WithCancel(context.Background())
	i.stop = stop
	failed := func(err error) { p.options.Log.Error("billing instance", "instance", i.name, "error", err) }
	i.start(ctx, files.Run, failed)
	i.start(ctx, func(ctx context.Context) error { return writeCalls(ctx, files, cursor) }, failed)
	return i, nil
}

// What call records are written together: those that come within a moment.
const (
	gatherCalls = 100 * time.Millisecond
	mostCalls   = 256
)

// writeCalls takes call records from the cache to the files. What cannot be
// written is tried again.
func writeCalls(ctx context.Context, files *xmlcdr.Files, from *cache.Cursor) error {
	for {
		first, err := from.Next(ctx)
		if err != nil {
			return err
		}
		batch := gather(ctx, first, from)
		calls := make([][]byte, len(batch))
		for n, r := range batch {
			calls[n] = r.Payload
		}
		for files.Append(calls...) != nil { // Files reports it
			from.Hold(true)
			sleep(ctx, resendInterval*time.Second)
			if ctx.Err() != nil {
				return nil
			}
		}
		for _, r := range batch {
			from.Done(r.Seq)
		}
		if from.Held() {
			from.Hold(false)
		}
	}
}

// gather adds to a record those that come soon.
func gather(ctx context.Context, first cache.Record, from *cache.Cursor) []cache.Record {
	ctx, cancel := context.WithTimeout(ctx, gatherCalls)
	defer cancel()
	batch := []cache.Record{first}
	for len(batch) < mostCalls {
		r, err := from.Next(ctx)
		if err != nil {
			break
		}
		batch = append(batch, r)
	}
	return batch
}

// batchTime is how long a message may wait for others.
func batchTime(m model.PacketCableMethod) time.Duration {
	return time.Duration(cmp.Or(m.BatchTime, defaultBatchTime)) * time.Millisecond
}

// defaultConcurrent is "concurrent-requests" where nothing is configured.
const defaultConcurrent = 250

func concurrent(client model.RADIUSClient) int { return cmp.Or(client.Concurrent, defaultConcurrent) }
