package console

import (
	"io"
	"runtime"
	"testing"

	"causeway/appliance/grammar"
	"causeway/appliance/model"
)

// TestSessionsAreSmall: as many sessions as there may be over SSH fit in what
// control has on the smallest box.
func TestSessionsAreSmall(t *testing.T) {
	settings := Settings{Out: io.Discard, Grammar: grammar.All(), Words: grammar.Words(), Commands: grammar.Exec(), Login: &model.Login{}}
	var err error
	if settings.Vocabularies, err = NewVocabularies(settings.Grammar, settings.Words, settings.Commands); err != nil {
		t.Fatal(err)
	}
	const sessions, most = 32, 1 << 20 // octets of one
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range sessions {
		if _, err := New(settings); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / sessions; each > most {
		t.Errorf("a session allocates %d octets; want %d at the most", each, most)
	}
}
