package confine

import "golang.org/x/sys/unix"

// architecture is how the kernel tells a filter whose call it is.
const architecture = unix.AUDIT_ARCH_X86_64

// processorCalls are older forms of calls, which only this processor has and
// some libraries make.
var processorCalls = []uintptr{
	unix.SYS_NEWFSTATAT, unix.SYS_DUP2, unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_EPOLL_WAIT, unix.SYS_ARCH_PRCTL, unix.SYS_TIME,
	unix.SYS_CHOWN, unix.SYS_LCHOWN,
}
