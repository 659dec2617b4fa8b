package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// startTPM starts a TPM 2.0, and gives QEMU's end of the channel that controls it.
func (m *Machine) startTPM(config Config) (control *os.File, err error) {
	if config.Board.TPM == "" {
		return nil, fmt.Errorf("%s has no TPM that its kernel knows", config.Board.Name)
	}
	if config.Kernel != nil {
		// The log of a TPM makes the ACPI tables longer than QEMU has room for below
		// an initramfs: they would be overwritten, and the kernel would find none.
		return nil, errors.New("a machine with a TPM boots through UEFI")
	}
	if err := os.MkdirAll(config.TPM, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for the TPM: %w", err)
	}
	its, control, err := filePair("control of the TPM")
	if err != nil {
		return nil, err
	}
	defer its.Close()
	m.tpm = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+config.TPM,
		"--ctrl", fmt.Sprintf("type=unixio,clientfd=%d", firstExtraFile))
	m.tpm.ExtraFiles = []*os.File{its}
	m.tpm.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.tpm.Start(); err != nil {
		control.Close()
		return nil, fmt.Errorf("start swtpm (Debian package swtpm): %w", err)
	}
	return control, nil
}

// endTPM ends the TPM, if there is one, when QEMU is gone. It loses nothing: its state
// is on the disk before it answers.
func (m *Machine) endTPM() {
	if m.tpm != nil && m.tpm.Process != nil {
		m.tpm.Process.Kill()
		m.tpm.Wait()
	}
}
