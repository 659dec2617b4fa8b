package metrics

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"

	"causeway/appliance/model"
)

// Sources answer when they are asked, within the time of ctx. One that is nil
// is not asked.
type Sources struct {
	Proxy       func(context.Context) (model.ProxyStatus, error)
	Billing     func(context.Context) (model.BillingStatus, error)
	System      func(context.Context) (model.SystemHealth, error)
	CallRate    func(context.Context) (CallRate, error)
	License     func(context.Context) (License, error)
	COM         func(context.Context) (COM, error)
	CallHome    func(context.Context) (model.CallHomeStatus, error)
	Elements    func(context.Context) ([]Element, error)
	Connections func(context.Context) ([]model.SIPConnection, error)
}

// CallRate is how many calls come, and how many may.
type CallRate struct {
	Average   float64 // calls per second, over the window that counts (CP-9)
	Limit     float64 // calls per second; 0: none
	Rejecting bool
}

// License is how the box stands with its licence.
type License struct {
	State  string        // "OUT_OF_COMPLIANCE"
	Calls  bool          // may be set up
	Limit  float64       // calls per second
	Left   time.Duration // of the evaluation, or of the authorisation; 0: it is over, or there is none
	IDLeft time.Duration // of the ID certificate, likewise
}

// COM is how the link to COM stands, and what depends on it.
type COM struct {
	Connected     bool
	GraceLeft     time.Duration // without the link, in running time of the box
	Sessions      int           // of operators behind COM
	OutboxEntries int           // that wait to be told
	OutboxOctets  int64
	RoundTrip     time.Duration // of the line; 0: not measured
}

// Element is a server of a group.
type Element struct {
	Network, Group, Element string
	Up                      bool
}

// collector asks the sources at each scrape. What there is to tell depends on
// what they answer, so it describes nothing beforehand.
type collector struct {
	sources Sources
	version string
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// askLimit is how long a source may take.
const askLimit = scrapeLimit / 2

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	s := sink{to}
	s.gauge("build_info", "The image that runs.", 1, "version", c.version)
	var asking sync.WaitGroup
	asking.Go(func() { s.process("proxy", ask(ctx, c.sources.Proxy, s.proxy)) })
	asking.Go(func() { s.process("billing", ask(ctx, c.sources.Billing, s.billing)) })
	asking.Go(func() { ask(ctx, c.sources.System, s.system) })
	asking.Go(func() { ask(ctx, c.sources.CallRate, s.callRate) })
	asking.Go(func() { ask(ctx, c.sources.License, s.license) })
	asking.Go(func() { ask(ctx, c.sources.COM, s.com) })
	asking.Go(func() { ask(ctx, c.sources.CallHome, s.callHome) })
	asking.Go(func() { ask(ctx, c.sources.Elements, s.elements) })
	asking.Go(func() { ask(ctx, c.sources.Connections, s.connections) })
	asking.Wait()
}

// ask asks a source and tells what it answered.
func ask[A any](ctx context.Context, source func(context.Context) (A, error), tell func(A)) (answered bool) {
	if source == nil {
		return false
	}
	answer, err := source(ctx)
	if err != nil {
		return false
	}
	tell(answer)
	return true
}

// sink makes metrics of numbers. Names are those of Prometheus' conventions,
// without the prefix that all of them have; labels are name, value, name, …
type sink struct{ to chan<- prometheus.Metric }

const prefix = "causeway_"

func (s sink) gauge(name, help string, value float64, labels ...string) {
	s.send(prometheus.GaugeValue, name, help, value, labels)
}

func (s sink) counter(name, help string, value float64, labels ...string) {
	s.send(prometheus.CounterValue, name, help, value, labels)
}

func (s sink) send(kind prometheus.ValueType, name, help string, value float64, labels []string) {
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names = append(names, labels[i])
		values = append(values, strings.ToValidUTF8(labels[i+1], "?"))
	}
	s.to <- prometheus.MustNewConstMetric(prometheus.NewDesc(prefix+name, help, names, nil), kind, value, values...)
}

