//go:build e2e

package e2e

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"causeway/qemu/load"
)

// tools builds the program of the lab, once: comd and comctl are in it.
var tools = sync.OnceValues(func() (string, error) {
	program := filepath.Join(scratch, "qemu")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", program, "./qemu")
	build.Dir = root
	output, err := build.CombinedOutput()
	if err != nil {
		err = errors.Join(err, errors.New(string(output)))
	}
	return program, err
})

// TestCOMFleet is `make bench-com` in short: boxes with certificates of their own
// have links to a COM server, which dies, and come back.
func TestCOMFleet(t *testing.T) {
	t.Parallel()
	program, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	cost, err := load.COM{Program: program, Boxes: 40, Beat: time.Second, Progress: t.Output()}.Run(within(t, 3*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", cost)
	if cost.Links != 40 || cost.Beats < 40 || cost.Recovery <= 0 {
		t.Errorf("%+v; want 40 links whose hearts beat, and which return", cost)
	}
}
