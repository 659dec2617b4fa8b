package files

import (
	"fmt"
	"io/fs"
	"strings"

	"causeway/appliance/model"
	"causeway/appliance/storage"
)

// refusal says what an operator may not do with a file. It is an
// fs.ErrPermission.
type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == fs.ErrPermission }

func refuse(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// owned are the directories of the box itself. An operator may list them and
// read what is in them, unless it is secret; nothing in them is made, replaced
// or deleted on an operator's word, because the process that owns it does not
// expect that. What has to go goes by the command for it: write erase, format.
var owned = []storage.Path{
	{Volume: storage.Bootflash, Name: "init"},
	{Volume: storage.Bootflash, Name: "control"},
	{Volume: storage.Bootflash, Name: "proxy"},
	{Volume: storage.Bootflash, Name: "billing"},
	{Volume: storage.Bootflash, Name: "console"},
	{Volume: storage.Bootflash, Name: "keys"},
	{Volume: storage.Bootflash, Name: "certificates"},
	{Volume: storage.Bootflash, Name: "license"},
	{Volume: storage.Bootflash, Name: "com"},
	{Volume: storage.Bootflash, Name: "callhome"},
	{Volume: storage.Bootflash, Name: "lost+found"},
	{Volume: storage.Harddisk, Name: "billcache"},
	{Volume: storage.Harddisk, Name: "crash"},
	{Volume: storage.Harddisk, Name: "init"},
	{Volume: storage.Harddisk, Name: "log"},
	{Volume: storage.Harddisk, Name: "reports"},
	{Volume: storage.Harddisk, Name: "lost+found"},
}

// secrets are how the paths begin of files that hold keys, what cuts left of
// them included. Among the names that failed to log in may be passwords, typed in
// the wrong place. A configuration is no secret: its own are in it as hashes or
// under the box key.
var secrets = []string{
	"bootflash:/proxy/",
	"bootflash:/keys/",
	"bootflash:/control/logins",
	"bootflash:/control/license-state",
	"bootflash:/control/subscription-state",
	"bootflash:/certificates/",
	"bootflash:/license/",
	"bootflash:/com/",
}

// Revisions is where the configurations are that were saved, and
// ShowConfiguration the command whose right it takes to read there. Sessions see
// to that: they know who asks (MayRead).
var Revisions = storage.Path{Volume: storage.Bootflash, Name: "control/revisions"}

const ShowConfiguration = "show running-config"

// MayRead says whether somebody may list and read what p names, over SFTP and on
// the pages. What nobody may read is refused when it is opened.
func MayRead(r model.Rights, p storage.Path) bool {
	return (r.FilesRead || r.FilesWrite) && (!p.Within(Revisions) || r.May(model.RuleExec, ShowConfiguration))
}

// mayChange says why an operator may not make, replace or delete p.
func mayChange(p storage.Path) error {
	if p.IsVolume() {
		return refuse("%v is a whole volume", p)
	}
	for _, dir := range owned {
		if p.Within(dir) {
			return refuse("%v belongs to the box itself and is not changed by hand", dir)
		}
	}
	return nil
}

// mayRead says why an operator may not read the file p.
func mayRead(p storage.Path) error {
	for _, secret := range secrets {
		if strings.HasPrefix(p.String(), secret) {
			return refuse("%v holds a secret, which does not leave the box", p)
		}
	}
	return nil
}
