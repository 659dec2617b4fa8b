package board

import (
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for _, name := range Names() {
		b, err := Find(name)
		if err != nil || b.Name != name {
			t.Errorf("Find(%q) = %v, %v; want the board of that name", name, b, err)
		}
	}
	_, err := Find("toaster")
	if err == nil || !strings.Contains(err.Error(), "x86_64, arm64") {
		t.Errorf("Find(toaster) = %v; want an error that names the boards", err)
	}
}

// TestBoards holds every board to what the rest of the project relies on.
func TestBoards(t *testing.T) {
	for _, b := range boards {
		for field, value := range map[string]string{
			"GOARCH": b.GOARCH, "DebianArch": b.DebianArch, "KernelPackage": b.KernelPackage,
			"StubPackage": b.StubPackage, "StubFile": b.StubFile, "Console": b.Console,
		} {
			if value == "" {
				t.Errorf("board %s: %s is empty", b.Name, field)
			}
		}
		if !strings.HasPrefix(b.EFIFile, `\EFI\BOOT\BOOT`) || !strings.HasSuffix(b.EFIFile, ".EFI") {
			t.Errorf("board %s: EFIFile = %s; want a removable path", b.Name, b.EFIFile)
		}
		if len(b.Always) == 0 || len(b.Firewall) == 0 || len(b.Later) == 0 {
			t.Errorf("board %s: modules %q, %q, %q; want some of each", b.Name, b.Always, b.Firewall, b.Later)
		}
		if last := b.Watchdogs[len(b.Watchdogs)-1]; last != "softdog" {
			t.Errorf("board %s: last watchdog = %s; want the one that needs no hardware", b.Name, last)
		}
		for _, module := range b.AllModules() {
			if strings.Contains(module, "-") {
				t.Errorf("board %s: module %s; want the kernel's spelling, with _", b.Name, module)
			}
		}
	}
}

func TestCommandLine(t *testing.T) {
	const want = "console=ttyS0,115200 panic=5 loglevel=4 log_buf_len=1M usbcore.authorized_default=0 watchdog.stop_on_reboot=0 " +
		"lockdown=integrity module.sig_enforce=1 slab_nomerge debugfs=off no_timer_check"
	if got := x86_64.CommandLine(); got != want {
		t.Errorf("CommandLine() = %q; want %q", got, want)
	}
}
