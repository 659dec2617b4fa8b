package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/appliance/access"
	"causeway/appliance/com/wire"
	"causeway/appliance/config/change"
	"causeway/appliance/model"
)

// TestCOMServices: files, backups, metrics and alarms over COM are those of the
// box.
func TestCOMServices(t *testing.T) {
	r := newRemote(t)
	log := filepath.Join(r.volumes, "harddisk", "log")
	if err := os.MkdirAll(log, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(log, "messages"), []byte("a line\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method string
		params any
		want   string
	}{
		{wire.MethodFileList, wire.FileList{Path: "log:"}, `"messages"`},
		{wire.MethodMetricsGet, struct{}{}, "causeway_build_info"},
		{wire.MethodAlarmsGet, struct{}{}, `"active":[`},
		{wire.MethodFirmwareStatus, struct{}{}, `"staged":""`},
	} {
		if got := r.call(test.method, test.params); !strings.Contains(got, test.want) {
			t.Errorf("%s = %.300s; want %s in it", test.method, got, test.want)
		}
	}
	stream := r.open(wire.StreamFile, wire.File{Path: "log:messages", Offset: 2})
	got := make([]byte, len("line\n"))
	if _, err := io.ReadFull(stream, got); string(got) != "line\n" || err != nil {
		t.Errorf("log:messages from its third octet on = %q, %v; want the rest", got, err)
	}
}

// TestCOMRestore: what a backup holds comes into force by a commit over COM.
func TestCOMRestore(t *testing.T) {
	r := newRemote(t)
	serial := filepath.Join(r.volumes, "run", "init", "serial")
	if err := errors.Join(os.MkdirAll(filepath.Dir(serial), 0o750), os.WriteFile(serial, []byte("ABCDEFGHIJK\n"), 0o640)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(r.volumes, "harddisk"), 0o750); err != nil {
		t.Fatal(err)
	}
	const passphrase = "correct-horse-battery-staple"
	r.commits("hostname saved", "backup passphrase "+passphrase)
	var made wire.Text
	if err := json.Unmarshal([]byte(r.call(wire.MethodBackupRun, wire.BackupRun{})), &made); err != nil {
		t.Fatal(err)
	}
	file, _, _ := strings.Cut(made.Text, ",")
	r.commits("hostname changed")
	r.call(wire.MethodBackupRestore, wire.BackupRestore{Name: filepath.Base(file), Passphrase: passphrase})
	r.puts()
	if got := r.call(wire.MethodConfigGet, wire.ConfigGet{Source: "running"}); !strings.Contains(got, "hostname saved") {
		t.Errorf("after a backup was restored and committed the configuration is %.300s; want its host name", got)
	}
}

// commits puts lines in force.
func (r *remote) commits(lines ...string) {
	r.t.Helper()
	if faults := r.call(wire.MethodConfigEdit, wire.ConfigEdit{Lines: lines}); faults != `{"faults":[]}` {
		r.t.Fatalf("config.edit of %q = %s; want no faults", lines, faults)
	}
	r.puts()
}

// puts puts the candidate in force, and confirms that in the next session.
func (r *remote) puts() {
	r.t.Helper()
	var done wire.Committed
	if err := json.Unmarshal([]byte(r.call(wire.MethodConfigCommit, wire.ConfigCommit{})), &done); err != nil || done.Revision == 0 {
		r.t.Fatalf("config.commit = %+v, %v; want a revision", done, err)
	}
	r.caller.Session.Number++
	r.call(wire.MethodConfigConfirm, wire.ConfigConfirm{Revision: done.Revision})
}

// TestCOMIsTold: what happens on the box waits in the outbox, states once.
func TestCOMIsTold(t *testing.T) {
	b := newBox(t)
	c := build(b.options, b.pace)
	defer c.outbox.Close()
	config := &model.Config{COM: model.COM{CustomerID: "C-1"}}
	for range 2 {
		c.tellOf(change.InForce{Number: 7, ID: "7-abc", Source: change.SourceRevision, Config: config})
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.tellCOM(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	c.noteLogin(access.Entry{User: model.COMAdmin, Origin: "com anna", Method: "com"}) // which COM knows
	c.noteLogin(access.Entry{User: "alice", Origin: "ttyS0", Method: "password"})
	want := map[string]int{wire.ClassInformational: 3, wire.ClassLicence: 1}
	eventually(t, "boot, configuration, login and licence wait", func() string {
		if got := c.outbox.Status().Classes; !maps.Equal(got, want) {
			return fmt.Sprintf("there are %v; want %v", got, want)
		}
		return ""
	})
}
