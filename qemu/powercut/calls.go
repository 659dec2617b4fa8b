package powercut

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"causeway/appliance/grammar"
	"causeway/qemu/audit"
	"causeway/qemu/lab"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// Calls is a box under calls whose records nobody takes: all record keepers are
// down. It is recorded and cut.
type Calls struct {
	Image    machine.Image
	Program  string // the appliance for this host, which sees what is left at a cut
	Peers    *lab.Peers
	Stick    bool   // the records wait on usb0:, else on harddisk:
	Seconds  int    // that calls come
	Rate     int    // of them a second
	Cuts     int    // that are looked at on this host
	Boots    int    // that are booted besides
	Seed     uint64 // decides where is cut and what happens to writes that were not flushed
	Progress io.Writer
}

// Events may be lost that were seen within the window of a group commit before
// the cut. An emulated machine that gets no processor is later than that: then
// those, too, after which its disk had no time for two writings of the proxy,
// the one under way and the next, and one of billing before each: two flushes
// each. After a second nothing may be lost.
const (
	Window        = 20 * time.Millisecond
	WindowFlushes = 8
	longestWindow = time.Second
)

// The places where records wait. A stick is mounted with some of its names in
// capitals if they are longer.
const (
	onDisk  = "harddisk:/billcache/"
	onStick = "usb0:billcache/"
)

func (c Calls) cachePath() string {
	if c.Stick {
		return onStick
	}
	return onDisk
}

// keeperSecret is what the box and its record keepers have in common.
const keeperSecret = "cisco"

// config is that of the box, and of what looks at a cut: the same but for the
// record keeper.
func (c Calls) config(keeper netip.AddrPort, key string) string {
	return grammar.BuiltIn() + fmt.Sprintf(`sbc cut
 sbe
  radius accounting keepers
   retry-interval 100
   retry-limit 1
   server only
    address ipv4 %v
    port %d
    key %s
    exit
   activate
   exit
  billing
   element-id 7
   cache path %s
   method packetcable-em
   packetcable-em 0 transport radius keepers
    batch-size 2000
    batch-time 50
    attach
    exit
   activate
   exit
  exit
 exit
`, keeper.Addr(), keeper.Port(), key, c.cachePath())
}

// keeperAt is where the box finds its record keeper, when it is there.
var keeperAt = netip.AddrPortFrom(lab.PeerLAN2, 1813)

// moment says what the logs held up to their last flush at a time, at least.
type moment struct {
	at          time.Time
	disk, stick int // entries
}

// recorded is the whole run.
type recorded struct {
	Calls
	dir        string // of what follows
	moments    []moment
	calls      []audit.Call
	log        *Log
	stickLog   *Log // nil: there was none
	serial     []byte
	diskVolume machine.Volume // harddisk:
}

func (r *recorded) path(name string) string { return filepath.Join(r.dir, name) }

// The size of the disk and of the stick, in octets.
const (
	callsDisk  = 512 << 20
	callsStick = 64 << 20
)

// record boots the box, places the calls and ends it in their middle. The
// caller closes what it gives.
func (c Calls) record(ctx context.Context, dir string) (r *recorded, err error) {
	r = &recorded{Calls: c, dir: dir}
	if err := errors.Join(machine.CreateDisk(r.path("disk"), callsDisk), machine.CreateDisk(r.path("disk.log"), 0)); err != nil {
		return nil, err
	}
	box, err := smoke.Boot(ctx, smoke.Setup{
		Image: c.Image, Disk: r.path("disk"), DiskLog: r.path("disk.log"), USB: c.Stick, Config: c.config(keeperAt, keeperSecret),
	})
	if err != nil {
		return nil, err
	}
	defer box.Close()
	if c.Stick {
		if err := r.plug(ctx, box); err != nil {
			return nil, box.Explain(err)
		}
	}
	if err := r.place(ctx, box); err != nil {
		return nil, box.Explain(err)
	}
	box.Machine.Kill()
	return r, r.open(ctx)
}

// plug gives the box its stick and waits until records can be kept on it.
func (r *recorded) plug(ctx context.Context, box *smoke.Box) error {
	if err := NewStick(ctx, r.path("stick"), callsStick); err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, "cp", r.path("stick"), r.path("stick.before")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("keep the stick as it was: %w: %s", err, output)
	}
	if err := machine.CreateDisk(r.path("stick.log"), 0); err != nil {
		return err
	}
	if err := box.Machine.Plug(ctx, "stick", machine.Stick{Image: r.path("stick"), Log: r.path("stick.log")}); err != nil {
		return err
	}
	return awaitCache(ctx, box)
}

