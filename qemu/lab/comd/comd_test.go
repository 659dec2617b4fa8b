package comd

import (
	"context"
	"testing"
	"time"

	"causeway/appliance/com/wire"
)

// TestEnrolment takes a new box from its first dial to a subscription, over both
// subprotocols.
func TestEnrolment(t *testing.T) {
	for _, subprotocol := range []string{wire.Mux, wire.RPC} {
		t.Run(subprotocol, func(t *testing.T) {
			w := newWorld(t, Options{})
			b := newBox(w, "FHK1234ABcd")
			b.subprotocol = subprotocol
			s := b.mustConnect(nil)
			if !s.welcome.Pending || s.welcome.Enroll || s.welcome.Heartbeat != 30 || len(s.welcome.Nonce) != 16 {
				t.Errorf("welcome of a new box = %+v", s.welcome)
			}
			var license wire.License
			if err := s.call(wire.MethodLicenseCheck, nil, &license); err != nil || !license.Pending || len(license.Subscriptions) > 0 {
				t.Errorf("license.check of a pending box = %+v, %v", license, err)
			}
			if err := s.call(wire.MethodEnroll, wire.Enroll{Request: b.request(b.serial)}, nil); err == nil {
				t.Error("a pending box gets a certificate")
			}
			if err := w.Approve(t.Context(), b.serial); err != nil {
				t.Fatal(err)
			}
			s.wait(wire.MethodGoAway)
			s.end()

			if s = b.mustConnect(nil); s.welcome.Pending || !s.welcome.Enroll {
				t.Errorf("welcome of an approved box = %+v", s.welcome)
			}
			if err := s.call(wire.MethodEnroll, wire.Enroll{Request: b.request("FHK9999ABcd")}, nil); err == nil {
				t.Error("a box gets a certificate of another one")
			}
			s.enroll()
			s.end()

			if s = b.mustConnect(nil); s.welcome.Pending || s.welcome.Enroll {
				t.Errorf("welcome of an enrolled box = %+v", s.welcome)
			}
			ends := w.Now().Add(time.Hour).Truncate(time.Second)
			if err := w.Subscribe(t.Context(), b.serial, wire.Subscription{Feature: wire.FeatureCalls, Count: 30, Expires: ends}); err != nil {
				t.Fatal(err)
			}
			s.wait(wire.MethodLicenseChanged)
			wanted := wire.LicenseRequest{Wanted: []wire.Wanted{{Feature: wire.FeatureCalls, Count: 30}}}
			if err := s.call(wire.MethodLicenseRequest, wanted, &license); err != nil || license.Pending || len(license.Subscriptions) != 1 ||
				license.Subscriptions[0].Count != 30 || !license.Subscriptions[0].Expires.Equal(ends) {
				t.Errorf("license.request = %+v, %v", license, err)
			}
			if err := w.AdvanceClock(t.Context(), 2*time.Hour); err != nil {
				t.Fatal(err)
			}
			s.wait(wire.MethodLicenseChanged)
			if err := s.call(wire.MethodLicenseCheck, nil, &license); err != nil || len(license.Subscriptions) > 0 {
				t.Errorf("license.check after the end = %+v, %v", license, err)
			}
		})
	}
}

// TestState has what heartbeats say in the store, and that the link has ended.
func TestState(t *testing.T) {
	heard := make(chan wire.Heartbeat, 1)
	w := newWorld(t, Options{Heard: func(_ string, beat wire.Heartbeat) { heard <- beat }})
	if err := w.Preregister("FHK1234ABcd", FirstCustomer); err != nil {
		t.Fatal(err)
	}
	s := newBox(w, "FHK1234ABcd").mustConnect(nil)
	up := func() bool { state, err := w.Store.State("FHK1234ABcd"); return err == nil && state.Up }
	eventually(t, "the box is up", up)
	if err := s.Notify(t.Context(), wire.MethodHeartbeat, wire.Heartbeat{Sequence: 1, Calls: 7}); err != nil {
		t.Fatal(err)
	}
	if beat := <-heard; beat.Calls != 7 {
		t.Errorf("heartbeat = %+v; want 7 calls", beat)
	}
	s.end()
	eventually(t, "the box is down", func() bool { return !up() })
	if state, err := w.Store.State("FHK1234ABcd"); err != nil || state.Beat.Calls != 7 || state.Session != "" {
		t.Errorf("state = %+v, %v; want the 7 calls of the last heartbeat", state, err)
	}
}

