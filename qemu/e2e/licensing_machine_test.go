//go:build e2e

package e2e

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"causeway/appliance/grammar"
	"causeway/qemu/lab"
	"causeway/qemu/lab/comd"
	"causeway/qemu/lab/licensed"
	"causeway/qemu/machine"
	"causeway/qemu/smoke"
)

// debugBuild guards the debug image, which is built once: its users are tests of one
// board.
var debugBuild struct {
	sync.Mutex
	done bool
}

// debugImage gives an image of the debug variant, for a direct boot. Only there tests
// move the clock of licences. The COM whose files are in the folder comDir vouches for
// itself to it.
func debugImage(t *testing.T, board machine.Board) (image machine.Image, comDir string) {
	t.Helper()
	debugBuild.Lock()
	defer debugBuild.Unlock()
	image, comDir = machine.Image{Board: board, Dir: filepath.Join(scratch, "debug")}, filepath.Join(scratch, "com")
	if debugBuild.done {
		return image, comDir
	}
	if err := os.MkdirAll(comDir, 0o700); err != nil {
		t.Fatal(err)
	}
	founded, err := comd.New(comd.Options{Dir: comDir})
	if err != nil {
		t.Fatal(err)
	}
	rootFile := filepath.Join(comDir, "root.pem")
	writeText(t, rootFile, string(founded.Root()))
	if err := founded.Close(0); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "run", "./images", "build", "-board", board.Name, "-variant", "debug", "-kernel-only",
		"-o", image.Dir, "-com-root", rootFile)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the debug image: %v\n%s", err, output)
	}
	debugBuild.done = true
	return image, comDir
}

// TestLicensingBox types at the console of a box in QEMU, and has SIPp call
// through it in each state. The registration travels on a stick.
func TestLicensingBox(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		debug, _ := debugImage(t, image.Board)
		box := boot(t, smoke.Setup{
			Image: debug, Disk: newDisk(t, diskSize), USB: true,
			Config: grammar.BuiltIn() + licensedLines + "license smart transport off\n",
		})
		server, err := box.Lab.LAN2.Licensed(licenseServerAt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Stop() }) // it may have been
		b := licensedMachine{t, box, server}
		b.check(server.SetQuantity(licensed.FirstAccount, cusp5, 4))
		stick := newStick(t, map[string][]byte{"root.pem": server.Root()})
		token, err := server.NewToken(licensed.FirstAccount, day, 1)
		b.check(err)

		b.is("UNIDENTIFIED", true)
		plug(t, box, stick, 0)
		awaitCommand(t, box, "dir usb0:", "root.pem")
		keys(t, box, "crypto pki authenticate license usb0:root.pem\r", `\[confirm\]`)
		keys(t, box, "\r", "Authorities added: 1")
		contains(t, "save", command(t, box, "license smart save register idtoken "+token+" usb0:box.ela-req"), "Saved as")
		b.answerOnStick(stick)
		contains(t, "import", command(t, box, "license smart import usb0:box.ela-resp"), "The box is registered with Example, LAB")
		b.is("REGISTERED", true)

		commit(t, box, "license smart transport smart") // from here on it asks by itself
		command(t, box, "end")
		b.is("OUT_OF_COMPLIANCE", true)
		b.check(server.SetQuantity(licensed.FirstAccount, cusp5, 10))
		contains(t, "renew", command(t, box, "license smart renew auth"), "10 licences, in compliance")
		b.is("AUTHORIZED", true)

		b.check(server.Stop())
		b.advance(31 * day)
		awaitAlarm(t, box, "license-renewal-failing")
		b.is("AUTHORIZED", true)
		b.advance(60 * day)
		b.is("AUTHORIZATION_EXPIRED", true)
		commit(t, box, "license profile cusp-9")
		command(t, box, "end")
		b.is("AUTHORIZATION_EXPIRED", false)
		b.check(server.Start())
		contains(t, "renew", command(t, box, "license smart renew auth"), "10 licences, in compliance")
		b.is("AUTHORIZED", true)
		powerOff(t, box)
	})
}

// licensedMachine is a box in QEMU with a licence server on LAN2.
type licensedMachine struct {
	t *testing.T
	*smoke.Box
	server *lab.Licensed
}

func (b licensedMachine) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// advance lets time pass, for the box and for the server.
func (b licensedMachine) advance(by time.Duration) {
	b.t.Helper()
	b.check(b.server.AdvanceClock(by))
	command(b.t, b.Box, "test license advance "+strconv.Itoa(int(by/time.Second)))
}

// answerOnStick takes the stick to the licence server and back.
func (b licensedMachine) answerOnStick(stick string) {
	b.t.Helper()
	command(b.t, b.Box, "unmount usb0:")
	pull(b.t, b.Box)
	file := filepath.Join(b.t.TempDir(), "file")
	run(b.t, "mcopy", "-i", stick, "::box.ela-req", file)
	text, err := os.ReadFile(file)
	b.check(err)
	text, err = b.server.AnswerFile(text)
	b.check(err)
	b.check(os.WriteFile(file, text, 0o644))
	run(b.t, "mcopy", "-i", stick, file, "::box.ela-resp")
	plug(b.t, b.Box, stick, 0)
	awaitCommand(b.t, b.Box, "dir usb0:", "box.ela-resp")
}

// is waits for a state, and has SIPp place calls, which are answered or refused.
func (b licensedMachine) is(state string, calls bool) {
	b.t.Helper()
	awaitCommand(b.t, b.Box, "show license summary cusp", "Smart License Client State: "+state)
	pair := smoke.Pair{Caller: lab.Caller, Callee: lab.Callee, Calls: 2, Rate: 5, Hold: 50 * time.Millisecond}
	if calls {
		_, err := smoke.Place(within(b.t, time.Minute), b.Lab, pair)
		b.check(err)
		return
	}
	awaitCommand(b.t, b.Box, "show cps", "Rejecting: all calls, they are not licensed")
	run, err := b.Lab.LAN1.SIPp(within(b.t, time.Minute), lab.SIPp{
		Ladder: "send INVITE, recv 503, send ACK", Local: netip.AddrPortFrom(lab.PeerLAN1, lab.CallerPort), Remote: lab.BoxLAN1,
		Calls: pair.Calls, Rate: pair.Rate,
	})
	b.check(err)
	_, err = run.Wait()
	b.check(err)
}
