package licensed

import (
	"bytes"
	"testing"
	"time"

	"causeway/appliance/license/ela"
)

// TestAnswerFile answers requests in files.
func TestAnswerFile(t *testing.T) {
	b := newBox(newWorld(t, Options{}), "FHK1234ABcd")
	if err := b.SetFaults(Fault{Kind: InvalidTag, Times: 1}); err != nil { // files have none
		t.Fatal(err)
	}
	register := b.sign(b.header(ela.PathRegister, ""), b.registration(b.token()))
	text, err := b.AnswerFile(register)
	var registered ela.Registered
	if err == nil {
		err = b.open(text, "2", &registered)
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.AnswerFile(register)
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("the same file again: %s, %v; want the same answer", again, err)
	}
	b.takeIdentity(registered)
	online := b.sign(b.header(b.url+ela.PathAuthorize, b.nonce()), b.mayI(1))
	if _, err := b.AnswerFile(online); err == nil {
		t.Error("a request for the network is answered as a file")
	}
	late := b.sign(b.header(ela.PathAuthorize, ""), b.mayI(1))
	if err := b.AdvanceClock(30*day + time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := b.AnswerFile(late); err == nil {
		t.Error("a request of more than 30 days ago is answered")
	}
	if _, err := b.AnswerFile(b.sign(b.header(ela.PathAuthorize, ""), b.mayI(1))); err != nil {
		t.Error(err)
	}
	if len(b.Faults()) != 1 {
		t.Error("a fault has befallen a file")
	}
}
