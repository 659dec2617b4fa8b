package confine

import "golang.org/x/sys/unix"

// architecture is how the kernel tells a filter whose call it is.
const architecture = unix.AUDIT_ARCH_AARCH64

// processorCalls are what only this processor calls so.
var processorCalls = []uintptr{unix.SYS_NEWFSTATAT}
