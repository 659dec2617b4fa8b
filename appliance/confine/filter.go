package confine

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Where a filter finds the call in struct seccomp_data (seccomp(2)). Both of our
// processors are little-endian: the low half of an argument comes first.
const (
	numberAt       = 0
	architectureAt = 4
	argumentsAt    = 16
	argumentSize   = 8
)

// What a filter answers. ENOSYS is how kernels without a call answer, which all
// callers must live with.
const (
	allow  = unix.SECCOMP_RET_ALLOW
	refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	kill   = unix.SECCOMP_RET_KILL_PROCESS
)

// rule lets a call pass if each condition holds; another rule may do so too.
type rule struct {
	number uintptr
	when   []condition
}

// condition is one on an argument of a call, of which the low 32 bits count:
// all that we look at are ints.
type condition struct {
	argument int
	mask     uint32   // bits to look at
	values   []uint32 // that they may have
}

// program makes the filter of the rules. The kernel finds out by itself which
// calls a filter lets pass whatever their arguments, and does not run it for
// those, so the order does not matter.
func program(rules []rule) []bpf.Instruction {
	list := []bpf.Instruction{
		bpf.LoadAbsolute{Off: architectureAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: architecture, SkipTrue: 1},
		bpf.RetConstant{Val: kill}, // only who broke in makes calls of another architecture
	}
	for _, r := range rules {
		list = append(list, r.instructions()...)
	}
	return append(list, bpf.RetConstant{Val: refuse}) // also of x32, whose numbers are above all others
}

// instructions let the call pass or go on behind them. They are made from the
// end, because a jump says how many it skips.
func (r rule) instructions() []bpf.Instruction {
	list := []bpf.Instruction{bpf.RetConstant{Val: allow}}
	for _, c := range slices.Backward(r.when) {
		list = append(c.instructions(len(list)), list...)
	}
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: numberAt, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(r.number), SkipTrue: uint8(len(list))},
	}, list...)
}

// instructions skip as many more when the condition does not hold.
func (c condition) instructions(skip int) []bpf.Instruction {
	list := []bpf.Instruction{
		bpf.LoadAbsolute{Off: uint32(argumentsAt + c.argument*argumentSize), Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: c.mask},
	}
	for i, value := range c.values {
		list = append(list, bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipTrue: uint8(len(c.values) - i)})
	}
	return append(list, bpf.Jump{Skip: uint32(skip)})
}

// install gives the filter to all threads of the process.
func install(rules []rule) error {
	code, err := bpf.Assemble(program(rules))
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(code))
	for i, instruction := range code {
		filter[i] = unix.SockFilter{Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K}
	}
	// The kernel gives the setting of this thread to the others with the filter.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid new privileges: %w", err)
	}
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_LOG
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return nil
}
