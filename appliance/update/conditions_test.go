package update

import (
	"fmt"
	"strings"
	"testing"

	"causeway/appliance/model"
)

func TestConditions(t *testing.T) {
	wentBack := &model.TrialEnd{Slot: "B", Version: "v1.2.0", Reason: "the proxy does not answer"}
	for _, test := range []struct {
		name string
		set  func(*model.Firmware)
		want string
	}{
		{"well", func(*model.Firmware) {}, ""},
		{"a kernel without a slot", func(f *model.Firmware) { f.Running, f.Blessed = "kernel", "" }, ""},
		{"it went back", func(f *model.Firmware) { f.Last = wentBack }, "firmware-failed the box went back from v1.2.0: the proxy does not answer"},
		{"it serves", func(f *model.Firmware) { f.Last = &model.TrialEnd{Blessed: true} }, ""},
		{"another is written", func(f *model.Firmware) { f.Last, f.Writing = wentBack, &model.SlotWriting{} }, ""},
		{"another is on trial", func(f *model.Firmware) { f.Last, f.Trial, f.Running = wentBack, trial(false), "B" }, ""},
		{"it was not written", func(f *model.Firmware) {
			f.Writing = &model.SlotWriting{Slot: "B", Version: "v1.2.0", Problem: "no room"}
		}, "firmware-failed slot B could not be written with v1.2.0: no room"},
		{"a damaged slot", func(f *model.Firmware) {
			f.Slots = []model.SlotStatus{{Name: "B", State: model.SlotDamaged, Problem: "another SHA-256"}}
		}, "slot-damaged B the box could not start from slot B: another SHA-256"},
		{"the wrong slot", func(f *model.Firmware) { f.Running = "B" }, "slot-wrong the box runs from slot B, and should from slot A"},
		{"to be confirmed", func(f *model.Firmware) { f.Running, f.Trial = "B", trial(true) }, "firmware-confirm v1.2.0 waits for its confirmation over COM"},
	} {
		b := newBox(t)
		b.Update.firmware = b.firmware
		test.set(&b.Update.firmware)
		var got []string
		for _, c := range b.Conditions() {
			got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s", c.Name, c.Object, c.Text)), " "))
		}
		if strings.Join(got, "\n") != test.want {
			t.Errorf("%s: %q; want %q", test.name, got, test.want)
		}
	}
}
