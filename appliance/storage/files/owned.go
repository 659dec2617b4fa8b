package files

import (
	"fmt"

	"causeway/appliance/storage"
)

// owned are the directories of the box itself. An operator may list them and
// read what is in them, unless it is secret; nothing in them is made, replaced
// or deleted on an operator's word, because the process that owns it does not
// expect that. What has to go goes by the command for it: write erase, format.
var owned = []struct {
	dir    storage.Path
	secret bool // keys, and what proves who the box is
}{
	{storage.Path{Volume: storage.Bootflash, Name: "init"}, false},
	{storage.Path{Volume: storage.Bootflash, Name: "control"}, false}, // a configuration holds no secret in the clear
	{storage.Path{Volume: storage.Bootflash, Name: "billing"}, false},
	{storage.Path{Volume: storage.Bootflash, Name: "console"}, false},
	{storage.Path{Volume: storage.Bootflash, Name: "proxy"}, true},
	{storage.Path{Volume: storage.Bootflash, Name: "keys"}, true},
	{storage.Path{Volume: storage.Bootflash, Name: "license"}, true},
	{storage.Path{Volume: storage.Bootflash, Name: "lost+found"}, false},
	{storage.Path{Volume: storage.Harddisk, Name: "billcache"}, false},
	{storage.Path{Volume: storage.Harddisk, Name: "crash"}, false},
	{storage.Path{Volume: storage.Harddisk, Name: "log"}, false},
	{storage.Path{Volume: storage.Harddisk, Name: "reports"}, false},
	{storage.Path{Volume: storage.Harddisk, Name: "lost+found"}, false},
}

// mayChange says why an operator may not make, replace or delete p.
func mayChange(p storage.Path) error {
	if p.IsVolume() {
		return fmt.Errorf("%v is a whole volume", p)
	}
	for _, o := range owned {
		if p.Within(o.dir) {
			return fmt.Errorf("%v belongs to the box itself and is not changed by hand", o.dir)
		}
	}
	return nil
}

// mayRead says why an operator may not read the file p.
func mayRead(p storage.Path) error {
	for _, o := range owned {
		if o.secret && p.Within(o.dir) {
			return fmt.Errorf("%v holds keys, which do not leave the box", o.dir)
		}
	}
	return nil
}