// truth is 1 or 0.
func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// process tells whether a process answers.
func (s sink) process(name string, answers bool) {
	s.gauge("process_answers", "Whether a process of the box answers.", truth(answers), "process", name)
}

// proxyCounters are the counters of the proxy that have metrics of their own.
// One that ends with "-" is the beginning of several, whose ends are the value
// of label. All others are events by their names.
var proxyCounters = []struct {
	counter, metric, help string
	label                 string
	labels                []string // beside it
}{
	{counter: "offered", metric: "sip_calls_offered_total", help: "Valid initial INVITEs, without repetitions."},
	{counter: "calls", metric: "sip_calls_admitted_total", help: "Calls that were admitted."},
	{counter: "refused-cac", metric: "sip_targets_refused_total", help: "Targets of calls that call admission control refused."},
	{counter: "refused-", metric: "sip_calls_refused_total", help: "Calls that a rule of the box refused.", label: "rule"},
	{counter: "received-", metric: "sip_messages_total", help: "SIP messages.", label: "transport", labels: []string{"direction", "received"}},
	{counter: "sent-", metric: "sip_messages_total", help: "SIP messages.", label: "transport", labels: []string{"direction", "sent"}},
	{counter: "absorbed", metric: "sip_retransmissions_total", help: "Repeated SIP messages.", labels: []string{"direction", "received"}},
	{counter: "retransmitted", metric: "sip_retransmissions_total", help: "Repeated SIP messages.", labels: []string{"direction", "sent"}},
	{counter: "timed-out", metric: "sip_timeouts_total", help: "Transactions that ended without an answer."},
}

func (s sink) proxy(p model.ProxyStatus) {
	s.gauge("sip_calls_open", "Calls that are being set up or last.", float64(p.OpenCalls))
	s.gauge("sip_transactions", "SIP transactions that are under way.", float64(p.Transactions))
	for name, value := range p.Counters {
		s.proxyCounter(name, float64(value))
	}
}

func (s sink) proxyCounter(name string, value float64) {
	for _, known := range proxyCounters {
		labels := known.labels
		if known.label != "" {
			rest, fits := strings.CutPrefix(name, known.counter)
			if !fits || rest == "" {
				continue
			}
			labels = append([]string{known.label, rest}, labels...)
		} else if name != known.counter {
			continue
		}
		s.counter(known.metric, known.help, value, labels...)
		return
	}
	s.counter("proxy_events_total", "What else the proxy counts.", value, "event", name)
}

func (s sink) billing(b model.BillingStatus) {
	s.gauge("billing_calls_open", "Calls whose records are not complete.", float64(b.OpenCalls))
	s.gauge("journal_size_bytes", "Octets of the journal of call events.", float64(b.Journal.Bytes))
	s.gauge("journal_records", "Records of the journal that are not acknowledged.", float64(b.Journal.NextSeq-b.Journal.FirstSeq))
	for name, value := range b.Counters {
		s.counter("billing_events_total", "Call events that billing has read.", float64(value), "event", name)
	}
}

func (s sink) callRate(r CallRate) {
	s.gauge("sip_calls_per_second_average", "Calls per second over the window that the licence goes by.", r.Average)
	s.gauge("sip_calls_per_second_limit", "Calls per second that are allowed; 0 is no limit.", r.Limit)
	s.gauge("sip_calls_rejecting", "Whether calls are refused since there are too many.", truth(r.Rejecting))
}

func (s sink) license(l License) {
	s.gauge("license_state", "The state of the licence: the one that holds is 1.", 1, "state", l.State)
	s.gauge("license_allows_calls", "Whether calls may be set up in that state.", truth(l.Calls))
	s.gauge("license_calls_per_second", "Calls per second that the licence is asked for, which is what it allows.", l.Limit)
	s.gauge("license_left_seconds", "Time until the evaluation or the authorization ends.", l.Left.Seconds())
	s.gauge("license_id_certificate_left_seconds", "Time until the ID certificate ends.", l.IDLeft.Seconds())
}

