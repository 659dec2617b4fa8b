package outbox

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"causeway/appliance/com/wire"
)

// file makes a file with some of everything in it.
func file(t *testing.T) []byte {
	t.Helper()
	o := options(t.TempDir())
	b := open(t, o)
	for range 30 {
		put(t, b, wire.ClassInformational, "commit", "")
		put(t, b, wire.ClassLicence, "state", "")
	}
	if err := b.acknowledge(b.entries[20].Sequence); err != nil {
		t.Fatal(err)
	}
	b.Close()
	content, err := os.ReadFile(o.File)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// expectUsable opens a file with this content and has the outbox work, whatever
// it is.
func expectUsable(t *testing.T, what string, content []byte) (setAside bool) {
	t.Helper()
	o := options(t.TempDir())
	if err := os.MkdirAll(filepath.Dir(o.File), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.File, content, 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, o)
	defer b.Close()
	_, err := os.Stat(o.File + ".bad")
	setAside = err == nil
	if told := b.Status().Problem != ""; told != setAside {
		t.Errorf("%s: set aside %t, and a condition says so %t", what, setAside, told)
	}
	if setAside && (len(b.entries) != 0 || b.Newest() != uint64(day.UnixMicro())) {
		t.Errorf("%s: set aside, and there are %d entries and the number %d; want none, and %d", what, len(b.entries), b.Newest(), day.UnixMicro())
	}
	n, before := len(b.entries), b.Newest()
	b.Put(wire.ClassLicence, "after", "", nil) // may find the damage, but not lose the entry
	if got := len(b.entries); got != n+1 || b.entries[n].Sequence != before+1 {
		t.Errorf("%s: there are %d entries after a Put; want %d", what, got, n+1)
	}
	return setAside
}

func TestDamagedFile(t *testing.T) {
	content := file(t)
	random := rand.New(rand.NewPCG(9, 5))
	aside := 0
	for range 60 {
		damaged := append([]byte(nil), content...)
		for range 1 + random.IntN(200) {
			damaged[random.IntN(len(damaged))] ^= byte(1 + random.IntN(255))
		}
		if expectUsable(t, "flipped octets", damaged) {
			aside++
		}
	}
	for length := 0; length < len(content); length += len(content)/40 + 1 {
		if expectUsable(t, "cut off", content[:length]) {
			aside++
		}
	}
	if aside < 20 {
		t.Errorf("%d damaged files were set aside; want 20 at least, or the damage is none", aside)
	}
}

// TestCutWhileWriting has a cut leave some of the pages of a write, in any order,
// without the one that is written last and makes them count.
func TestCutWhileWriting(t *testing.T) {
	o := options(t.TempDir())
	b := open(t, o)
	for range 20 {
		put(t, b, wire.ClassLicence, "before", "")
	}
	before, err := os.ReadFile(o.File)
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, wire.ClassLicence, "cut", "")
	after, err := os.ReadFile(o.File)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	const page = 4096
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		torn := append([]byte(nil), before...)
		for at := 2 * page; at+page <= min(len(before), len(after)); at += page { // the first two are the meta pages
			if random.IntN(2) == 0 {
				copy(torn[at:at+page], after[at:at+page])
			}
		}
		dir := t.TempDir()
		o := options(dir)
		if err := os.MkdirAll(filepath.Dir(o.File), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(o.File, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		b := open(t, o)
		if got := len(b.entries); got != 20 || b.Status().Problem != "" {
			t.Errorf("after a cut there are %d entries and %q; want 20, and no trouble", got, b.Status().Problem)
		}
		b.Close()
	}
}
