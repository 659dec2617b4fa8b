// Package comd is a COM server good enough to run a lab with, or a small fleet:
// the other end of the link of the box (appliance/com). It is put together of a
// gateway, which has the links; a registry, which decides; a store; an API for
// operators; and a bus between them, so that each can be another process one
// day.
//
// It shares the messages and the framing of the link with the box and nothing
// else. It has no key of an operator: what operators sign (package operator)
// goes through as it is.
//
// Tests call the methods of Server; a person has comctl (docs/lab.md). Times are
// of its own clock, which can be set.
package comd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"causeway/appliance/com/wire"
	"causeway/qemu/lab/authority"
	"causeway/qemu/lab/comd/api"
	"causeway/qemu/lab/comd/bus"
	"causeway/qemu/lab/comd/gateway"
	"causeway/qemu/lab/comd/registry"
	"causeway/qemu/lab/comd/store"
)

// Options are what a server is made with.
type Options struct {
	Dir     string           // where its state is; empty: one that is gone with it
	Names   []string         // of its TLS certificate: host names and addresses
	Now     func() time.Time // nil: time.Now
	Licence *x509.CertPool   // the authority of a licence server whose boxes are known by its certificates; nil: none
	// Heartbeat that boxes are asked for; 0: 30 s.
	Heartbeat time.Duration
	Log       io.Writer // nil: nothing is logged
	Heard     func(serial string, beat wire.Heartbeat)
}

// What a new server has.
const (
	FirstPartner  = "LAB"
	FirstCustomer = "LAB-0001"
)

// Server is a COM server. Its methods may be called at any time.
type Server struct {
	*registry.Registry
	Gateway *gateway.Gateway
	Store   store.Store

	bus         bus.Bus
	base        func() time.Time
	offset      atomic.Int64 // of the clock, from base, a time.Duration
	authority   *authority.Authority
	certificate tls.Certificate
	log         *log.Logger
	temporary   string // directory to remove; empty: none
	stop        context.CancelFunc
	done        chan struct{}
}

// Settings in the store.
const (
	settingAuthority = "authority"
	settingOffset    = "clock-offset"
)

// New makes a server, or takes up the one whose state is in the directory.
func New(options Options) (s *Server, err error) {
	s = &Server{base: options.Now, bus: bus.NewLocal(), done: make(chan struct{})}
	if s.base == nil {
		s.base = time.Now
	}
	if options.Log == nil {
		options.Log = io.Discard
	}
	if options.Heartbeat == 0 {
		options.Heartbeat = 30 * time.Second
	}
	s.log = log.New(options.Log, "", log.LstdFlags|log.LUTC)
	dir := options.Dir
	if dir == "" {
		if s.temporary, err = os.MkdirTemp("", "comd-"); err != nil {
			return nil, err
		}
		dir = s.temporary
	}
	if err := s.start(options, filepath.Join(dir, "comd.db")); err != nil {
		if s.Store != nil {
			err = errors.Join(err, s.Store.Close())
		}
		return nil, errors.Join(fmt.Errorf("start the COM server: %w", err), s.clean())
	}
	return s, nil
}

// start puts the parts together.
func (s *Server) start(options Options, file string) error {
	bolt, err := store.OpenBolt(file)
	if err != nil {
		return err
	}
	s.Store = bolt
	if err := s.found(); err != nil {
		return err
	}
	if s.certificate, err = s.authority.LongServer(options.Names, s.base()); err != nil {
		return err
	}
	wrong := gateway.WrongCertificates{}
	wrong[gateway.WrongAuthority], wrong[gateway.WrongName], wrong[gateway.Outdated], err = s.authority.Wrong(options.Names, s.base())
	if err != nil {
		return err
	}
	if s.Registry, err = registry.New(registry.Options{Bus: s.bus, Store: s.Store, Authority: s.authority, Now: s.Now, Log: s.log}); err != nil {
		return err
	}
	s.Gateway = gateway.New(gateway.Options{
		Name: "1", Bus: s.bus, Certificate: s.certificate, COM: s.authority.Pool(), Licence: options.Licence,
		Now: s.Now, Heartbeat: options.Heartbeat, Wrong: wrong, Log: s.log, Heard: options.Heard,
	})
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		defer close(s.done)
		s.Gateway.Run(ctx)
	}()
	return nil
}

// found reads what a server keeps of itself; what a new one has is made.
func (s *Server) found() error {
	var offset int64
	if err := s.Store.Setting(settingOffset, &offset); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	s.offset.Store(offset)
	s.authority = &authority.Authority{}
	err := s.Store.Setting(settingAuthority, s.authority)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if s.authority, err = authority.New("Lab COM Root CA", s.base()); err != nil {
		return err
	}
	return errors.Join(
		s.Store.PutPartner(store.Partner{Name: FirstPartner}),
		s.Store.PutCustomer(store.Customer{ID: FirstCustomer, Partner: FirstPartner}),
		s.Store.PutSetting(settingAuthority, s.authority), // last: with it the server is there
	)
}

// Root is the certificate that boxes and operators have to trust, in PEM.
func (s *Server) Root() []byte { return s.authority.Root() }

// Now is the time of the server's clock.
func (s *Server) Now() time.Time { return s.base().Add(time.Duration(s.offset.Load())).UTC() }

// AdvanceClock sets the clock forward, or back if by is negative. Boxes that are
// connected are told to ask for their subscriptions.
func (s *Server) AdvanceClock(ctx context.Context, by time.Duration) error {
	if err := s.Store.PutSetting(settingOffset, s.offset.Add(int64(by))); err != nil {
		return err
	}
	boxes, err := s.Store.Boxes()
	for _, b := range boxes {
		if len(b.Subscriptions) > 0 {
			err = errors.Join(err, s.TellLicense(ctx, b.Serial))
		}
	}
	return err
}

// closing is how long boxes may take to be told that the server ends.
const closing = 5 * time.Second

// Close ends all links and the server. Boxes are asked to come back after a time
// by chance, up to spread.
func (s *Server) Close(spread time.Duration) error {
	s.stop()
	<-s.done
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	err := s.Gateway.Close(ctx, spread, "the server ends")
	s.Registry.Close()
	return errors.Join(err, s.Store.Close(), s.clean())
}

func (s *Server) clean() error {
	if s.temporary == "" {
		return nil
	}
	return os.RemoveAll(s.temporary)
}

// API answers operators.
func (s *Server) API() http.Handler {
	return api.New(api.Options{
		Bus: s.bus, Store: s.Store, Registry: s.Registry, Root: s.Root(), Now: s.Now,
		AdvanceClock: s.AdvanceClock, Faults: s.Gateway, Log: s.log,
	})
}

// NewToken makes a token for an operator of a partner; without one, for who runs COM.
func (s *Server) NewToken(name, partner string) (string, error) {
	return api.NewToken(s.Store, name, partner)
}

// APITLS is what a listener needs for operators.
func (s *Server) APITLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{s.certificate}, MinVersion: tls.VersionTLS12}
}
