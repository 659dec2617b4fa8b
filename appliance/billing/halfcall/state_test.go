package halfcall

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"causeway/appliance/model"
)

// openCalls is a manager with a call in each stage.
func openCalls() *Manager {
	s := withMedia()
	s.Bills |= byXML
	m := New(s)
	life := []model.CallEvent{withSDP(offered, audio("192.168.42.9", "4000")), routed, withSDP(ringing, audio("192.0.2.2", "5000")),
		withSDP(answered, audio("media.example", "5000")), bye}
	for stage := range life {
		for i, e := range life[:stage+1] {
			e.Key, e.Time = model.CallKey{byte(stage)}, midnight.Add(1)
			m.Event(uint64(10*stage+i), &e, collect(new([]string)))
		}
	}
	return m
}

func TestState(t *testing.T) {
	m := openCalls()
	state := m.AppendState([]byte("before"))[len("before"):]
	if size := len(state) / len(m.calls); size > 500 {
		t.Errorf("%d octets a call; want 500 at most", size)
	}
	again := New(withMedia())
	if err := again.RestoreState(state); err != nil {
		t.Fatal(err)
	}
	if got := again.AppendState(nil); !bytes.Equal(got, state) {
		t.Errorf("restored state is\n%x; want\n%x", got, state)
	}
	for cut := range state {
		if err := again.RestoreState(state[:cut]); err == nil {
			t.Errorf("a state of %d octets of %d is restored", cut, len(state))
		}
	}
	for at := range state {
		flipped := bytes.Clone(state)
		flipped[at] ^= 1 << (at % 8)
		if err := again.RestoreState(flipped); err == nil {
			t.Errorf("a state with octet %d flipped is restored", at)
		}
	}
	if len(again.calls) != len(m.calls) {
		t.Errorf("%d calls after states that do not serve; want those of before, %d", len(again.calls), len(m.calls))
	}
	if err := again.RestoreState(New(settings()).AppendState(nil)); err != nil || len(again.calls) != 0 {
		t.Errorf("the state without calls: %v, %d calls", err, len(again.calls))
	}
}

// FuzzState checks that no state makes trouble, whatever stands in it, and
// that what is restored is written again and folded on.
func FuzzState(f *testing.F) {
	state := openCalls().AppendState(nil)
	f.Add(state[1 : len(state)-stateTail])
	f.Add([]byte{1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		state := append([]byte{stateVersion}, body...)
		state = binary.LittleEndian.AppendUint32(state, crc32.Checksum(state, castagnoli))
		m := New(withMedia())
		if m.RestoreState(state) != nil {
			return
		}
		if err := New(withMedia()).RestoreState(m.AppendState(nil)); err != nil {
			t.Fatalf("state %x is not restored again: %v", state, err)
		}
		m.Abort(byMessages, midnight, collect(new([]string)))
		for key := range m.calls {
			m.Lost([]model.CallKey{key}, midnight, collect(new([]string)))
		}
	})
}
