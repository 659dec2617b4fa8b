//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/appliance/com/line"
	"causeway/appliance/com/outbox"
	"causeway/qemu/lab/comd"
)

// TestCOMServices: what happens on a box comes to COM, a file of the box comes
// whole, and the line is measured on command.
func TestCOMServices(t *testing.T) {
	t.Parallel()
	services := ""
	for _, name := range []string{"alarms", "files", "metrics"} {
		services += "com service " + name + "\n"
	}
	b := newSubscribedBox(t, services, nil, comd.Options{})
	b.eventually(func() error {
		var s outbox.Status
		b.check(b.Control.Call(t.Context(), "com.outbox", nil, &s))
		if s.Acknowledged == 0 || s.Entries > 0 {
			return fmt.Errorf("the outbox is %+v; want all of it acknowledged", s)
		}
		return nil
	})
	var test line.Test
	b.check(b.Control.Call(within(t, comLimit), "com.line-test", line.TestRequest{}, &test))
	if test.Up < line.LeastBandwidth || test.Down < line.LeastBandwidth || test.RoundTrip <= 0 {
		t.Errorf("com.line-test = %+v; want a line within the machine", test)
	}
	b.told("alarm", "license-evaluation")
	b.does("license-evaluation", "alarms", b.Serial)
	b.does("causeway_build_info", "metrics", b.Serial)
	b.does("sml.log", "file", "list", b.Serial, "log:")
	into := filepath.Join(t.TempDir(), "sml.log")
	b.does("", "file", "get", b.Serial, "log:sml.log", into)
	text, err := os.ReadFile(into)
	b.check(err)
	if len(text) == 0 {
		t.Error("log:sml.log came empty; want the licence log")
	}
	for _, refused := range []struct{ why, path string }{
		{"leads elsewhere", "log:../certificates"},
		{"is not there", "log:none"},
	} {
		if output, err := b.comctl("file", "get", b.Serial, refused.path, into+".other"); err == nil || !strings.Contains(output, refused.why) {
			t.Errorf("file get %s = %v:\n%s\nwant %q", refused.path, err, output, refused.why)
		}
	}
	if output, err := b.comctl("backup", b.Serial); err == nil || !strings.Contains(output, "4001") {
		t.Errorf("backup while its service is off = %v:\n%s\nwant code 4001", err, output)
	}
	b.audited("refused", "backup.run")
}