// TestOneSession has the later link of a box end the earlier one.
func TestOneSession(t *testing.T) {
	w := newWorld(t, Options{})
	b := newBox(w, "FHK1234ABcd")
	first := b.mustConnect(nil)
	second := b.mustConnect(nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-first.streams.Done():
	case <-ctx.Done():
		t.Error("the earlier link stays")
	}
	if err := second.call(wire.MethodLicenseCheck, nil, nil); err != nil {
		t.Errorf("the later link: %v", err)
	}
	if n := w.Gateway.Links(); n != 1 {
		t.Errorf("links = %d; want 1", n)
	}
}

// TestPush pushes entries, some of them twice, and has a box begin anew.
func TestPush(t *testing.T) {
	w := newWorld(t, Options{})
	s := newBox(w, "FHK1234ABcd").mustConnect(nil)
	if err := s.call(wire.MethodAlarmPush, wire.Push{Entries: []wire.Entry{{Sequence: 1}}}, nil); err == nil {
		t.Error("what a pending box pushes is kept")
	}
	if err := w.Preregister("FHK1234ABcd", FirstCustomer); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	entry := func(sequence uint64, later time.Duration) wire.Entry {
		return wire.Entry{Sequence: sequence, Time: at.Add(later), Class: wire.ClassAlarm, Kind: "alarm"}
	}
	for _, push := range []wire.Push{
		{Entries: []wire.Entry{entry(1, 0), entry(2, 1)}},
		{Entries: []wire.Entry{entry(2, 1), entry(3, 2)}},
		{Entries: []wire.Entry{entry(1, time.Hour), entry(2, time.Hour)}}, // its outbox was lost
	} {
		var answer wire.Acknowledged
		if err := s.call(wire.MethodAlarmPush, push, &answer); err != nil || answer.Upto != push.Entries[1].Sequence {
			t.Errorf("alarm.push = %+v, %v; want %d", answer, err, push.Entries[1].Sequence)
		}
	}
	list, err := w.Store.Entries("FHK1234ABcd", 4)
	var got []uint64
	for _, e := range list {
		got = append(got, e.Sequence)
	}
	if err != nil || len(got) != 4 || got[0] != 2 || got[1] != 3 || got[2] != 1 || got[3] != 2 {
		t.Errorf("the newest 4 entries = %v, %v; want 2 3 1 2", got, err)
	}
}

// TestRestart takes up a server from its directory: certificates are good, the
// clock is where it was.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	var b *box
	t.Run("first", func(t *testing.T) {
		w := newWorld(t, Options{Dir: dir})
		if err := w.Preregister("FHK1234ABcd", FirstCustomer); err != nil {
			t.Fatal(err)
		}
		if err := w.AdvanceClock(t.Context(), 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		b = newBox(w, "FHK1234ABcd")
		b.mustConnect(nil).enroll()
	})
	b.world = newWorld(t, Options{Dir: dir})
	b.t = t
	if state, err := b.Store.State(b.serial); err != nil || state.Up {
		t.Errorf("state = %+v, %v; want the box down", state, err)
	}
	if s := b.mustConnect(nil); s.welcome.Pending || s.welcome.Enroll {
		t.Errorf("welcome = %+v; want one of an enrolled box", s.welcome)
	}
	if ahead := time.Until(b.Now()); ahead < 23*time.Hour {
		t.Errorf("the clock is %v ahead; want a day", ahead)
	}
}

// TestGoAway ends a server with boxes that are told to come back.
func TestGoAway(t *testing.T) {
	w := newWorld(t, Options{})
	s := newBox(w, "FHK1234ABcd").mustConnect(nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.Gateway.Close(ctx, time.Minute, "done"); err != nil {
		t.Error(err)
	}
	s.wait(wire.MethodGoAway)
	select {
	case <-s.streams.Done():
	case <-ctx.Done():
		t.Error("the link stays")
	}
}
