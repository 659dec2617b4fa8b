package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"causeway/appliance/com"
	"causeway/appliance/model"
	"causeway/qemu/lab/comd"
	"causeway/qemu/lab/comd/operator"
)

// COMName is what boxes of the lab know COM by: its name server has it on LAN1.
const COMName = "com.example.com"

// Managed is control of a box on this host, with a link to COM. COM and a name
// server are on LAN1; operators have COM's API on this host.
type Managed struct {
	*Lab
	COM      *COM
	Control  *Control
	Operator *operator.Client // with a key that the box heeds
	Serial   string
	URL      string // of the API

	close []func() error // in the order in which they were opened
}

// ManagedSetup says what box that is.
type ManagedSetup struct {
	Program string       // the appliance, built with the tag testclock
	Peers   *Peers       // for the name server
	Dir     string       // an empty folder; it will have what comctl needs: root.pem, token, operator.pem
	BuiltIn string       // configuration of a new box: grammar.BuiltIn()
	Config  string       // more lines of it
	Line    *Line        // in the place of the cable to LAN1; nil: the cable
	COM     comd.Options // for names, its own are added
}

// NewManaged starts it. The box does not trust COM yet: Trust has it dial.
func NewManaged(ctx context.Context, setup ManagedSetup) (m *Managed, err error) {
	m = &Managed{Serial: labSerial}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start a box with COM: %w", err), m.Close())
		}
	}()
	if m.Lab, err = New(); err != nil {
		return m, err
	}
	m.close = append(m.close, m.Lab.Close)
	home, err := m.home(setup.Line)
	if err != nil {
		return m, err
	}
	names := filepath.Join(setup.Dir, "named")
	if err := os.Mkdir(names, 0o700); err != nil {
		return m, err
	}
	named, err := m.LAN1.Named(ctx, setup.Peers, names, PeerLAN1)
	if err != nil {
		return m, err
	}
	m.close = append(m.close, func() error {
		named.Kill() // it may have ended with ctx
		return nil
	})
	setup.COM.Names = append(setup.COM.Names, COMName, "127.0.0.1")
	if m.COM, err = m.LAN1.COM(PeerLAN1, setup.COM); err != nil {
		return m, err
	}
	m.close = append(m.close, func() error { return m.COM.Stop(0) })
	key, err := m.operate(setup.Dir)
	if err != nil {
		return m, err
	}
	config := []string{"firewall off", strings.TrimSuffix(setup.BuiltIn, "\n"), "ip name-server " + PeerLAN1.String(),
		"com customer-id " + comd.FirstCustomer, "com server " + COMName, key, setup.Config}
	if m.Control, err = home.StartControl(setup.Program, strings.Join(config, "\n")); err != nil {
		return m, err
	}
	m.close = append(m.close, m.Control.Close)
	return m, m.begin(ctx)
}

// home is where the box lives.
func (m *Managed) home(line *Line) (*Namespace, error) {
	if line != nil {
		return m.BoxBehind(*line)
	}
	return m.Box()
}

// operate opens the API of COM, and makes an operator with a key, whose line of
// configuration it gives.
func (m *Managed) operate(dir string) (trust string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	m.URL = "https://" + listener.Addr().String()
	api := &http.Server{Handler: m.COM.API()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		api.Serve(tls.NewListener(listener, m.COM.APITLS()))
	}()
	m.close = append(m.close, func() error {
		defer func() { <-done }()
		return api.Close()
	})
	key, err := operator.NewKey("anna")
	if err != nil {
		return "", err
	}
	token, err := m.COM.NewToken("anna", "")
	if err != nil {
		return "", err
	}
	err = errors.Join(key.Save(filepath.Join(dir, "operator.pem")),
		os.WriteFile(filepath.Join(dir, "root.pem"), m.COM.Root(), 0o600), os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600))
	if err != nil {
		return "", err
	}
	if m.Operator, err = operator.NewClient(m.URL, token, m.COM.Root(), key); err != nil {
		return "", err
	}
	m.close = append(m.close, func() error {
		m.Operator.Close()
		return nil
	})
	return key.Trust()
}

// begin waits until control answers, and has it take its clock for right.
func (m *Managed) begin(ctx context.Context) error {
	if err := m.Control.Answers(ctx); err != nil {
		return err
	}
	return m.Control.Call(ctx, "clock.right", nil, nil)
}

// Trust has the box trust COM, and dial.
func (m *Managed) Trust(ctx context.Context) error {
	return errors.Join(m.Control.Trust(ctx, model.ForCOM, m.COM.Root()), m.Redial(ctx))
}

// Redial has the box drop its link, and dial at once.
func (m *Managed) Redial(ctx context.Context) error {
	return m.Control.Call(ctx, "com.redial", com.RedialRequest{Operator: Operator}, nil)
}

// Status is what the box says of its link.
func (m *Managed) Status(ctx context.Context) (status com.Status, err error) {
	err = m.Control.Call(ctx, "com.status", nil, &status)
	return status, err
}

// AwaitLink waits until the link is as wanted.
func (m *Managed) AwaitLink(ctx context.Context, wanted func(com.Status) bool) (status com.Status, err error) {
	err = m.Control.Await(ctx, func() error {
		if status, err = m.Status(ctx); err == nil && !wanted(status) {
			err = fmt.Errorf("the link is %+v", status)
		}
		return err
	})
	return status, err
}

// Restart kills control, and starts it on the same files.
func (m *Managed) Restart(ctx context.Context) error {
	m.Control.Kill()
	if err := m.Control.Start(); err != nil {
		return err
	}
	return m.begin(ctx)
}

// Close ends all of it.
func (m *Managed) Close() error {
	var errs []error
	for i := len(m.close) - 1; i >= 0; i-- {
		errs = append(errs, m.close[i]())
	}
	return errors.Join(errs...)
}
