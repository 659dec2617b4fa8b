package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"causeway/appliance/model"
	"causeway/appliance/storage"
	"causeway/init/volume"
)

// serialLength is that of the random serial number in the UDI (L-38).
const serialLength = 11

// serialAlphabet has no letters that are read as digits; its 32 characters
// take five bits each.
const serialAlphabet = "0123456789ABCDEFGHJKLMNPQRSTVWXY"

var serialForm = regexp.MustCompile(fmt.Sprintf(`^[%s]{%d}\n$`, serialAlphabet, serialLength))

// readSerial gives the processes the serial number of the box, made at first
// boot. One that lives in memory only, because bootflash: is not there, is
// another at each boot: nothing on another disk is taken for ours. While the
// box runs it keeps its number: a bootflash: that was formatted is given it.
func (m *machine) readSerial() error {
	kept := m.path("bootflash/init/serial")
	text, err := storage.ReadFile(kept)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = os.ReadFile(m.path(model.SerialFile)); err != nil {
			text = []byte(newSerial())
		}
		if m.volumes.OnDisk(volume.Bootflash) {
			err = storage.WriteFile(kept, text, 0o640)
		} else {
			err = nil
		}
	}
	if err != nil {
		return err
	}
	if !serialForm.Match(text) {
		return fmt.Errorf("%s does not hold a serial number of %d characters", kept, serialLength)
	}
	return os.WriteFile(m.path(model.SerialFile), text, 0o640)
}

func newSerial() string {
	var random [serialLength]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	var serial strings.Builder
	for _, b := range random {
		serial.WriteByte(serialAlphabet[b%32])
	}
	return serial.String() + "\n"
}
