package confine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// attempt is one thing that a process tries.
type attempt struct {
	name string
	do   func(root string) error
	// may lists the services that succeed. All others are refused: a file with
	// EACCES, a call with ENOSYS.
	may []string
}

var (
	everyone = []string{"proxy", "billing", "control", "console"}
	nobody   []string
)

// attempts is written from what docs/security.md says, not from the table.
var attempts = []attempt{
	{"read a saved revision", read("bootflash/control/revisions/1"), []string{"proxy", "billing", "control"}}, // but for its mode
	{"write a saved revision", write("bootflash/control/revisions/1"), []string{"billing", "control"}},        // but for its owner
	{"read the state of another process", read("run/billing/revision"), []string{"billing", "control"}},
	{"write the state of another process", write("run/proxy/revision"), []string{"proxy"}},
	{"write its own state of calls", write("bootflash/proxy/call.key"), []string{"proxy", "billing", "control"}},
	{"read the serial number", read("run/init/serial"), everyone},
	{"write the serial number", write("run/init/serial"), nobody},
	{"append to the journal", write("harddisk/billcache/1"), []string{"proxy", "billing", "control"}},
	{"read a table of routing from a stick", read("run/volumes/usb0/table"), []string{"proxy", "billing", "control"}},
	{"write to a stick", write("run/volumes/usb0/table"), []string{"billing", "control"}},
	{"move a file to another directory", func(root string) error {
		return os.Rename(filepath.Join(root, "harddisk/billcache/1"), filepath.Join(root, "harddisk/log/1"))
	}, []string{"proxy", "billing", "control"}},
	{"listen at a socket of its own", func(root string) error {
		listener, err := net.Listen("unix", filepath.Join(root, "run/control/socket"))
		if err == nil {
			err = listener.Close()
		}
		return err
	}, []string{"control"}},
	{"make a symbolic link", func(root string) error { return os.Symlink("/", filepath.Join(root, "harddisk/link")) }, nobody},
	{"make a named pipe", func(root string) error { return unix.Mkfifo(filepath.Join(root, "harddisk/pipe"), 0o600) }, nobody},
	{"read a file of the image", func(string) error { return readAll("/etc/hosts") }, everyone},
	{"write a file of the image", func(string) error { return open("/etc/hosts", os.O_WRONLY) }, nobody},
	{"read the program", func(string) error { return readAll("/proc/self/exe") }, nobody},
	{"list the root", func(string) error { return open("/", os.O_RDONLY) }, nobody},
	{"read a parameter of the kernel", func(string) error { return readAll("/proc/sys/net/core/somaxconn") }, everyone},
	{"set a parameter of the network", func(string) error { return open("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY) }, []string{"control"}},
	{"read of the hardware", func(string) error { return readAll("/sys/devices/system/cpu/online") }, []string{"control", "console"}},
	{"discard output", func(string) error { return open(os.DevNull, os.O_WRONLY) }, everyone},
	{"open a disk", func(string) error { return open("/dev/vda", os.O_RDONLY) }, nobody},

	{"a socket of UDP", socket(unix.AF_INET, unix.SOCK_DGRAM, 0), everyone},
	{"a socket of TCP over IPv6", socket(unix.AF_INET6, unix.SOCK_STREAM, 0), everyone},
	{"a socket of the box itself", socket(unix.AF_UNIX, unix.SOCK_STREAM, 0), everyone},
	{"a socket for packets", socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0), []string{"control"}},
	{"routes of the kernel", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE), everyone},
	{"the firewall", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER), []string{"control"}},
	{"events of devices", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT), nobody},
	{"ciphers of the kernel", socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0), nobody},
	{"ask what time it is", func(string) error { return unix.ClockGettime(unix.CLOCK_REALTIME, new(unix.Timespec)) }, everyone},
	{"read the state of the clock", func(string) error { _, err := unix.Adjtimex(new(unix.Timex)); return err }, []string{"control", "console"}},

	{"run a program", func(string) error { return syscall.Exec("/proc/self/exe", []string{"x"}, nil) }, nobody},
	{"start a process", raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD)), nobody},
	{"start a process by clone3", raw(unix.SYS_CLONE3), nobody},
	{"memory to write and run", func(string) error {
		_, err := unix.Mmap(-1, 0, 4096, unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		return err
	}, nobody},
	{"make memory runnable", func(string) error {
		memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return nil // which is what nobody may
		}
		return unix.Mprotect(memory, unix.PROT_READ|unix.PROT_EXEC)
	}, nobody},
	{"mount", func(string) error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") }, nobody},
	{"unmount", func(string) error { return unix.Unmount("/nowhere", 0) }, nobody},
	{"chroot", func(string) error { return unix.Chroot("/") }, nobody},
	{"a namespace of its own", func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) }, nobody},
	{"change user", raw(unix.SYS_SETRESUID, 0, 0, 0), nobody},
	{"look at capabilities", raw(unix.SYS_CAPGET, 0, 0, 0), nobody},
	{"signal another process", func(string) error { return unix.Kill(1, 0) }, nobody},
	{"trace", raw(unix.SYS_PTRACE, unix.PTRACE_TRACEME), nobody},
	{"look into another process", raw(unix.SYS_PROCESS_VM_READV, 1), nobody},
	{"load a module", func(string) error { return unix.FinitModule(0, "", 0) }, nobody},
	{"load a program into the kernel", raw(unix.SYS_BPF), nobody},
	{"io_uring", raw(unix.SYS_IO_URING_SETUP, 1), nobody},
	{"faults of memory", raw(unix.SYS_USERFAULTFD), nobody},
	{"keys of the kernel", raw(unix.SYS_KEYCTL), nobody},
	{"restart the box", raw(unix.SYS_REBOOT), nobody},
	{"read the kernel's log", raw(unix.SYS_SYSLOG), nobody},
	{"type into a terminal", raw(unix.SYS_IOCTL, 0, unix.TIOCSTI), nobody},
	{"change its own filter", raw(unix.SYS_SECCOMP), nobody},
	{"give up what it may dump", func(string) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }, nobody},
}

