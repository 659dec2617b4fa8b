package lab

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"

	"causeway/qemu/lab/licensed"
)

// Licensed is a licence server in a lab, in this process. Tests drive it by the
// methods of licensed.Server, before and while boxes use it.
type Licensed struct {
	*licensed.Server
	URL string // for `license smart url`

	where *Namespace
	at    netip.AddrPort
	http  *http.Server // nil: stopped
	done  chan struct{}
}

// Licensed starts a new licence server in the namespace. The names stand in its
// certificate, with the address; the first one, if there is any, in the URL.
func (n *Namespace) Licensed(at netip.AddrPort, names ...string) (*Licensed, error) {
	names = append(names, at.Addr().String())
	server, err := licensed.New(licensed.Options{Names: names})
	if err != nil {
		return nil, err
	}
	l := &Licensed{
		Server: server,
		URL:    "https://" + at.String(),
		where:  n,
		at:     at,
	}
	if len(names) > 1 {
		l.URL = fmt.Sprintf("https://%s:%d", names[0], at.Port())
	}
	return l, l.Start()
}

// Start has it answer again after Stop, as if it had never been away.
func (l *Licensed) Start() error {
	var listener net.Listener
	err := l.where.Do(func() (err error) {
		listener, err = tls.Listen("tcp", l.at.String(), l.TLS())
		return err
	})
	if err != nil {
		return fmt.Errorf("start the licence server: %w", err)
	}
	// Boxes that break a handshake off are no news here.
	server, done := &http.Server{Handler: l.Handler(), ErrorLog: log.New(io.Discard, "", 0)}, make(chan struct{})
	l.http, l.done = server, done
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	return nil
}

// Stop ends all connections; new ones are refused.
func (l *Licensed) Stop() error {
	if l.http == nil {
		return errors.New("the licence server is stopped already")
	}
	err := l.http.Close()
	<-l.done
	l.http = nil
	return err
}
