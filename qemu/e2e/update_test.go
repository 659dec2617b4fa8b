//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway/appliance/bundle"
	"causeway/images/signing"
	"causeway/qemu/edition"
	"causeway/qemu/machine"
	"causeway/qemu/powercut"
	"causeway/qemu/smoke"
)

// updateLimit is more than an update takes, with its restart and its trial.
const updateLimit = 2*bootLimit + watchdogLimit

// TestImagesUpdate updates a box that boots from its disk with Secure Boot on: it
// refuses bundles, takes a good one, comes back from bad ones by itself, and goes
// back when it is told to. The good update is recorded, and the power cut in the
// record.
func TestImagesUpdate(t *testing.T) {
	onFirstBoard(t, func(t *testing.T, image machine.Image) {
		t.Parallel()
		editions := openEditions(t, image)
		ctx := within(t, 2*updateLimit)
		updating, err := powercut.NewUpdating(ctx, editions, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		box := boot(t, updating.Setup())
		u := &updates{box: box, editions: editions}
		t.Run("refused", u.refused)
		if err := updating.Update(ctx, box, "v99.0.1"); err != nil { // into slot B
			t.Fatal(err)
		}
		t.Run("power cuts", func(t *testing.T) {
			cuts := powercut.Update{Cuts: 5, Boots: 1, Seed: 1, Progress: t.Output()}
			report, err := updating.Check(ctx, cuts)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("\n%s", report)
			if report.Cuts != cuts.Cuts || report.Booted != cuts.Boots || len(report.Stranded) > 0 {
				t.Errorf("%d cuts, %d booted, %d stranded; want %d, %d and none", report.Cuts, report.Booted, len(report.Stranded), cuts.Cuts, cuts.Boots)
			}
		})
		t.Run("rollback", u.rollback)
		// Not every watchdog and every firmware tells what it saw.
		const noWord = "|it ended without a word"
		for _, bad := range []struct{ version, fault, reason string }{
			{"v99.0.2", "crash", "proxy crashed"},
			{"v99.0.3", "panic", "its kernel crashed" + noWord},
			{"v99.0.4", "hang", "the watchdog reset it" + noWord},
		} {
			t.Run(bad.fault, func(t *testing.T) { u.comesBack(t, bad.version, bad.fault, bad.reason) })
		}
		contains(t, "a rollback to an image that failed", command(t, box, "upgrade rollback now"), "% ", "did not prove itself")
		powerOff(t, box)
	})
}

// updates is a box that is updated again and again.
type updates struct {
	box      *smoke.Box
	editions *edition.Maker
}

// plugged gives the box a stick with files.
func (u *updates) plugged(t *testing.T, files ...string) {
	t.Helper()
	stick := filepath.Join(t.TempDir(), "stick")
	if err := powercut.MakeStick(t.Context(), stick, files...); err != nil {
		t.Fatal(err)
	}
	plug(t, u.box, stick, 0)
	awaitCommand(t, u.box, "dir usb0:", filepath.Base(files[0]))
}

// refused offers bundles that no box may take. What is wrong with each is said.
func (u *updates) refused(t *testing.T) {
	dir, board := t.TempDir(), u.editions.Image.Board.Name
	foreign, err := signing.Make(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	small := noise(50_000)
	other := map[string]string{"x86_64": "arm64", "arm64": "x86_64"}[board]
	for _, bad := range []struct {
		name, board, variant, version string
		keys                          *signing.Keys
		damage                        func(made []byte) []byte
		reason                        string
	}{
		{"unsigned", board, bundle.Release, "v99.0.1", u.editions.Keys, func(made []byte) []byte {
			signature := bytes.Index(made, []byte("manifest.sig"))
			clear(made[signature+512:][:64])
			return made
		}, "no key that this box knows has signed it"},
		{"key", board, bundle.Release, "v99.0.1", foreign, nil, "no key that this box knows has signed it"},
		{"board", other, bundle.Release, "v99.0.1", u.editions.Keys, nil, "it is for the board " + other},
		{"debug", board, bundle.Debug, "v99.0.1", u.editions.Keys, nil, "it is a debug image"},
		{"older", board, bundle.Release, "v0.0.1", u.editions.Keys, nil, "version v0.0.1 is older than "},
		{"cut", board, bundle.Release, "v99.0.1", u.editions.Keys, func(made []byte) []byte { return made[:40_000] }, "unexpected EOF"},
		{"bit", board, bundle.Release, "v99.0.1", u.editions.Keys, func(made []byte) []byte {
			made[30_000] ^= 1
			return made
		}, "is not the one that was signed"},
	} {
		path := filepath.Join(dir, bad.name+bundle.Suffix)
		maker := edition.Maker{Image: u.editions.Image, Keys: bad.keys}
		if err := maker.Sign(bundle.Manifest{Board: bad.board, Variant: bad.variant, Version: bad.version, Floor: "v0.0.1"}, small, path); err != nil {
			t.Fatal(err)
		}
		if bad.damage != nil {
			made, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, bad.damage(made), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		u.plugged(t, path)
		said := command(t, u.box, "upgrade stage usb0:"+filepath.Base(path))
		if !strings.Contains(said, "% ") || !strings.Contains(said, bad.reason) {
			t.Errorf("upgrade stage of %s says\n%s\nwant an error with %q", bad.name, said, bad.reason)
		}
		pull(t, u.box)
	}
	contains(t, "show firmware", command(t, u.box, "show firmware"), "Staged: none", "Runs from: slot A")
}

// rollback has the box, which runs from slot B, go back to the image in slot A.
func (u *updates) rollback(t *testing.T) {
	if err := u.box.Machine.Console.Leave(within(t, time.Minute), "upgrade rollback now"); err != nil {
		t.Fatal(err)
	}
	if err := u.box.Answers(within(t, bootLimit)); err != nil {
		t.Fatal(u.box.Explain(err))
	}
	awaitCommand(t, u.box, "show firmware", "in slot A serves")
}

// comesBack puts a bad image on trial in slot B, and waits until the box is back
// with the image in slot A and says why.
func (u *updates) comesBack(t *testing.T, version, fault, reason string) {
	path := filepath.Join(t.TempDir(), version+bundle.Suffix)
	if _, err := u.editions.Bundle(t.Context(), edition.Edition{Version: version, Fault: fault}, path); err != nil {
		t.Fatal(err)
	}
	u.plugged(t, path)
	contains(t, "upgrade stage", command(t, u.box, "upgrade stage usb0:"), "Staged ", version)
	pull(t, u.box)
	console := u.box.Machine.Console
	if err := console.Leave(within(t, time.Minute), "upgrade activate now"); err != nil {
		t.Fatal(err)
	}
	ctx := within(t, updateLimit)
	for _, pattern := range []string{`init: causeway ` + version + ` on \S+ starting`, `init: causeway ` + regexp.QuoteMeta(u.editions.Version()) + ` on \S+ starting`, `init: ready`} {
		if _, err := console.Expect(ctx, pattern); err != nil {
			t.Fatal(err)
		}
	}
	text := command(t, u.box, "show firmware")
	contains(t, "show firmware", text, "Runs from: slot A", "Starts from: slot A", version+" in slot B went back")
	if !regexp.MustCompile("  Why: .*(?:" + reason + ")").MatchString(text) {
		t.Errorf("show firmware says\n%s\nwant as the reason %q", text, reason)
	}
	if strings.Contains(text, "its kernel crashed") { // the next trial is blamed on what is still in pstore
		awaitCommand(t, u.box, "show logging | include crashed before", "records are in harddisk:/crash")
	}
}
