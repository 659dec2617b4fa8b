package halfcall

import (
	"encoding/binary"
	"testing"
	"time"

	"causeway/appliance/billing/cache"
	"causeway/appliance/model"
)

// BenchmarkCall folds the six events of an answered call.
func BenchmarkCall(b *testing.B) {
	media := withMedia()
	media.Bills |= byXML
	for _, test := range []struct {
		name     string
		settings Settings
		life     []model.CallEvent
	}{
		{"EM", settings(), []model.CallEvent{offered, routed, ringing, answered, bye, ended}},
		{"EM+XML+media", media, []model.CallEvent{withSDP(offered, audio("192.0.2.1", "4000")), routed, ringing,
			withSDP(answered, audio("192.0.2.2", "5000")), bye, ended}},
	} {
		b.Run(test.name, func(b *testing.B) {
			m := New(test.settings)
			records, number := 0, uint64(0)
			emit := func(cache.Record) { records++ }
			b.ReportAllocs()
			for b.Loop() {
				for _, e := range test.life {
					binary.LittleEndian.PutUint64(e.Key[:], number/uint64(len(test.life)))
					e.Time = midnight.Add(time.Duration(number) * time.Millisecond)
					number++
					m.Event(number, &e, emit)
				}
			}
			if want := 8 * int(number) / len(test.life); records < want {
				b.Fatalf("%d records; want %d", records, want)
			}
		})
	}
}
