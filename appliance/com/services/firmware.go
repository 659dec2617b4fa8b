package services

import (
	"cmp"
	"context"
	"io"
	"regexp"
	"strings"
	"time"

	"causeway/appliance/bundle"
	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// Firmware is what COM may do with the firmware of the box: have a bundle fetched
// from the file store, put on trial and confirmed. What comes of it is up to those
// whom it asks.
type Firmware struct {
	Store *Store
	// Fetch begins to bring a bundle of that name, size and SHA-256, of which get
	// gives the octets from an offset on.
	Fetch func(p wire.FirmwareStage, by model.Operator, get func(ctx context.Context, offset int64) (io.ReadCloser, int64, error))
	// Drop ends that.
	Drop    func()
	Order   func(ctx context.Context, by model.Operator, p wire.FirmwareActivate) error
	Confirm func(ctx context.Context, by model.Operator) error
	Cancel  func(by model.Operator) error
	Status  func() wire.Firmware
}

// Methods are what COM may call.
func (f *Firmware) Methods() []gate.Method {
	return []gate.Method{
		{
			Name: wire.MethodFirmwareStage, Service: model.COMFirmware, Signed: true, May: gate.MayExec("upgrade stage SOURCE"), Handle: taking(f.stage),
			Told: told(func(p wire.FirmwareStage) string { return p.Name + " " + p.SHA }), // and not its URL
		},
		{
			Name: wire.MethodFirmwareActivate, Service: model.COMFirmware, Signed: true, May: mayUpgrade, Handle: taking(f.activate),
			Told: told(func(p wire.FirmwareActivate) string { return strings.TrimSpace(p.When + " " + p.At) }),
		},
		{Name: wire.MethodFirmwareConfirm, Service: model.COMFirmware, Signed: true, May: gate.MayExec("upgrade confirm"), Handle: taking(f.confirm)},
		{Name: wire.MethodFirmwareCancel, Service: model.COMFirmware, Signed: true, May: gate.MayExec("upgrade cancel"), Handle: taking(f.cancel)},
		{Name: wire.MethodFirmwareStatus, Service: model.COMFirmware, May: gate.MayExec("show version"), Handle: taking(f.status)},
	}
}

// mayUpgrade: which command of upgrade it is says activate.
func mayUpgrade(r model.Rights) bool {
	return r.May(model.RuleExec, "upgrade") || r.Within(model.RuleExec, "upgrade", true)
}

// notNames are the ends of names of what is beside bundles.
var notNames = regexp.MustCompile(`\.(part|sha256)$`)

// stage begins to fetch a bundle.
func (f *Firmware) stage(_ context.Context, caller gate.Caller, p wire.FirmwareStage) (wire.Firmware, error) {
	if err := f.Store.check(p.URL); err != nil {
		return wire.Firmware{}, err
	}
	switch {
	case !fileName.MatchString(p.Name) || notNames.MatchString(p.Name):
		return wire.Firmware{}, gate.Refuse(wire.CodeParams, "%q is not the name of a bundle", p.Name)
	case p.Size < 1 || p.Size > bundle.Max:
		return wire.Firmware{}, gate.Refuse(wire.CodeParams, "a bundle has 1 to %d octets", bundle.Max)
	case !bundle.IsSHA256(p.SHA):
		return wire.Firmware{}, gate.Refuse(wire.CodeParams, "the SHA-256 is 64 characters of hexadecimal")
	}
	f.Fetch(p, caller.Operator, func(ctx context.Context, offset int64) (io.ReadCloser, int64, error) {
		return f.Store.Get(ctx, p.URL, offset)
	})
	return f.Status(), nil
}

// Apply takes the configuration in force. A bundle that is under way is left where
// it is when the service is switched off.
func (f *Firmware) Apply(c *model.Config) {
	if !c.COM.Serves(model.COMFirmware) {
		f.Drop()
	}
}

// command is the one that does the same at a console: the right to it counts.
func command(p wire.FirmwareActivate) string {
	word := "activate"
	if p.Rollback {
		word = "rollback"
	}
	return "upgrade " + word + " " + cmp.Or(p.When, "now")
}

func (f *Firmware) activate(ctx context.Context, caller gate.Caller, p wire.FirmwareActivate) (wire.Firmware, error) {
	if err := notAllowed(config.PermitsCommand(caller.Login.Rights, command(p))); err != nil {
		return wire.Firmware{}, err
	}
	if most := int(model.LongestTrial / time.Second); p.ConfirmSeconds < 0 || p.ConfirmSeconds > most {
		return wire.Firmware{}, gate.Refuse(wire.CodeParams, "a trial waits 1 to %d seconds for its confirmation, not %d", most, p.ConfirmSeconds)
	}
	if err := f.Order(ctx, caller.Operator, p); err != nil {
		return wire.Firmware{}, gate.Refuse(wire.CodeConflict, "%v", err)
	}
	return f.Status(), nil
}

func (f *Firmware) confirm(ctx context.Context, caller gate.Caller, _ struct{}) (wire.Firmware, error) {
	if err := f.Confirm(ctx, caller.Operator); err != nil {
		return wire.Firmware{}, gate.Refuse(wire.CodeConflict, "%v", err)
	}
	return f.Status(), nil
}

func (f *Firmware) cancel(_ context.Context, caller gate.Caller, _ struct{}) (wire.Firmware, error) {
	if err := f.Cancel(caller.Operator); err != nil {
		return wire.Firmware{}, gate.Refuse(wire.CodeConflict, "%v", err)
	}
	return f.Status(), nil
}

func (f *Firmware) status(context.Context, gate.Caller, struct{}) (wire.Firmware, error) {
	return f.Status(), nil
}
