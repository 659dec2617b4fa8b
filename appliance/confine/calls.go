package confine

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// everyProcess are the calls that Go's runtime, its library and ours make in any
// process, whatever the arguments. Not among them, and so refused to all: to
// run programs, to change user, capabilities or namespaces, to mount, to load
// modules, to trace, signal or look into other processes, io_uring, BPF, keys.
var everyProcess = slices.Concat([]uintptr{
	// Threads, time and memory.
	unix.SYS_BRK, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MLOCK, unix.SYS_MUNLOCK,
	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_TGKILL, // a crash of its own; another process's needs the right to signal it
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RESTART_SYSCALL,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_GETTIMEOFDAY,
	unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER, // profiles
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_GETGROUPS,
	unix.SYS_GETRLIMIT, unix.SYS_PRLIMIT64, unix.SYS_GETRUSAGE, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRANDOM,

	// Files.
	unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_FCNTL, unix.SYS_FLOCK,
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_PREADV, unix.SYS_PWRITEV,
	unix.SYS_LSEEK, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2,
	unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_GETCWD, unix.SYS_UMASK,
	unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FADVISE64,
	unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_SPLICE,
	unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_UTIMENSAT,
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT,

	// Waiting, pipes and sockets.
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL, unix.SYS_PSELECT6,
	unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4, unix.SYS_SHUTDOWN, unix.SYS_SOCKETPAIR,
	unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT,
	unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG,
}, processorCalls)

// prSetVMA names memory areas (prctl(2)), which Go's runtime does.
const prSetVMA = 0x53564d41

// all is the mask of an argument that counts as a whole.
const all = ^uint32(0)

// conditional are calls that every process makes with certain arguments only.
var conditional = []rule{
	// No memory is ever run as a program that was not loaded as one.
	{unix.SYS_MMAP, []condition{{2, unix.PROT_EXEC, []uint32{0}}}},
	{unix.SYS_MPROTECT, []condition{{2, unix.PROT_EXEC, []uint32{0}}}},
	// Threads, no processes. clone3 has its flags in memory, where no filter
	// looks; who asks for it goes back to clone.
	{unix.SYS_CLONE, []condition{{0, unix.CLONE_THREAD, []uint32{unix.CLONE_THREAD}}}},
	{unix.SYS_PRCTL, []condition{{0, all, []uint32{prSetVMA, unix.PR_GET_SECCOMP, unix.PR_SET_NAME}}}},
	// Nobody types into a terminal for another.
	{unix.SYS_IOCTL, []condition{{1, all, []uint32{
		unix.TCGETS, unix.TCSETS, unix.TCSETSF, unix.TCSETSW, unix.TIOCGWINSZ, unix.SIOCOUTQ,
		unix.SIOCETHTOOL, unix.SIOCGIFINDEX, unix.SIOCGIFNAME, unix.SIOCGIFFLAGS,
	}}}},
}

// rules are all that the process may call.
func (n needs) rules() []rule {
	var rules []rule
	for _, number := range slices.Concat(everyProcess, n.calls) {
		rules = append(rules, rule{number: number})
	}
	rules = append(rules, conditional...)
	for _, family := range n.families {
		when := []condition{{0, all, []uint32{family}}}
		if family == unix.AF_NETLINK {
			when = append(when, condition{2, all, n.netlink})
		}
		rules = append(rules, rule{unix.SYS_SOCKET, when})
	}
	return rules
}

func (n needs) restrictCalls() error {
	if err := install(n.rules()); err != nil {
		return fmt.Errorf("calls (seccomp): %w", err)
	}
	return nil
}
