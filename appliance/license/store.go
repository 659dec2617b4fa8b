package license

import (
	"fmt"

	"causeway/appliance/storage"
)

// newStore keeps the facts. That an image of the disk from last month is whole is
// found out by the sequence number at the server.
func newStore(o Options) storage.Pair[facts] {
	return storage.Pair[facts]{
		Name: "the licence state", Files: [2]string{o.File, o.Copy}, Key: o.Key, Write: o.write,
		Number: func(f facts) uint64 { return f.Number },
		Check: func(f facts) error {
			if f.State < 0 || int(f.State) >= len(table) { // of a later firmware
				return fmt.Errorf("state %d", f.State)
			}
			return nil
		},
	}
}
