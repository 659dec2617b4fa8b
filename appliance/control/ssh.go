package control

import (
	"cmp"
	"context"

	"causeway/appliance/access/sftp"
	"causeway/appliance/access/ssh"
	"causeway/appliance/console"
	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// buildSSH makes the server of consoles and files over SSH.
func (c *control) buildSSH() {
	files := sftp.New(sftp.Options{
		Files:   c.files,
		Running: func() string { return c.configuration.InForce().Text },
		CDR:     c.cdrDirectory,
		Audit:   c.access.Audit,
	})
	c.ssh = ssh.New(ssh.Options{
		HostKey: c.certificates.HostKey,
		Login:   c.access,
		Shell: func(ctx context.Context, t ssh.Terminal, login model.Login) error {
			return c.consoles.hold(ctx, console.Settings{In: t.In, Out: t.Out, Editing: t.PTY, Size: t.Size, Resize: t.Resize, Login: &login})
		},
		Files: files.Serve,
		Log:   c.log,
	})
}

// cdrDirectory is where CDR files are, as the configuration in force says.
func (c *control) cdrDirectory() storage.Path {
	path := model.DefaultCDRPath
	for _, method := range c.configuration.InForce().Config.SBC.Billing.XML {
		path = cmp.Or(method.Path, path)
	}
	directory, err := storage.ParsePath(path)
	if err != nil { // the grammar knows none such
		return storage.Path{Volume: storage.Harddisk, Name: "cdr"}
	}
	return directory
}
