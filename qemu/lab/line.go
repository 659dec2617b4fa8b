package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Line is a slow line: what there is between a box and COM that is far away. It
// carries whole Ethernet frames between two TAP devices, so that TCP on it finds
// out by itself how fast and how long it is.
type Line struct {
	Rate  int           // bit/s, each way
	Delay time.Duration // each way
	Queue time.Duration // what waits longer for its turn is dropped
	Lose  float64       // the part of the frames that is lost besides, 0–1
}

// COMLine is the worst line that the link to COM has to hold on (COM-18, COM-19),
// with a frame in a hundred lost.
var COMLine = Line{Rate: 128_000, Delay: 100 * time.Millisecond, Queue: 2 * time.Second, Lose: 0.01}

// virtioHeader stands before each frame of a TAP device of ours.
const virtioHeader = 10

// Connect lays the line between two namespaces, as Connect lays a cable. It is
// there until cut.
func (l Line) Connect(a *Namespace, nameA string, addressA netip.Prefix, b *Namespace, nameB string, addressB netip.Prefix) (cut func() error, err error) {
	endA, err := a.lineEnd(nameA, addressA)
	if err != nil {
		return nil, err
	}
	endB, err := b.lineEnd(nameB, addressB)
	if err != nil {
		return nil, errors.Join(err, endA.Close())
	}
	var running sync.WaitGroup
	running.Go(func() { l.carry(endA, endB, rand.New(rand.NewPCG(1, 2))) })
	running.Go(func() { l.carry(endB, endA, rand.New(rand.NewPCG(3, 4))) })
	return func() error {
		err := errors.Join(endA.Close(), endB.Close())
		running.Wait()
		return err
	}, nil
}

// lineEnd makes a TAP device whose frames this process reads and writes.
func (n *Namespace) lineEnd(name string, address netip.Prefix) (*os.File, error) {
	tap, err := n.OpenTap(name, address)
	if err != nil {
		return nil, err
	}
	defer tap.Close()
	fd, err := unix.FcntlInt(tap.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true) // so that Close ends a Read
	}
	if err != nil {
		return nil, fmt.Errorf("take the end of a line at %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), "line "+name), nil
}

// frame is on its way, and arrives at a time.
type frame struct {
	data []byte
	at   time.Time
}

// onTheWay is how many frames a line holds.
const onTheWay = 1024

// carry takes frames from one end to the other until the ends are closed.
func (l Line) carry(from, to *os.File, random *rand.Rand) {
	line := make(chan frame, onTheWay)
	var arriving sync.WaitGroup
	defer arriving.Wait()
	defer close(line)
	arriving.Go(func() {
		for f := range line {
			time.Sleep(time.Until(f.at))
			to.Write(f.data) // a device that is down drops it, as a cable would
		}
	})
	var free time.Time // when the line has sent what waits for it
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if now := time.Now(); free.Before(now) {
			free = now
		}
		if err != nil || time.Until(free) > l.Queue || random.Float64() < l.Lose {
			continue
		}
		free = free.Add(time.Duration(n-virtioHeader) * 8 * time.Second / time.Duration(l.Rate))
		select {
		case line <- frame{append([]byte(nil), buffer[:n]...), free.Add(l.Delay)}:
		default: // it holds no more
		}
	}
}
