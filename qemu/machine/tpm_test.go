package machine

import (
	"io"
	"testing"
)

// TestStartTPM starts a TPM without a machine.
func TestStartTPM(t *testing.T) {
	board, err := FindBoard("x86_64")
	if err != nil {
		t.Fatal(err)
	}
	m := &Machine{}
	control, err := m.startTPM(Config{Board: board, TPM: t.TempDir() + "/state"})
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	// CMD_GET_CAPABILITY of swtpm's control channel (swtpm_ioctls(3)).
	if _, err := control.Write([]byte{0, 0, 0, 1}); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(control, make([]byte, 8)); err != nil {
		t.Errorf("the TPM answers nothing: %v", err)
	}
	m.endTPM()
	if m.tpm.ProcessState == nil {
		t.Error("the TPM goes on")
	}
}

func TestStartTPMRefuses(t *testing.T) {
	amd, _ := FindBoard("x86_64")
	arm, _ := FindBoard("arm64")
	for _, config := range []Config{
		{Board: arm, TPM: t.TempDir()},
		{Board: amd, TPM: t.TempDir(), Kernel: &Kernel{}},
		{Board: amd, TPM: "/dev/null/state"},
	} {
		m := &Machine{}
		if control, err := m.startTPM(config); err == nil {
			control.Close()
			t.Errorf("startTPM(%+v) = nil; want an error", config)
		}
		m.endTPM() // of none
	}
}