func read(name string) func(string) error {
	return func(root string) error { return readAll(filepath.Join(root, name)) }
}

func write(name string) func(string) error {
	return func(root string) error { return open(filepath.Join(root, name), os.O_WRONLY) }
}

func readAll(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func open(path string, flags int) error {
	file, err := os.OpenFile(path, flags, 0)
	if err == nil {
		err = file.Close()
	}
	return err
}

func socket(family, kind, protocol int) func(string) error {
	return func(string) error {
		fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
		if err == nil {
			err = unix.Close(fd)
		}
		return err
	}
}

// raw makes a call whose arguments do no harm where it is not refused.
func raw(number uintptr, arguments ...uintptr) func(string) error {
	var a [3]uintptr
	copy(a[:], arguments)
	return func(string) error {
		if _, _, errno := unix.Syscall(number, a[0], a[1], a[2]); errno != 0 {
			return errno
		}
		return nil
	}
}

// confined is the variable that makes this program a service in a box of files.
const confined = "CONFINE_TEST_SERVICE"

func TestMain(m *testing.M) {
	if service, root, ok := strings.Cut(os.Getenv(confined), " "); ok {
		os.Exit(tryAll(service, root))
	}
	os.Exit(m.Run())
}

// tryAll tries everything from several threads, those from before too, and
// prints what is not as it should be.
func tryAll(service, root string) int {
	var ready, done sync.WaitGroup
	enter := make(chan struct{})
	for range 4 { // threads that are there before
		ready.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-enter
			if prove() != nil {
				fmt.Println("a thread from before is free")
			}
		})
	}
	ready.Wait()
	if err := Enter(service, root); err != nil {
		fmt.Println(err)
	}
	close(enter)
	done.Wait()
	for _, a := range attempts {
		err := a.do(root)
		refused := errors.Is(err, unix.ENOSYS) || errors.Is(err, fs.ErrPermission)
		if may := slices.Contains(a.may, service); may != (err == nil) || may == refused {
			fmt.Printf("%s: %v\n", a.name, err)
		}
	}
	return 0
}

// TestServices has each service try all attempts. What is to be refused by the
// filter must not be refused for lack of a right: it runs as root where it can.
func TestServices(t *testing.T) {
	for _, service := range everyone {
		t.Run(service, func(t *testing.T) {
			root := t.TempDir()
			for _, name := range []string{
				"bootflash/control/revisions/1", "bootflash/proxy/call.key", "run/init/serial", "run/billing/revision", "run/proxy/revision",
				"run/volumes/usb0/table", "harddisk/billcache/1", "harddisk/log/2", "run/control/x",
			} {
				path := filepath.Join(root, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), confined+"="+service+" "+root)
			output, err := command.CombinedOutput()
			if output := bytes.TrimSpace(output); err != nil || len(output) > 0 {
				t.Errorf("%v:\n%s", err, output)
			}
		})
	}
}
