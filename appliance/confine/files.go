package confine

import (
	"fmt"
	"path/filepath"

	"github.com/landlock-lsm/go-landlock/landlock"
	abi "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// What may be done below a directory. Programs are run nowhere, and devices,
// pipes and symbolic links are made nowhere.
const (
	reading = abi.AccessFSReadFile | abi.AccessFSReadDir
	using   = reading | abi.AccessFSWriteFile // of what is there
	writing = using | abi.AccessFSMakeReg | abi.AccessFSMakeDir | abi.AccessFSMakeSock |
		abi.AccessFSRemoveFile | abi.AccessFSRemoveDir | abi.AccessFSRefer
)

// restrictFiles leaves the process the files of its rows. Landlock as Debian's
// Linux 6.1 has it (ABI 2) is asked for and no more: it does not know truncating
// (a file that owner and mode let a process write to may be cut), the modes and
// owners of files, sockets and signals. What is not there has no rule.
func (n needs) restrictFiles(root string) error {
	var rules []landlock.Rule
	add := func(access landlock.AccessFSSet, root string, paths []string) {
		for _, path := range paths {
			rules = append(rules, landlock.PathAccess(access, filepath.Join(root, path)).IgnoreIfMissing())
		}
	}
	add(reading, root, n.read)
	add(writing, root, n.write)
	add(reading, "/", n.readSystem)
	add(using, "/", n.useSystem)
	add(using&^abi.AccessFSReadDir, "/", n.useFiles)
	if err := landlock.V2.RestrictPaths(rules...); err != nil {
		return fmt.Errorf("files (Landlock): %w", err)
	}
	return nil
}
