package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/storage/files"
	"causeway/appliance/storage/remote"
)

// ExecCommands declares what an operator does with backups.
func ExecCommands() []exec.Command {
	place := func(name, help string) []config.Argument {
		return []config.Argument{{Name: name, Type: files.PlaceType{}, Help: help}}
	}
	return []exec.Command{
		{
			Syntax: "backup now [TO]", Level: exec.Privileged, Reconfigures: true, Run: backupNow,
			Args: place("TO", "A directory: usb0:/backup, sftp://user@192.0.2.1/backup/ (default where the schedule says, or harddisk:/backup)"),
			Help: "Save configuration and certificates, encrypted",
		},
		{
			Syntax: "backup restore FROM", Level: exec.Privileged, Reconfigures: true, Run: restore,
			Args: place("FROM", "The file of a backup, of this box or another"),
			Help: "Bring a backup into the candidate; nothing is committed",
		},
		{Syntax: "backup show", Level: exec.Privileged, Run: showBackup, Help: "Which backups there are, and when the next one is due"},
		{Syntax: "show backup", Run: showBackup, Help: "Which backups there are, and when the next one is due"},
	}
}

// ask calls a method of the service.
func ask(ctx context.Context, s exec.Session, method string, params, result any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.Call(ctx, "control", "control.backup."+method, params, result)
}

// loginAt asks the operator how to log in where the configuration does not say.
func loginAt(ctx context.Context, s exec.Session, text string) (login remote.Login, err error) {
	p, err := files.ParsePlace(text)
	if err != nil || !p.IsRemote() {
		return login, nil // control says what is wrong
	}
	var host Host
	if err := ask(ctx, s, "host", HostRequest{p}, &host); err != nil || host.Known {
		return login, err
	}
	return files.LoginAt(ctx, s, p)
}

func backupNow(ctx context.Context, s exec.Session, a config.Args) error {
	var status Status
	if err := ask(ctx, s, "status", struct{}{}, &status); err != nil {
		return err
	}
	request := NowRequest{Operator: s.Operator(), To: files.PlaceOf(a, "TO").String()}
	var err error
	if request.Login, err = loginAt(ctx, s, request.To); err != nil {
		return err
	}
	if !status.Passphrase && status.Recipients == 0 {
		if request.Passphrase, err = newPassphrase(s); err != nil {
			return err
		}
	}
	var made Made
	if err := ask(ctx, s, "now", request, &made); err != nil {
		return err
	}
	fmt.Fprintf(s, "Backup of %d octets made:\n  %s\n", made.Size, made.file())
	return nil
}

// newPassphrase asks for a passphrase, twice.
func newPassphrase(s exec.Session) (string, error) {
	fmt.Fprintf(s, "Without the passphrase nobody opens the backup. It has at least %d characters.\n", passphraseMin)
	passphrase, err := s.Secret("Passphrase: ")
	if err != nil {
		return "", err
	}
	if len(passphrase) < passphraseMin {
		return "", fmt.Errorf("it has %d characters; no backup is made", len(passphrase))
	}
	again, err := s.Secret("Passphrase again: ")
	if err == nil && again != passphrase {
		err = errors.New("they are not the same; no backup is made")
	}
	return passphrase, err
}

func restore(ctx context.Context, s exec.Session, a config.Args) error {
	request := RestoreRequest{ReadRequest: ReadRequest{Operator: s.Operator(), From: files.PlaceOf(a, "FROM").String()}}
	var err error
	if request.Login, err = loginAt(ctx, s, request.From); err != nil {
		return err
	}
	var opened Opened
	if err := ask(ctx, s, "read", request.ReadRequest, &opened); err != nil {
		return err
	}
	if opened.Kind == ByPassphrase {
		request.Secret, err = s.Secret("Passphrase: ")
	} else {
		request.Secret, err = s.Paste("the private key (AGE-SECRET-KEY-1…, or one of SSH), which is not shown", true)
	}
	if err == nil && strings.TrimSpace(request.Secret) == "" {
		err = errors.New("nothing opens the backup; nothing is changed")
	}
	if err != nil {
		return err
	}
	if err := ask(ctx, s, "read", request.ReadRequest, &opened); err != nil {
		return err
	}
	printManifest(s, opened.Manifest)
	if err := s.Confirm("Put its configuration in the place of the candidate?"); err != nil {
		return err
	}
	request.SHA256 = opened.SHA256
	if len(opened.Manifest.Files) > 1 {
		err := s.Confirm("Put its certificates in force at once?")
		if err != nil && !errors.Is(err, exec.ErrDeclined) {
			return err
		}
		request.Certificates = err == nil
	}
	var restored Restored
	if err := ask(ctx, s, "restore", request, &restored); err != nil {
		return err
	}
	return printRestored(s, restored)
}

// printManifest tells what a backup holds. Another box may have written it.
func printManifest(s exec.Session, m *Manifest) {
	exec.Field(s, "Box", fmt.Sprintf("%s (%s)", m.Serial, cmp.Or(m.HostName, "without a name")))
	exec.Field(s, "Made", exec.Time(s, m.Time, time.RFC1123Z))
	exec.Field(s, "Firmware", m.Version+", board "+m.Board)
	exec.Field(s, "Revision", m.Revision)
	for _, f := range m.Files {
		exec.Field(s, "Holds", fmt.Sprintf("%s (%d octets)", f.Name, f.Size))
	}
	for _, why := range m.LeftOut {
		exec.Field(s, "Not in it", why)
	}
}

func printRestored(s exec.Session, r Restored) error {
	for _, f := range r.Faults {
		fmt.Fprintf(s, "%% line %d, character %d: %s\n", f.Line, f.Column, f.Rule)
	}
	if len(r.Faults) > 0 {
		return errors.New("this firmware does not take the configuration; nothing is changed")
	}
	for _, c := range r.Certificates {
		exec.Field(s, c.Name, cmp.Or(c.Problem, "in force"))
	}
	fmt.Fprintf(s, "%d lines are in the candidate, and nothing is committed. Go on with\nconfigure terminal, show configuration diff, commit or abort.\n", r.Lines)
	return nil
}

func showBackup(ctx context.Context, s exec.Session, _ config.Args) error {
	var status Status
	if err := ask(ctx, s, "status", struct{}{}, &status); err != nil {
		return err
	}
	opens := "nobody yet: backup now asks for a passphrase"
	switch {
	case status.Passphrase:
		opens = "the passphrase that is configured"
	case status.Recipients > 0:
		opens = fmt.Sprintf("%d private keys", status.Recipients)
	}
	exec.Field(s, "Opened by", opens)
	exec.Field(s, "Schedule", cmp.Or(status.Schedule, "none"))
	if !status.Next.IsZero() {
		exec.Field(s, "Next", exec.Time(s, status.Next, time.RFC1123Z))
	}
	if !status.Failure.Time.IsZero() {
		exec.Field(s, "Failed", exec.Time(s, status.Failure.Time, time.RFC1123Z))
		exec.Field(s, "  Why", status.Failure.Why)
	}
	if len(status.Made) == 0 {
		fmt.Fprintln(s, "This box knows of no backup.")
		return nil
	}
	const row = "%-25s %9s  %s\n"
	fmt.Fprintf(s, row, "Made", "Octets", "By")
	for _, m := range status.Made {
		fmt.Fprintf(s, row, exec.Time(s, m.Time, "2006-01-02 15:04:05 -0700"), fmt.Sprint(m.Size), m.By)
		fmt.Fprintf(s, "  %s\n", m.file())
	}
	return nil
}
