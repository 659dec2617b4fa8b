// Package metrics serves what the box counts to Prometheus: the text
// exposition format over HTTP, at /metrics of each address of the box, when
// "metrics on" says so.
//
// In come the configuration (Apply) and, at each scrape, what the processes
// answer when they are asked for their status: the call path knows nothing of
// metrics. Out go one text, to scrapers and to "show metrics". A process that
// does not answer leaves its metrics out and is shown to be down.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/net/netutil"

	"causeway/appliance/link"
	"causeway/appliance/model"
)

// What scrapers may take of control.
const (
	scrapeLimit      = 10 * time.Second // of one scrape
	scrapesAtOnce    = 2
	connectionsMost  = 16
	headerLimit      = 5 * time.Second
	idleLimit        = 2 * time.Minute
	headerOctetsMost = 8 << 10
	listenRetry      = 5 * time.Second
)

// Options are what Metrics is made of.
type Options struct {
	Sources Sources
	Version string // of the image
	Host    string // address to listen at; empty: all
	Log     *slog.Logger
}

// Metrics serves as the configuration last applied says. Make it with New.
type Metrics struct {
	options  Options
	registry *prometheus.Registry
	kick     chan struct{} // holds one; the configuration has changed

	mu      sync.Mutex
	config  model.Metrics
	problem string // why it is not served; empty: it is, or shall not be
}

// New makes metrics that are not served until Run runs and a configuration
// asks for it.
func New(o Options) *Metrics {
	m := &Metrics{options: o, registry: prometheus.NewRegistry(), kick: make(chan struct{}, 1)}
	m.registry.MustRegister(&collector{sources: o.Sources, version: o.Version})
	return m
}

// Apply makes a configuration the desired state. Run brings it about.
func (m *Metrics) Apply(c *model.Config) {
	m.mu.Lock()
	m.config = c.Metrics
	m.mu.Unlock()
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// Run serves until ctx ends.
func (m *Metrics) Run(ctx context.Context) error {
	serving, stop := 0, func() {} // the port that is served
	defer func() { stop() }()
	for {
		var retry <-chan time.Time
		if wanted := m.wanted(); wanted != serving {
			stop()
			serving, stop = 0, func() {}
			var err error
			if wanted != 0 {
				if stop, err = m.serve(wanted); err == nil {
					serving = wanted
				} else {
					retry = time.After(listenRetry)
				}
			}
			m.report(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.kick:
		case <-retry:
		}
	}
}

// wanted is the port to serve; 0: none.
func (m *Metrics) wanted() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.config.On {
		return 0
	}
	return int(m.config.TCPPort())
}

// report notes why the port cannot be served, if it cannot.
func (m *Metrics) report(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.problem
	m.problem = ""
	if err != nil {
		m.problem = err.Error()
	}
	if err != nil && m.problem != before {
		m.options.Log.Warn("metrics are not served, it is tried again", "error", err)
	}
}

// serve serves a port; stop ends it and waits until it is free.
func (m *Metrics) serve(port int) (stop func(), err error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(m.options.Host, strconv.Itoa(port)))
	if err != nil {
		return func() {}, fmt.Errorf("serve metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Page())
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: headerLimit,
		WriteTimeout:      headerLimit + scrapeLimit,
		IdleTimeout:       idleLimit,
		MaxHeaderBytes:    headerOctetsMost,
		ErrorLog:          slog.NewLogLogger(m.options.Log.Handler(), slog.LevelDebug), // who misbehaves fills no log
	}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(netutil.LimitListener(listener, connectionsMost)) }) // until it is closed
	return func() {
		server.Close()
		serving.Wait()
	}, nil
}

// Page is what scrapers get, a few at the same time.
func (m *Metrics) Page() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		DisableCompression: true, MaxRequestsInFlight: scrapesAtOnce, Timeout: scrapeLimit,
		ErrorHandling: promhttp.ContinueOnError, // one wrong metric takes no others along
	})
}

// Text is the answer of control.metrics.
type Text struct {
	Text    string `json:"text"`
	Problem string `json:"problem"` // why scrapers do not get it; empty: they do, or shall not
}

// Methods are what control serves of the metrics, to any process of the box.
func (m *Metrics) Methods() link.Methods {
	return link.Methods{"control.metrics": func(context.Context) (Text, error) { return m.text() }}
}

// text is what a scraper gets.
func (m *Metrics) text() (Text, error) {
	families, err := m.registry.Gather()
	if err != nil && len(families) == 0 {
		return Text{}, fmt.Errorf("collect metrics: %w", err)
	}
	var b strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&b, family); err != nil {
			return Text{}, fmt.Errorf("print metrics: %w", err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return Text{b.String(), m.problem}, nil
}