// awaitCache waits until the box has its cache on the stick.
func awaitCache(ctx context.Context, box *smoke.Box) error {
	for {
		said, err := box.Machine.Console.Command(ctx, "dir "+onStick)
		if err == nil && strings.Contains(said, "em-") {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a cache on the stick: %w: %s", context.Cause(ctx), said)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// NewStick makes a stick of that size with an empty FAT at path, with mtools.
func NewStick(ctx context.Context, path string, size int64) error {
	if err := machine.CreateDisk(path, size); err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, "mformat", "-i", path, "-v", "STICK", "-h", "16", "-s", "32", "-T", fmt.Sprint(size/sectorSize), "::").CombinedOutput()
	if err != nil {
		return fmt.Errorf("format a stick: %w: %s", err, output)
	}
	return nil
}

const sectorSize = 512

// numbers begins the telephone numbers of the callers.
const numbers = "15550"

// place places the calls, and notes meanwhile how far the logs are.
func (r *recorded) place(ctx context.Context, box *smoke.Box) error {
	const hold = 300 * time.Millisecond
	calls := r.Seconds * r.Rate
	limit := 2 * time.Minute
	callee, err := box.Lab.LAN2.SIPp(ctx, lab.SIPp{
		Ladder: lab.Callee, Local: netip.AddrPortFrom(lab.PeerLAN2, lab.CalleePort), Calls: calls, Hold: hold, Limit: limit, Repeats: true,
	})
	if err != nil {
		return err
	}
	defer callee.Wait()
	defer callee.Stop()
	caller, err := box.Lab.LAN1.SIPp(ctx, lab.SIPp{
		Ladder: audit.From(numbers, lab.Caller), Local: netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort), Remote: lab.BoxLAN1,
		CallID: "cut", Calls: calls, Rate: r.Rate, Hold: hold, Limit: limit, Messages: true, Repeats: true,
	})
	if err != nil {
		return err
	}
	stop, err := r.watch()
	if err != nil {
		return err
	}
	<-caller.Ended()
	stop()
	log, err := caller.Seen()
	_, failed := caller.Wait()
	r.calls = audit.Calls(numbers, log)
	if over := audit.Over(r.calls); err == nil && over < calls*3/4 { // a machine that is emulated may be too slow for some
		err = fmt.Errorf("%d of %d calls are over: %w", over, calls, failed)
	}
	return err
}

// watch notes how far the logs are, until it is stopped.
func (r *recorded) watch() (stop func(), err error) {
	ended, done := make(chan struct{}), sync.WaitGroup{}
	look := func() (m moment, err error) {
		m.at = time.Now() // before: what the logs hold is at least as old
		if m.disk, err = Position(r.path("disk.log")); err == nil && r.Stick {
			m.stick, err = Position(r.path("stick.log"))
		}
		return m, err
	}
	first, err := look()
	if err != nil {
		return nil, err
	}
	r.moments = []moment{first}
	done.Go(func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
			if m, err := look(); err == nil {
				r.moments = append(r.moments, m)
			}
		}
	})
	return func() { close(ended); done.Wait() }, nil
}

// open opens the logs, and finds the volumes on the disk.
func (r *recorded) open(ctx context.Context) (err error) {
	if r.log, err = OpenLog(r.path("disk.log")); err == nil && r.Stick {
		r.stickLog, err = OpenLog(r.path("stick.log"))
	}
	if err != nil {
		return err
	}
	volumes, err := machine.Volumes(r.path("disk"))
	if err != nil {
		return err
	}
	for _, volume := range volumes {
		switch volume.Name {
		case "harddisk":
			r.diskVolume = volume
		case "bootflash":
			r.serial, err = r.readSerial(ctx, volume)
		}
	}
	if err == nil && (r.diskVolume.Size == 0 || len(r.serial) == 0) {
		err = fmt.Errorf("the disk has %+v and the serial number %q; want harddisk: and a number", volumes, r.serial)
	}
	return err
}

// readSerial reads the serial number of the box: what it keeps is marked with it.
func (r *recorded) readSerial(ctx context.Context, volume machine.Volume) ([]byte, error) {
	made, err := newReplay(r.log, volume.Start, volume.Size).cut(len(r.log.Entries), rand.New(rand.NewPCG(0, 0)))
	if err != nil {
		return nil, err
	}
	image, files := r.path("bootflash"), r.path("bootflash.files")
	if err := errors.Join(made.save(image), os.MkdirAll(files, 0o700), readVolume(ctx, image, machine.Volume{}, "init", files)); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(files, "serial"))
}

func (r *recorded) close() {
	for _, log := range []*Log{r.log, r.stickLog} {
		if log != nil {
			log.Close()
		}
	}
}