func (s sink) com(c COM) {
	s.gauge("com_connected", "Whether the link to COM is up and the box approved.", truth(c.Connected))
	s.gauge("com_grace_left_seconds", "How long what is subscribed goes on without the link.", c.GraceLeft.Seconds())
	s.gauge("com_sessions", "Sessions of operators behind COM.", float64(c.Sessions))
	s.gauge("com_outbox_entries", "Entries that COM is yet to be told.", float64(c.OutboxEntries))
	s.gauge("com_outbox_size_bytes", "Octets of these entries.", float64(c.OutboxOctets))
	if c.RoundTrip > 0 {
		s.gauge("com_round_trip_seconds", "A round trip over the link, the median of the last ones.", c.RoundTrip.Seconds())
	}
}

func (s sink) callHome(c model.CallHomeStatus) {
	s.gauge("callhome_deliveries_waiting", "Deliveries of messages that wait.", float64(len(c.Waiting)))
	for _, p := range c.Profiles {
		s.counter("callhome_deliveries_sent_total", "Messages that a profile has got.", float64(p.Sent), "profile", p.Name)
		s.counter("callhome_attempts_failed_total", "Attempts to deliver to a profile that failed.", float64(p.Failed), "profile", p.Name)
	}
	for reason, n := range c.Dropped {
		s.counter("callhome_deliveries_dropped_total", "Deliveries that were given up.", float64(n), "reason", reason)
	}
}

func (s sink) elements(elements []Element) {
	for _, e := range elements {
		s.gauge("sip_element_up", "Whether an element of a server group is up.", truth(e.Up),
			"network", e.Network, "group", e.Group, "element", e.Element)
	}
}

func (s sink) connections(connections []model.SIPConnection) {
	type kind struct{ network, transport string }
	open := map[kind]int{}
	for _, c := range connections {
		open[kind{c.Network, c.Transport}]++
	}
	for k, count := range open {
		s.gauge("sip_connections", "Connections of stream transports.", float64(count), "network", k.network, "transport", k.transport)
	}
}

func (s sink) system(h model.SystemHealth) {
	const kilo = 1024
	s.gauge("uptime_seconds", "Time since the kernel started.", h.Uptime.Seconds())
	s.gauge("memory_size_bytes", "Memory of the box.", float64(h.MemTotalKB)*kilo)
	s.gauge("memory_available_bytes", "Memory that processes can have.", float64(h.MemAvailable)*kilo)
	for _, v := range h.Volumes {
		s.gauge("volume_mounted", "Whether a volume is mounted.", truth(v.TotalKB > 0), "volume", v.Name)
		if v.TotalKB > 0 {
			s.gauge("volume_size_bytes", "Size of a volume.", float64(v.TotalKB)*kilo, "volume", v.Name)
			s.gauge("volume_free_bytes", "Room on a volume.", float64(v.FreeKB)*kilo, "volume", v.Name)
		}
	}
	for _, service := range h.Services {
		s.gauge("process_up", "Whether a process of the box runs.", truth(service.PID != 0), "process", service.Name)
		s.counter("process_restarts_total", "How often a process was started again.", float64(service.Restarts), "process", service.Name)
		s.gauge("process_resident_memory_bytes", "Memory of a process.", float64(service.MemoryKB)*kilo, "process", service.Name)
		if spent, err := processorSeconds(service.PID); err == nil {
			s.counter("process_cpu_seconds_total", "Processor time of a process.", spent, "process", service.Name)
		}
	}
}

// processorSeconds is the processor time that a process has taken.
func processorSeconds(pid int) (float64, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := process.Stat()
	return stat.CPUTime(), err
}
