package services

import (
	"context"
	"fmt"
	"regexp"

	"causeway/appliance/com/gate"
	"causeway/appliance/com/wire"
	"causeway/appliance/config"
	"causeway/appliance/model"
)

// Backup makes backups, and brings one into the candidate, as the console does.
type Backup struct {
	// Make makes one where the schedule has them, and says where that is.
	Make func(ctx context.Context, by model.Operator) (file string, octets int, err error)
	// Take gives the candidate to the caller (Config.Take), who commits it.
	Take func(context.Context, gate.Caller) error
	// Restore makes one of that directory the candidate. With faults nothing is
	// changed.
	Restore func(ctx context.Context, by model.Operator, name, passphrase string) (lines int, faults []string, err error)
}

// Methods are what COM may call.
func (b Backup) Methods() []gate.Method {
	return []gate.Method{
		{Name: wire.MethodBackupRun, Service: model.COMBackup, Signed: true, May: gate.MayExec("backup now"), Handle: taking(b.run)},
		{
			Name: wire.MethodBackupRestore, Service: model.COMBackup, Signed: true, May: mayRestore, Handle: taking(b.restore),
			Told: told(func(p wire.BackupRestore) string { return p.Name }), // and not its passphrase
		},
	}
}

// mayRestore: what a backup brings may change anything.
func mayRestore(r model.Rights) bool {
	return r.May(model.RuleExec, "backup restore") && config.PermitsAll(r) == nil
}

func (b Backup) run(ctx context.Context, caller gate.Caller, _ wire.BackupRun) (wire.Text, error) {
	file, octets, err := b.Make(ctx, caller.Operator)
	if err != nil {
		return wire.Text{}, err
	}
	return wire.Text{Text: fmt.Sprintf("%s, %d octets", file, octets)}, nil
}

// fileName is one name, not a path.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

func (b Backup) restore(ctx context.Context, caller gate.Caller, p wire.BackupRestore) (wire.Text, error) {
	if !fileName.MatchString(p.Name) {
		return wire.Text{}, gate.Refuse(wire.CodeParams, "%q is not the name of a file", p.Name)
	}
	if p.Passphrase == "" {
		return wire.Text{}, gate.Refuse(wire.CodeParams, "a backup is opened with its passphrase, or a private key")
	}
	if err := b.Take(ctx, caller); err != nil {
		return wire.Text{}, err
	}
	lines, faults, err := b.Restore(ctx, caller.Operator, p.Name, p.Passphrase)
	switch {
	case err != nil:
		return wire.Text{}, err
	case len(faults) > 0:
		return wire.Text{}, fmt.Errorf("nothing is changed: %s, and %d more faults", faults[0], len(faults)-1)
	}
	return wire.Text{Text: fmt.Sprintf("%d lines of %s are in the candidate: a commit puts them in force", lines, p.Name)}, nil
}
