//go:build e2e

package e2e

import (
	"context"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// billedByXML is billing by small XML files.
const billedByXML = "method xml\nxml 1\nflipped-size 4\nattach\nexit\ncdr media-info\n"

// schema is that of the files.
const schema = root + "/docs/cdr.xsd"

// valid has xmllint (Debian package libxml2-utils) hold a file against the schema.
func valid(ctx context.Context, file string) ([]byte, error) {
	return exec.CommandContext(ctx, "xmllint", "--noout", "--schema", schema, file).CombinedOutput()
}

// summed has md5sum compare the files of a directory with a checksum log there.
func summed(ctx context.Context, dir, log string) ([]byte, error) {
	command := exec.CommandContext(ctx, "md5sum", "--strict", "-c", log)
	command.Dir = dir
	return command.CombinedOutput()
}

// TestBillingXML has calls of all kinds written to files while billing is
// killed. Every call is in one file; xmllint and md5sum find nothing wrong with
// any, and see that a file is not what it was.
func TestBillingXML(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	config := billingConfig{billing: billedByXML}
	b := billedBox(t, config)
	status := map[string]int{} // of each call by its Call-ID
	for _, kind := range billedKinds[:5] {
		kind.calls, kind.rate = 10, 100
		calls := b.start(ctx, kind)
		if kind.name == "busy" {
			b.billing.Kill()
			if err := b.billing.Start(ctx, b.text(config)); err != nil {
				t.Fatal(err)
			}
		}
		for _, call := range b.finish(calls) {
			status[calls.prefix+"-"+strings.TrimPrefix(call.Number, calls.prefix)] = call.Status
		}
	}
	dir := filepath.Join(b.proxy.Dir(), "harddisk", "cdr")
	b.written(ctx, dir, len(status))
	config.inactive = true
	b.configure(ctx, config)
	files := b.finished(ctx, dir)
	found := map[string]int{}
	for _, file := range files {
		if said, err := valid(ctx, file); err != nil {
			t.Errorf("xmllint: %v: %s", err, said)
		}
		for _, call := range callsIn(t, file) {
			found[call.CallID]++
			if call.Answered() != (status[call.CallID] == 200) {
				t.Errorf("call %s is %+v; its caller got %d", call.CallID, call, status[call.CallID])
			}
		}
	}
	for id := range status {
		if found[id] != 1 {
			t.Errorf("call %s is in %d files; want 1", id, found[id])
		}
	}
	if len(found) != len(status) || len(files) < 3 {
		t.Errorf("%d calls are in %d files; want %d calls in some", len(found), len(files), len(status))
	}
	t.Logf("calls=%d files=%d", len(found), len(files))
	if said, err := summed(ctx, dir, "md5checksum1.log"); err != nil || strings.Count(string(said), ": OK") != len(files) {
		t.Errorf("md5sum: %v: %s; want %d files that are right", err, said, len(files))
	}

	// Both see a change.
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string]string{
		"an attribute is missing":          strings.Replace(string(text), " starttime=", " begintime=", 1),
		"a time is no number":              strings.Replace(string(text), `endtime="`, `endtime="x`, 1),
		"an element is in the wrong place": strings.Replace(string(text), "<party ", "<release time=\"1\"/>\n<party ", 1),
		"it is cut":                        string(text[:len(text)/2]),
	} {
		if err := os.WriteFile(files[0], []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if said, err := valid(ctx, files[0]); err == nil {
			t.Errorf("xmllint finds nothing where %s: %s", name, said)
		}
		if said, err := summed(ctx, dir, "md5checksum1.log"); err == nil {
			t.Errorf("md5sum finds nothing where %s: %s", name, said)
		}
	}
}

// written waits until that many calls are in the files.
func (b *billed) written(ctx context.Context, dir string, calls int) {
	b.t.Helper()
	for {
		files, err := filepath.Glob(filepath.Join(dir, "billing-*"))
		if err != nil {
			b.t.Fatal(err)
		}
		found := 0
		for _, file := range files {
			text, _ := os.ReadFile(file) // a file that was finished since has another name
			found += strings.Count(string(text), " callid=")
		}
		if found >= calls {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("%d calls are in %q; want %d", found, files, calls)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// finished waits until no file is open, and gives the finished ones.
func (b *billed) finished(ctx context.Context, dir string) []string {
	b.t.Helper()
	for {
		open, err := filepath.Glob(filepath.Join(dir, "*.part"))
		if err != nil {
			b.t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
		if err != nil {
			b.t.Fatal(err)
		}
		if len(open) == 0 && len(files) > 0 {
			return files
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("open are %q, finished %q", open, files)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// xmlCall is the part of a call's record that is looked at.
type xmlCall struct {
	CallID  string    `xml:"callid,attr"`
	Connect *struct{} `xml:"connect"`
}

// Answered reports whether the record says so.
func (c xmlCall) Answered() bool { return c.Connect != nil }

func callsIn(t *testing.T, file string) []xmlCall {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Calls []xmlCall `xml:"call"`
	}
	if err := xml.Unmarshal(text, &document); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	return document.Calls
}

// TestBillingFilter has call admission control say who bills a call.
func TestBillingFilter(t *testing.T) {
	t.Parallel()
	ctx := within(t, 2*time.Minute)
	config := billingConfig{clients: [][]radiusServer{{moon}}, billing: billedByXML}
	b := billedBox(t, config)
	keeper := b.begin(ctx, b.keeper(moon.port, moon.secret))
	xmlCalls := 0
	for _, test := range []struct {
		lines        string
		packets, xml bool
	}{
		{"billing filter disable\n", true, true},
		{"billing filter enable\nbilling methods xml\n", false, true},
		{"billing filter enable\nbilling methods packetcable-em\n", true, false},
		{"billing filter enable\n", false, false},
	} {
		now := config
		now.sbe = "cac-policy-set 1\nfirst-cac-scope call\nfirst-cac-table calls\ncac-table calls\ntable-type policy-set\nentry 1\n" +
			test.lines + "action cac-complete\nexit\nexit\nexit\n"
		b.configure(ctx, now)
		before := len(b.calls)
		calls := ordinary(3, 100)
		calls.media = true
		b.place(ctx, calls)
		if !test.packets {
			b.calls = b.calls[:before]
		}
		if test.xml {
			xmlCalls += 3
		}
	}
	b.recorded(ctx, keeper)
	dir := filepath.Join(b.proxy.Dir(), "harddisk", "cdr")
	b.written(ctx, dir, xmlCalls)
	config.inactive = true
	b.configure(ctx, config)
	found := 0
	for _, file := range b.finished(ctx, dir) {
		found += len(callsIn(t, file))
	}
	if found != xmlCalls {
		t.Errorf("%d calls are in files; want %d", found, xmlCalls)
	}
}
