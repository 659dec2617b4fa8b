package callhomed

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Over is how a message comes.
type Over string

// The ways.
const (
	OverHTTPS Over = "https"
	OverMail  Over = "mail"
)

// FaultKind is what goes wrong.
type FaultKind string

// The faults.
const (
	// Of the connection.
	Down FaultKind = "down" // it ends before anything is said
	// Of the TLS handshake: the certificate that is shown, and the version.
	WrongAuthority FaultKind = "wrong-authority" // by another authority
	WrongName      FaultKind = "wrong-name"      // for another name
	Outdated       FaultKind = "outdated"        // its time is over
	OldTLS         FaultKind = "old-tls"         // TLS 1.1 at most
	// Of the message.
	Refuse     FaultKind = "refuse"      // it is not taken: Status and RetryAfter
	Silence    FaultKind = "silence"     // it is not taken, and no answer comes
	HangUp     FaultKind = "hang-up"     // it is not taken, and the connection ends
	LostAnswer FaultKind = "lost-answer" // it is taken, and the connection ends
	Slow       FaultKind = "slow"        // it is taken, and the answer comes after Seconds
)

// Fault befalls what comes.
type Fault struct {
	Kind       FaultKind `json:"kind"`
	On         Over      `json:"on,omitempty"`          // empty: both
	Times      int       `json:"times,omitempty"`       // how often; 0: always until the fault is taken away
	Status     int       `json:"status,omitempty"`      // of HTTP or SMTP, 400–599; 0: 503, or 451
	RetryAfter int       `json:"retry_after,omitempty"` // seconds, of HTTP; 0: the box is not told
	Seconds    int       `json:"seconds,omitempty"`
}

// place is where a fault strikes.
type place int

const (
	atDoor place = iota
	inHandshake
	inMessage
)

// faultKinds are all of them, with their places.
var faultKinds = map[FaultKind]place{
	Down:           atDoor,
	WrongAuthority: inHandshake, WrongName: inHandshake, Outdated: inHandshake, OldTLS: inHandshake,
	Refuse: inMessage, Silence: inMessage, HangUp: inMessage, LostAnswer: inMessage, Slow: inMessage,
}

// check checks that the fault can be.
func (f Fault) check() error {
	if _, known := faultKinds[f.Kind]; !known {
		return fmt.Errorf("there is no fault %q", f.Kind)
	}
	if f.On != "" && f.On != OverHTTPS && f.On != OverMail {
		return fmt.Errorf("fault on %q: want %s or %s", f.On, OverHTTPS, OverMail)
	}
	if f.Times < 0 || f.RetryAfter < 0 || f.Seconds < 0 || f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return errors.New("want times, retry_after and seconds of 0 or more, and a status of 400 to 599")
	}
	return nil
}

// SetFaults replaces all faults. Of those that fit the first strikes.
func (s *Server) SetFaults(faults ...Fault) error {
	return s.faults.Set(faults, Fault.check)
}

// Faults are those that are left.
func (s *Server) Faults() []Fault { return s.faults.All() }

// strike is the fault that strikes there; its kind is empty if there is none.
func (s *Server) strike(where place, over Over) Fault {
	f := s.faults.Strike(func(f Fault) bool {
		return faultKinds[f.Kind] == where && cmp.Or(f.On, over) == over
	}, func(f *Fault) *int { return &f.Times })
	if f == nil {
		return Fault{}
	}
	return *f
}

// door is a listener whose connections faults may end at once.
type door struct {
	net.Listener
	server *Server
	over   Over
}

func (s *Server) door(over Over, l net.Listener) net.Listener { return door{l, s, over} }

// Accept implements net.Listener.
func (d door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil || d.server.strike(atDoor, d.over).Kind == "" {
			return conn, err
		}
		d.server.log(Arrival{Over: d.over, From: conn.RemoteAddr().String(), Result: notTaken, Fault: Down})
		conn.Close()
	}
}

// tls is how the server shows itself. Clients need no certificate; whose they show
// is kept with what they send.
func (s *Server) tls(over Over) *tls.Config {
	right := &tls.Config{Certificates: []tls.Certificate{s.certificate}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	config := right.Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		f := s.strike(inHandshake, over)
		if f.Kind == "" {
			return right, nil
		}
		s.log(Arrival{Over: over, From: hello.Conn.RemoteAddr().String(), Result: notTaken, Fault: f.Kind})
		wrong := right.Clone()
		if f.Kind == OldTLS {
			wrong.MinVersion, wrong.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		} else {
			wrong.Certificates = []tls.Certificate{s.wrong[f.Kind]}
		}
		return wrong, nil
	}
	return config
}

// delay waits for as long as a slow server takes.
func (f Fault) delay(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(f.Seconds) * time.Second):
	}
}

// status is what a refusal says.
func (f Fault) status(over Over) int {
	if over == OverMail {
		return cmp.Or(f.Status, 451)
	}
	return cmp.Or(f.Status, http.StatusServiceUnavailable)
}
