package update

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"

	"causeway/appliance/bundle"
	"causeway/appliance/model"
)

func TestStage(t *testing.T) {
	b := newBox(t)
	for _, version := range []string{"v1.2.0", "v1.2.0+0123456789ab", "v1.0.0"} {
		content := bundleOf(t, manifest(version), releaseKey)
		b.put("usb0/x", content)
		staged, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:x")})
		name := "causeway-x86_64-" + version + ".causeway"
		if err != nil || staged.Version != version || staged.Name != name || staged.Size != int64(len(content)) {
			t.Fatalf("stage of %s = %+v, %v", version, staged, err)
		}
		kept, err := os.ReadFile(b.path("harddisk/firmware/" + name))
		if err != nil || !bytes.Equal(kept, content) {
			t.Errorf("the shelf has %d octets of %s, %v; want all %d", len(kept), version, err, len(content))
		}
		if got, want := b.shelfNames(), name+" "+name+".sha256"; got != want {
			t.Errorf("the shelf has %s; want %s", got, want)
		}
		if got := New(b.options()).Status().Staged; got == nil || *got != staged {
			t.Errorf("after a restart of control %+v is staged; want %+v", got, staged)
		}
	}
}

// TestStageRefused: nothing that is not a bundle for this box gets on the shelf,
// and what was there stays.
func TestStageRefused(t *testing.T) {
	b := newBox(t)
	if _, err := b.ask(t.Context()); err != nil { // the floor
		t.Fatal(err)
	}
	good := bundleOf(t, manifest("v1.2.0"), releaseKey)
	b.put("usb0/good", good)
	if _, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:good")}); err != nil {
		t.Fatal(err)
	}
	had := b.shelfNames()
	board, old := manifest("v2.0.0"), manifest("v0.9.9")
	board.Board, old.Floor = "arm64", "v0.9.0"
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"nothing":           {nil, "ends before manifest.json"},
		"a text":            {[]byte("hello"), "the bundle"},
		"another key":       {bundleOf(t, manifest("v2.0.0"), strangeKey), "no key that this box knows has signed it"},
		"another board":     {bundleOf(t, board, releaseKey), "it is for the board arm64, this is x86_64"},
		"too old":           {bundleOf(t, old, releaseKey), "version v0.9.9 is older than v1.0.0"},
		"a bit":             {flipped, "is not the one that was signed"},
		"the first half":    {good[:len(good)/2], "unexpected EOF"},
		"something follows": {append(bytes.Clone(good), 0), "does not end where it should"},
		"too long":          {make([]byte, bundle.Max+1), "a bundle has"},
	} {
		b.put("usb0/x", test.content)
		if _, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:x")}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("stage of %s = %v; want %q", name, err, test.want)
		}
		if got := b.shelfNames(); got != had {
			t.Errorf("%s leaves %s on the shelf; want %s", name, got, had)
		}
	}
	b.set(func() { b.firmware.Writing = &model.SlotWriting{Slot: "B", Version: "v1.2.0"} })
	if _, err := b.ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:good")}); err == nil || !strings.Contains(err.Error(), "is being put in slot B") {
		t.Errorf("stage while a slot is written = %v; want a refusal", err)
	}
}

func TestStageNewest(t *testing.T) {
	b := newBox(t)
	if _, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:")}); err == nil || !strings.Contains(err.Error(), "there is no file *.causeway on usb0:/") {
		t.Errorf("stage of an empty stick = %v", err)
	}
	b.put("usb0/strange.causeway", bundleOf(t, manifest("v9.0.0"), strangeKey))
	b.put("usb0/text.CAUSEWAY", []byte("hello"))
	b.must(os.MkdirAll(b.path("usb0/dir.causeway"), 0o755))
	if _, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:")}); err == nil || !strings.Contains(err.Error(), "strange.causeway: the bundle: no key") {
		t.Errorf("stage of a stick with nothing that fits = %v", err)
	}
	other := manifest("v8.0.0")
	other.Board = "arm64"
	b.put("usb0/other.causeway", bundleOf(t, other, releaseKey))
	for _, version := range []string{"v1.2.0", "v1.10.0", "v1.9.0"} {
		b.put("usb0/"+version+".causeway", bundleOf(t, manifest(version), releaseKey))
	}
	staged, err := b.stage(t.Context(), StageRequest{From: place(t, "usb0:")})
	if err != nil || staged.Version != "v1.10.0" {
		t.Errorf("stage = %+v, %v; want v1.10.0", staged, err)
	}
}

// TestStrangeSum: what stands on the shelf under the name of a sum is not read
// whole.
func TestStrangeSum(t *testing.T) {
	b := newBox(t)
	b.put("harddisk/firmware/x.sha256", nil)
	const size = 64 << 20
	b.must(os.Truncate(b.path("harddisk/firmware/x.sha256"), size))
	u := New(b.options())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	staged := u.Status().Staged
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; staged != nil || used > size/2 {
		t.Errorf("%+v is staged, and %d octets of memory were taken", staged, used)
	}
}
