package lab

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Connector is an HTTP proxy in a lab: it takes CONNECT (RFC 9110 §9.3.6), for
// one host.
type Connector struct {
	where *Namespace
	host  string
	at    netip.Addr // where that host is
	http  *http.Server
	done  chan struct{}

	mu    sync.Mutex
	asked []string
}

// Connector starts one in the namespace, that leads to ports of a host by its name.
func (n *Namespace) Connector(listen netip.AddrPort, host string, at netip.Addr) (*Connector, error) {
	c := &Connector{where: n, host: host, at: at, done: make(chan struct{})}
	c.http = &http.Server{Handler: c, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	var listener net.Listener
	err := n.Do(func() (err error) {
		listener, err = net.Listen("tcp", listen.String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("start an HTTP proxy: %w", err)
	}
	go func() {
		defer close(c.done)
		c.http.Serve(listener)
	}()
	return c, nil
}

// Asked are the requests that came, as they came.
func (c *Connector) Asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// Close has it take no more; connections that lead through it end with their ends.
func (c *Connector) Close() error {
	err := c.http.Close()
	<-c.done
	return err
}

// ServeHTTP implements http.Handler.
func (c *Connector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, _ := httputil.DumpRequest(r, true)
	c.mu.Lock()
	c.asked = append(c.asked, string(request))
	c.mu.Unlock()
	host, port, err := net.SplitHostPort(r.Host)
	if r.Method != http.MethodConnect || err != nil || host != c.host {
		http.Error(w, "this proxy leads to "+c.host, http.StatusForbidden)
		return
	}
	var there net.Conn
	err = c.where.Do(func() (err error) {
		there, err = net.DialTimeout("tcp", net.JoinHostPort(c.at.String(), port), 10*time.Second)
		return err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		io.Copy(there, buffered)
		there.Close()
	}()
	io.Copy(here, there)
	here.Close()
	<-ended
}
