package logging

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"causeway/appliance/link"
)

// TestLogger: what a process writes without debugging, and what readLine makes
// of it.
func TestLogger(t *testing.T) {
	var out journal
	log, _ := New(&out, "proxy")
	log.With("a", 1).WithGroup("g").Warn("some words", "time", "kept", "b", "c d")
	log.Debug("not written")
	const want = "level=WARN msg=\"some words\" a=1 g.time=kept g.b=\"c d\"\n"
	if got := out.String(); got != want {
		t.Errorf("the line is %q; want %q", got, want)
	}
}

// TestDebug: it is on for the time that was asked for, and no more lines are
// written than the rate allows.
func TestDebug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out journal
		log, d := New(&out, "proxy")
		derived := log.With("a", 1)
		burst := func(n int) {
			for range n {
				derived.Debug("detail")
			}
		}
		count := func(text string, want int) {
			t.Helper()
			if got := strings.Count(out.String(), text); got != want {
				t.Errorf("%q stands %d times in the log; want %d", text, got, want)
			}
		}
		if err := d.set(2); err != nil {
			t.Fatal(err)
		}
		burst(debugRate + 7)
		log.Info("not a detail")
		count("level=DEBUG msg=detail a=1\n", debugRate)
		count("level=INFO msg=\"not a detail\"\n", 1)
		time.Sleep(time.Second)
		burst(debugRate)
		count("level=DEBUG msg=detail a=1\n", 2*debugRate)
		count("level=DEBUG msg=\"debug lines were dropped\" lines=7\n", 1)
		if got, want := d.status(), (DebugStatus{Left: 119 * time.Second, Dropped: 7}); got != want {
			t.Errorf("status = %+v; want %+v", got, want)
		}

		if err := d.set(1); err != nil { // begins anew
			t.Fatal(err)
		}
		time.Sleep(time.Minute - time.Nanosecond)
		if got := d.status().Left; got != time.Nanosecond {
			t.Errorf("a moment before its end %v are left; want 1ns", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		burst(1)
		count("level=DEBUG msg=detail a=1\n", 2*debugRate)
		count("level=INFO msg=\"debugging is off\" dropped=0\n", 1)
		if got := d.status(); got != (DebugStatus{}) {
			t.Errorf("status after its end = %+v; want it off", got)
		}

		for _, minutes := range []int{-1, 61} {
			if err := d.set(minutes); err == nil {
				t.Errorf("set(%d) = nil; want an error", minutes)
			}
		}
		if err := d.set(60); err != nil {
			t.Fatal(err)
		}
		if err := d.set(0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour) // no timer is left that says so again
		count("debugging is off", 2)
	})
}

// TestDebugMethod: over link, with the parameters that exec sends.
func TestDebugMethod(t *testing.T) {
	_, d := New(&journal{}, "proxy")
	socket := filepath.Join(t.TempDir(), "link.sock")
	listener, err := link.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- link.ServeListener(ctx, listener, d.Methods()) }()
	defer func() { cancel(); <-served }()
	minutes := func(n int) *int { return &n }
	for _, test := range []struct {
		minutes *int
		want    string
	}{
		{nil, "off"},
		{minutes(10), "for 10m0s more, 0 lines dropped"},
		{nil, "for 10m0s more, 0 lines dropped"},
		{minutes(0), "off"},
		{minutes(61), "debug for 61 minutes: 1 to 60 are allowed"},
	} {
		var status DebugStatus
		err := link.Call(t.Context(), socket, "proxy.debug", DebugRequest{test.minutes}, &status)
		got := status.String()
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("proxy.debug = %s; want %s", got, test.want)
		}
	}
}
