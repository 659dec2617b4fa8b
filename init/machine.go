package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/u-root/u-root/pkg/efivarfs"

	"causeway/appliance/model"
	"causeway/init/drivers"
	"causeway/init/evidence"
	"causeway/init/kmsg"
	"causeway/init/slot"
	"causeway/init/supervise"
	"causeway/init/volume"
	"causeway/init/watchdog"
)

// machine is the box as PID 1 sees it. The steps of the boot fill it in.
type machine struct {
	root   string // "/" except in tests
	kernel kernel
	log    *logger
	build  model.BuildInfo

	ctx    context.Context // ends when the box goes down
	cancel context.CancelFunc

	variables efivarfs.EFIVar // of the firmware; nil without UEFI
	running   string          // slot.Kernel, slot.Installer, or the slot that was started
	slots     *slot.Slots

	loader     *drivers.Loader
	loading    sync.WaitGroup // what loads modules beside the boot
	volumes    *volume.Volumes
	watchdog   *watchdog.Feeder
	evidence   *evidence.Store
	ring       *kmsg.Reader // nil if there is no kernel log
	launcher   *supervise.Launcher
	supervisor *supervise.Supervisor

	endings chan ending
	disks   chan struct{} // holds something when block devices have changed

	progress atomic.Int64 // uptime when a long step of the boot last got on, in ns
	asks     atomic.Bool  // the boot waits for somebody at the console

	ports sync.Mutex // one renames network ports at a time
	named bool       // the boot has named them

	mu      sync.Mutex
	missing []string      // what steps could not do, a sentence each
	ready   time.Duration // kernel start to the last service started; 0 before that
}

// kernel is what PID 1 asks of the kernel beyond files.
type kernel interface {
	volume.Kernel
	LoadModule(path, parameters string) error
	SetHostname(name string) error
	SetTime(now time.Time) error
	Uptime() time.Duration // CLOCK_BOOTTIME
	// RawUptime is CLOCK_MONOTONIC_RAW, which no time server steers: the
	// kernel's log counts like it.
	RawUptime() time.Duration
	NoNewPrivileges() error
	// LimitFiles sets how many files a process that is started from now on
	// may have open.
	LimitFiles(n uint64) error
	RenameLink(from, to string) error
	LinkUp(name string) error
	// Variables gives the firmware's variables, where efivarfs is mounted.
	Variables(point string) (efivarfs.EFIVar, error)
	KillAll() error // SIGKILL to every process but this one
	Sync()
	// Reboot ends everything, in one of the modes; it returns only on failure.
	Reboot(mode string) error
}

func newMachine(root string, kernel kernel, console io.Writer) *machine {
	m := &machine{
		root:    root,
		kernel:  kernel,
		log:     newLogger(console),
		running: slot.Kernel,
		slots:   slot.New(slot.Options{Running: slot.Kernel}),
		endings: make(chan ending, 1),
		disks:   make(chan struct{}, 1),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// path gives the place of an absolute path below the machine's root.
func (m *machine) path(elements ...string) string {
	return filepath.Join(append([]string{m.root}, elements...)...)
}

// Go runs f in the background. If it panics the box goes down in good order.
func (m *machine) Go(f func()) {
	go func() {
		defer m.caught()
		f()
	}()
}

// caught, which is to be deferred, makes of a panic an end of the box in good
// order: without it PID 1 would end, and the kernel panic.
func (m *machine) caught() {
	if crash := recover(); crash != nil {
		m.end(m.crashed(crash))
	}
}

// end brings the box down; the first reason counts.
func (m *machine) end(e ending) {
	select {
	case m.endings <- e:
	default:
	}
}

// miss reports what the box cannot do, on the console and in its health.
func (m *machine) miss(sentence string) {
	m.log.Printf("%s", sentence)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.missing = append(m.missing, sentence)
}

// readBuild reads what image this is. An image without it still boots.
func (m *machine) readBuild() {
	m.build = model.BuildInfo{Version: "unknown", Board: "unknown"}
	text, err := os.ReadFile(m.path("etc/causeway/build.json"))
	if err == nil {
		err = json.Unmarshal(text, &m.build)
	}
	if err != nil {
		m.miss(fmt.Sprintf("what image this is cannot be read: %v", err))
	}
}

// word gives the value of a word NAME=VALUE of the kernel command line; empty
// if it is not there.
func (m *machine) word(name string) string {
	text, err := os.ReadFile(m.path("proc/cmdline"))
	if err != nil {
		return ""
	}
	for _, word := range strings.Fields(string(text)) {
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return value
		}
	}
	return ""
}
