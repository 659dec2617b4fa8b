package billing

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"causeway/appliance/billing/cache"
	"causeway/appliance/billing/journal"
	"causeway/appliance/storage"
)

// keptSnapshot writes a snapshot of everything and gives it with its file.
func keptSnapshot(t *testing.T) (s *snapshot, file string, text []byte) {
	t.Helper()
	path := storage.Path{Volume: "harddisk", Name: "old"}
	s = &snapshot{
		Event: 7,
		Era:   1<<64 - 1,
		Terms: &terms{ElementID: 42, Bills: 1 << 3, Quiesce: 1 << 3, Consumers: []cache.Consumer{{Name: "packetcable-em-3", Place: 3}}, Cache: path},
		Fresh: []cache.Record{{Kind: cache.EM, To: 1 << 3, Source: cache.Source{Event: 6, Last: true}, Payload: []byte("one")}},
		Left:  []left{{path, 5}},
		state: []byte("the open calls"),
	}
	file = filepath.Join(t.TempDir(), snapshotName)
	if err := writeSnapshot(file, journal.BoxOf("here"), s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return s, file, text
}

// A snapshot is read as it was written, by the box that has written it.
func TestSnapshot(t *testing.T) {
	s, file, _ := keptSnapshot(t)
	if got, err := readSnapshot(file, journal.BoxOf("here")); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("readSnapshot = %+v, %v; want %+v", got, err, s)
	}
	for _, other := range []struct{ file, box string }{{file, "elsewhere"}, {file + ".none", "here"}} {
		if got, err := readSnapshot(other.file, journal.BoxOf(other.box)); !errors.Is(err, errNoSnapshot) {
			t.Errorf("readSnapshot(%s) of box %s = %+v, %v; want %v", other.file, other.box, got, err, errNoSnapshot)
		}
	}
}

// A snapshot that is cut anywhere, or altered in what this package reads of it,
// is refused: its events come again.
func TestDamagedSnapshot(t *testing.T) {
	s, file, text := keptSnapshot(t)
	refuse := func(damage string, at int, text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := readSnapshot(file, journal.BoxOf("here")); !errors.Is(err, errSnapshotDamaged) {
			t.Errorf("readSnapshot, %s octet %d = %+v, %v; want %v", damage, at, got, err, errSnapshotDamaged)
		}
	}
	for at := range text {
		refuse("cut at", at, text[:at])
		if at < len(text)-len(s.state) {
			altered := bytes.Clone(text)
			altered[at] ^= 1
			refuse("altered", at, altered)
		}
	}
}
