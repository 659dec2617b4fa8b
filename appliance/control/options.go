package control

import (
	"flag"
	"log/slog"

	"golang.org/x/sys/unix"

	"causeway/appliance/bundle"
	"causeway/appliance/certificates/tpm"
	"causeway/appliance/config"
	"causeway/appliance/exec"
	"causeway/appliance/link"
	"causeway/appliance/model"
	"causeway/appliance/network"
	"causeway/appliance/network/firewall"
	"causeway/appliance/resolver"
)

// Options are what the process is started with.
type Options struct {
	Run           string // directory of the sockets
	Volumes       string // directory that bootflash, harddisk and usb0 are mounted in
	ConfigDir     string // directory of the revisions and the alarms
	LicenseDir    string // directory of the licence state
	COMDir        string // directory of what the link remembers
	CallHomeDir   string // directory of what waits for the vendor
	COMRoot       string // file of the authority that the image knows COM by
	LicenseRoot   string // file of the image with authorities of the licence server, if it has one
	KeyDir        string // directory of the box key
	Certificates  string // directory of keys and certificates
	MachineConfig string // file of the configuration handed in by the machine
	Build         string // file of the image's model.BuildInfo
	ReleaseKeys   string // file of the image with the keys that bundles are signed with
	TPM           string // device of the TPM's resource manager
	Grammar       *config.Grammar
	Words         config.Words   // of consoles: help of the keywords that EXEC commands share
	Commands      []exec.Command // of consoles
	BuiltIn       string         // the configuration of a new box
	Log           *slog.Logger
	Debug         link.Methods // switches the debug lines of Log

	Resolver resolver.Options // zero: the box's own DNS at the ports 53

	Kernel network.Kernel                           // nil: the one of this machine
	Tables firewall.Kernel                          // nil: those of this machine
	Adjust func(*unix.Timex) (state int, err error) // nil: the clock of this machine
	Grants GrantSource                              // nil: the licence
}

// Flags declares the options on a flag set, with the box's own values as
// defaults.
func (o *Options) Flags(set *flag.FlagSet) {
	set.StringVar(&o.Run, "run", link.RunDir, "`directory` of the sockets")
	set.StringVar(&o.Volumes, "volumes", "/", "`directory` that the volumes are mounted in")
	set.StringVar(&o.ConfigDir, "config-dir", "/bootflash/control", "`directory` of the saved configuration")
	set.StringVar(&o.LicenseDir, "license-dir", "/bootflash/license", "`directory` of the licence state")
	set.StringVar(&o.COMDir, "com-dir", "/bootflash/com", "`directory` of what the link to the remote management remembers")
	set.StringVar(&o.CallHomeDir, "callhome-dir", "/bootflash/callhome", "`directory` of what waits for the vendor")
	set.StringVar(&o.COMRoot, "com-root", "/etc/causeway/com-root.pem", "`file` of the authority that the image knows the remote management by")
	set.StringVar(&o.LicenseRoot, "license-root", "/etc/causeway/license-root.pem", "`file` of the image with authorities of the licence server")
	set.StringVar(&o.KeyDir, "key-dir", "/bootflash/keys", "`directory` of the box key")
	set.StringVar(&o.Certificates, "certificates", model.CertificateDir, "`directory` of keys and certificates")
	set.StringVar(&o.MachineConfig, "machine-config", "/run/init/startup-config", "`file` of the configuration handed in by the machine")
	set.StringVar(&o.TPM, "tpm", tpm.Device, "`device` of the TPM's resource manager")
	set.StringVar(&o.ReleaseKeys, "release-keys", bundle.KeysFile, "`file` of the image with the keys that firmware is signed with")
	set.StringVar(&o.Build, "build", "/etc/causeway/build.json", "`file` that says when the image was built")
}
